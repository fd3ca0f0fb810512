// @ts-check
// The map: modules as rows, steps as columns, values as colours; for models with more modules than lines can show.
import { xExtent } from "./chart.js";
import { colourTable } from "./colours.js";
import { tailOf } from "./format.js";
import { Domain, linearTicks } from "./scales.js";

/** @typedef {import('./chart.js').Chart} Chart */
/** @typedef {import('./frame.js').Frame} Frame */
/** @typedef {import('./scales.js').Extent} Extent */

const MOST_COLUMNS = 400;
const ROW_LABEL_PX = 13;
const LABEL_LETTERS = 17;

/** Room for the names of the rows. */
export const MAP_MARGIN = { top: 10, right: 14, bottom: 22, left: 116 };

/** Keeps the colour scale of one panel's map and paints it. */
export class HeatMap {
  /** @param {Chart} chart */
  constructor(chart) {
    this.chart = chart;
    this.domain = new Domain();
    /** @type {Extent} */ this.range = { min: 0, max: 1 };
    this.log = false;
    this.diverging = chart.spec.kind === "correlation";
    this.table = colourTable(this.diverging);
    this.canvas = document.createElement("canvas");
    /** @type {string} */ this.image = "";
  }

  /**
   * @param {Frame} frame
   * @param {'mean' | 'median' | 'min' | 'max'} line
   * @param {{log: boolean, snap: boolean, xKind: 'number' | 'whole' | 'seconds', ticks: {x: number}, height: number, columns: number}} options
   */
  draw(frame, line, { log, snap, xKind, ticks, height, columns }) {
    const { chart } = this;
    chart.frame = frame;
    chart.log = false;
    const values = frame.windows.stats.map((stats) => stats[line]);
    this.setRange(values, log, snap);
    const n = frame.rows.length;
    chart.x = chart.xDomain.follow(xExtent(frame), snap);
    chart.y = { min: 0, max: Math.max(n, 1) };
    chart.setDomains(chart.x, chart.y);
    chart.setTicks(linearTicks(chart.x, ticks.x, xKind), rowTicks(frame, height), false);
    this.paint(frame, values, Math.max(1, Math.min(MOST_COLUMNS, columns)));
    this.show(n);
  }

  /** @param {Float64Array[]} values @param {boolean} log @param {boolean} snap */
  setRange(values, log, snap) {
    let [low, high, positive] = [Infinity, -Infinity, Infinity];
    for (const row of values) {
      for (const value of row) {
        if (value < low) low = value;
        if (value > high) high = value;
        if (value > 0 && value < positive) positive = value;
      }
    }
    const { kind } = this.chart.spec;
    if (kind === "correlation" || kind === "probability") {
      this.log = false;
      this.range = { min: kind === "correlation" ? -1 : 0, max: 1 };
      return;
    }
    const wasLog = this.log;
    this.log = high > 0 && positive < Infinity && (log || (low >= 0 && high / positive > 100));
    const wanted = this.log
      ? { min: Math.log10(positive), max: Math.log10(high) }
      : { min: Math.min(low, high), max: high };
    if (!(wanted.max >= wanted.min)) return void (this.range = { min: 0, max: 1 });
    if (wanted.max === wanted.min) wanted.max = wanted.min + (Math.abs(wanted.min) * 0.1 || 1);
    this.range = this.domain.follow(wanted, snap || wasLog !== this.log);
  }

  /**
   * Paint the whole domain, so that the picture always fills the plot. What has no value stays clear, and the hatching
   * behind it shows.
   * @param {Frame} frame @param {Float64Array[]} values @param {number} columns
   */
  paint(frame, values, columns) {
    const rows = Math.max(values.length, 1);
    this.canvas.width = columns;
    this.canvas.height = rows;
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    const picture = context.createImageData(columns, rows);
    const at = windowAt(frame.x, this.chart.x, columns);
    values.forEach((row, r) => {
      for (let c = 0; c < columns; c++) {
        const shade = at[c] < 0 ? -1 : this.shade(row[at[c]]);
        if (shade < 0) continue;
        const pixel = 4 * (r * columns + c);
        for (let k = 0; k < 3; k++) picture.data[pixel + k] = this.table[3 * shade + k];
        picture.data[pixel + 3] = 255;
      }
    });
    context.putImageData(picture, 0, 0);
    this.image = this.canvas.toDataURL();
  }

  /** Place in the colour table, -1 for none. @param {number} value */
  shade(value) {
    const on = this.log ? Math.log10(value) : value;
    if (this.log && value <= 0) return value === value ? 0 : -1;
    if (!(on === on)) return -1;
    const share = (on - this.range.min) / (this.range.max - this.range.min);
    return Math.round(Math.min(Math.max(share, 0), 1) * 255);
  }

  /** @param {number} rows */
  show(rows) {
    const { image } = this.chart.models;
    const { x } = this.chart;
    image.dirty = true;
    image.get("image").set_state({ format: "url", value: new DataView(new TextEncoder().encode(this.image).buffer) });
    image.set_state({ x: Float64Array.of(x.min, x.max), y: Float64Array.of(0, Math.max(rows, 1)), visible: rows > 0 });
    image.dirty = false;
    for (const view of this.chart.views.get("image") ?? []) {
      view.update_image();
      view.draw(false);
    }
  }
}

/**
 * Which window each column of the picture shows; -1 before the first and after the last.
 * @param {Float64Array} x the end of each window @param {Extent} extent @param {number} columns
 */
function windowAt(x, extent, columns) {
  const out = new Int32Array(columns).fill(-1);
  const usual = x.length > 1 ? (x[x.length - 1] - x[0]) / (x.length - 1) : Infinity;
  let at = 0;
  for (let c = 0; c < columns; c++) {
    const place = extent.min + ((c + 0.5) / columns) * (extent.max - extent.min);
    while (at < x.length && x[at] < place) at++;
    if (at < x.length && x[at] - place <= 2.5 * usual) out[c] = at;
  }
  return out;
}

/**
 * Names beside the rows, as many as fit.
 * @param {Frame} frame @param {number} height
 */
function rowTicks(frame, height) {
  const n = frame.rows.length;
  const every = Math.max(1, Math.ceil((n * ROW_LABEL_PX) / Math.max(height, 1)));
  const values = [];
  /** @type {Record<string, string>} */
  const labels = {};
  for (let r = 0; r < n; r += every) {
    const place = n - r - 0.5;
    values.push(place);
    labels[String(place)] = tailOf(frame.rows[r].name, LABEL_LETTERS);
  }
  return { values, labels };
}
