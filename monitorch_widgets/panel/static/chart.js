// @ts-check
// Writes a frame into the bqplot models of one panel. Everything goes through `set_state`, so nothing is sent to Python.
import { drawOwnPaths, giveData } from "./paths.js";
import { Domain, linearExtent, linearTicks, logExtent, logTicks } from "./scales.js";

/** @typedef {import('./types.js').PanelModels} PanelModels */
/** @typedef {import('./types.js').ChartSpec} ChartSpec */
/** @typedef {import('./types.js').Row} Row */
/** @typedef {import('./types.js').WidgetModel} WidgetModel */
/** @typedef {import('./frame.js').Frame} Frame */
/** @typedef {import('./scales.js').Extent} Extent */

/** Room around the plot for tick labels, in pixels. */
export const MARGIN = { top: 10, right: 14, bottom: 22, left: 50 };

/** Aggregation to the mark that draws it. @type {Record<string, keyof PanelModels>} */
const LINE_MARKS = { mean: "mean", median: "median" };
/** @type {Record<string, keyof PanelModels>} */
const BAND_MARKS = { std: "band_std", "Q1-Q3": "band_q", "min-max": "band_minmax" };
/** @type {Record<string, number>} */
const BAND_OPACITY = { std: 0.24, "Q1-Q3": 0.24, "min-max": 0.11 };
/** @type {(keyof PanelModels)[]} */
export const MARKS = ["band_minmax", "band_std", "band_q", "raw", "extremes", "median", "mean"];

const AXES = ["axis_x", "axis_y", "axis_ylog"];

const NOTHING_LEFT_OUT = { zeros: 0, negatives: 0 };

/** Domains that the kind of a panel fixes. @type {Record<string, Extent>} */
const FIXED = { probability: { min: 0, max: 1 }, correlation: { min: -1, max: 1 } };

/**
 * Whether the kind of a panel leaves its y axis to the data.
 * @param {ChartSpec} spec
 */
export function hasFreeAxis(spec) {
  return !(spec.kind in FIXED);
}

/** What the last drawing put where; the overlay and the tooltip read it. */
export class Chart {
  /**
   * @param {PanelModels} models
   * @param {ChartSpec} spec
   */
  constructor(models, spec) {
    this.models = models;
    this.spec = spec;
    this.xDomain = new Domain();
    this.yDomain = new Domain();
    /** @type {Extent} */ this.x = { min: 0, max: 1 };
    /** @type {Extent} */ this.y = { min: 0, max: 1 };
    this.log = false;
    this.left = NOTHING_LEFT_OUT; // what a logarithmic axis has no place for
    this.margin = MARGIN;
    /** @type {Frame | null} */
    this.frame = null;
    /** @type {Map<keyof PanelModels, string>} */
    this.styles = new Map();
    /** @type {Map<string, Set<any>>} mark to the views of it that are in the page */
    this.views = new Map();
    this.prepare();
  }

  /** Looks that are the page's business, set once. */
  prepare() {
    const { fig, x, y, axis_x, axis_y, axis_ylog } = this.models;
    fig.set_state({
      title: "",
      animation_duration: 0,
      fig_margin: { ...MARGIN },
      min_aspect_ratio: 0.01,
      max_aspect_ratio: 100,
    });
    for (const scale of [x, y]) scale.set_state({ allow_padding: false, min: 0, max: 1 });
    const plain = { label: "", num_ticks: null, tick_style: {} }; // a number of ticks would thin out the ones we set
    axis_x.set_state({ ...plain, grid_lines: "none" });
    axis_y.set_state({ ...plain, grid_lines: "solid" });
    axis_ylog.set_state({ ...plain, grid_lines: "solid", visible: false });
    for (const name of [...MARKS, /** @type {'image'} */ ("image")]) {
      this.models[name].set_state({ visible: true });
      this.hide(name);
    }
  }

  /** Whether the front end has put Python's state back into the models, as JupyterLab does after a lost connection. */
  get overwritten() {
    const { x, axis_x, axis_y } = this.models;
    if (x.get("allow_padding") || axis_x.get("num_ticks") !== null || axis_y.get("num_ticks") !== null) return true;
    return [...this.styles.keys()].some((name) => !this.models[name].get("labels").length);
  }

  /** Give the models the page's looks again. */
  recover() {
    this.styles.clear();
    this.prepare();
    this.models.fig.set_state({ fig_margin: { ...this.margin } });
  }

  /** @param {() => void} again called when the models are overwritten @returns {() => void} ends that */
  whenOverwritten(again) {
    const look = () => this.overwritten && again();
    const { axis_x, axis_y } = this.models;
    const watched = [axis_x, axis_y, ...MARKS.map((name) => this.models[name])];
    for (const model of watched) model.on("change:num_ticks change:labels", look);
    return () => {
      for (const model of watched) model.off("change:num_ticks change:labels", look);
    };
  }

  /** Find the views of the marks; their elements are named, so that the style sheet can reach them. */
  async findViews() {
    for (const name of [...MARKS, "image", ...AXES]) {
      const model = this.models[/** @type {keyof PanelModels} */ (name)];
      const views = await Promise.all(Object.values(model.views ?? {}));
      for (const view of views) view.el.classList.add("mw-mark", `mw-mark-${name}`);
      if (MARKS.includes(/** @type {keyof PanelModels} */ (name)))
        for (const view of views) drawOwnPaths(view, name.startsWith("band"));
      if (AXES.includes(name)) for (const view of views) view.tickformat_changed();
      this.views.set(name, new Set(views));
    }
  }

  /**
   * @param {Frame} frame
   * @param {{log: boolean, snap: boolean, xKind: 'number' | 'whole' | 'seconds', ticks: {x: number, y: number}}} options
   */
  draw(frame, { log, snap, xKind, ticks }) {
    this.frame = frame;
    this.log = log && hasFreeAxis(this.spec);
    this.left = this.log ? leftOut(frame) : NOTHING_LEFT_OUT;
    const range = valueRange(frame);
    const wanted = this.log ? logExtent(range.positive, range.high) : linearExtent(range.low, range.high);
    this.y = FIXED[this.spec.kind] ?? this.yDomain.follow(wanted, snap);
    this.x = this.xDomain.follow(xExtent(frame), snap);
    this.setDomains(this.x, this.y);
    this.setTicks(
      linearTicks(this.x, ticks.x, xKind),
      this.log ? logTicks(this.y, ticks.y) : linearTicks(this.y, ticks.y),
      this.log,
    );
    for (const [line, mark] of Object.entries(LINE_MARKS)) this.writeLines(mark, frame, frame.lines[line] ?? []);
    this.writeLines("raw", frame, frame.raw);
    this.writeExtremes(frame);
    for (const band of Object.keys(BAND_MARKS)) this.writeBand(band, frame);
    this.hide("image");
  }

  /** @param {Extent} x @param {Extent} y */
  setDomains(x, y) {
    const marks = [...MARKS.map((name) => this.models[name]), this.models.image];
    for (const mark of marks) mark.dirty = true; // a dirty mark does not redraw itself when its scale changes
    this.models.x.set_state({ ...x });
    this.models.y.set_state({ ...y });
  }

  /** @param {import('./scales.js').Ticks} x @param {import('./scales.js').Ticks} y @param {boolean} log */
  setTicks(x, y, log) {
    this.setAxis("axis_x", x);
    this.setAxis(log ? "axis_ylog" : "axis_y", y);
    this.models.axis_y.set_state({ visible: !log });
    this.models.axis_ylog.set_state({ visible: log });
  }

  /**
   * Labels first: bqplot writes new ticks in a transition, with the labels that it knew when it was set off.
   * @param {'axis_x' | 'axis_y' | 'axis_ylog'} name @param {import('./scales.js').Ticks} ticks
   */
  setAxis(name, ticks) {
    this.models[name].set_state({ tick_labels: ticks.labels });
    this.models[name].set_state({ tick_values: Float64Array.from(ticks.values) });
    for (const view of this.views.get(name) ?? []) view.tickformat_changed();
  }

  /** After a change of size: bqplot would move the lines later, and leaves the grid as long as it was. */
  finish() {
    for (const name of MARKS)
      for (const view of this.views.get(name) ?? []) view.update_line_xy();
    for (const name of AXES) {
      for (const view of this.views.get(name) ?? []) {
        view.update_grid_lines();
        view.tickformat_changed();
      }
    }
  }

  /** @param {keyof PanelModels} mark @param {Frame} frame @param {Float64Array[]} lines one a row */
  writeLines(mark, frame, lines) {
    const { values, rows } = this.drawable(frame.rows, lines);
    this.write(mark, frame.points.x, values, rows, (colours) => ({ colors: colours }));
  }

  /** Minima first, then maxima. @param {Frame} frame */
  writeExtremes(frame) {
    const both = [...(frame.lines.min ?? []), ...(frame.lines.max ?? [])];
    const twice = [...(frame.lines.min ? frame.rows : []), ...(frame.lines.max ? frame.rows : [])];
    const { values, rows } = this.drawable(twice, both);
    this.write("extremes", frame.points.x, values, rows, (colours) => ({ colors: colours }));
  }

  /** @param {string} band @param {Frame} frame */
  writeBand(band, frame) {
    const { rows, values } = this.drawableBand(frame.rows, frame.low[band] ?? [], frame.high[band] ?? []);
    const opacities = rows.map((_, i) => (i % 2 ? 0 : BAND_OPACITY[band]));
    this.write(BAND_MARKS[band], frame.edges, values, rows, (colours) => ({
      colors: colours,
      fill_colors: colours,
      fill_opacities: opacities,
      opacities: opacities.map(() => 0),
    }));
  }

  /**
   * Values as they go on the axis; rows without any are left out, since bqplot logs an error for each.
   * @param {Row[]} rows @param {Float64Array[]} lines
   */
  drawable(rows, lines) {
    const onAxis = this.log ? lines.map((line) => line.map((value) => (value > 0 ? Math.log10(value) : NaN))) : lines;
    const kept = onAxis.map((_, i) => i).filter((i) => onAxis[i].some((value) => value === value));
    return { rows: kept.map((i) => rows[i]), values: kept.map((i) => onAxis[i]) };
  }

  /**
   * Pairs of rows, low and high; an edge that is not on a logarithmic axis lies on its floor.
   * @param {Row[]} rows @param {Float64Array[]} low @param {Float64Array[]} high
   */
  drawableBand(rows, low, high) {
    const floor = this.y.min;
    const out = { rows: /** @type {Row[]} */ ([]), values: /** @type {Float64Array[]} */ ([]) };
    for (let i = 0; i < low.length; i++) {
      let [bottom, top] = [low[i], high[i]];
      if (this.log) {
        [bottom, top] = [
          bottom.map((value) => (value > 0 ? Math.log10(value) : floor)),
          top.map((value) => Math.log10(value)),
        ];
        for (let k = 0; k < top.length; k++) if (!(high[i][k] > 0)) bottom[k] = top[k] = NaN;
      }
      if (!bottom.some((value) => value === value)) continue;
      out.rows.push(rows[i], rows[i]);
      out.values.push(bottom, top);
    }
    return out;
  }

  /**
   * @param {keyof PanelModels} name @param {Float64Array} x @param {Float64Array[]} y @param {Row[]} rows
   * @param {(colours: string[]) => object} style
   */
  write(name, x, y, rows, style) {
    if (!y.length) return this.hide(name);
    const model = this.models[name];
    /** @type {Record<string, any>} */
    const state = { visible: true };
    const key = rows.map((row) => row.name + row.colour).join("\n");
    if (this.styles.get(name) !== key) {
      this.styles.set(name, key);
      Object.assign(state, style(rows.map((row) => row.colour)), { labels: rows.map((row) => row.name) });
    }
    model.set_state(state);
    giveData(model, x, y);
  }

  /** What is hidden holds nothing, so that it costs nothing when sizes change. @param {keyof PanelModels} name */
  hide(name) {
    const model = this.models[name];
    if (!model.get("visible")) return;
    model.set_state(
      name === "image" ? { visible: false } : { visible: false, x: new Float64Array(0), y: new Float64Array(0) },
    );
    model.dirty = true;
  }

  hideLines() {
    for (const name of MARKS) this.hide(name);
  }
}

/** @param {Frame} frame @returns {Extent} */
export function xExtent({ x, start }) {
  const max = x.length ? x[x.length - 1] : 1;
  return max > start ? { min: start, max } : { min: start - 0.5, max: start + 0.5 }; // one point stands in the middle
}

/**
 * How many points of the lines a logarithmic axis can't show; of the means where there is no line.
 * @param {Frame} frame
 */
function leftOut(frame) {
  const line = /** @type {'mean'} */ (Object.keys(frame.lines)[0] ?? "mean");
  let [zeros, negatives] = [0, 0];
  for (const stats of frame.windows.stats) {
    for (const value of stats[line]) {
      if (value === 0) zeros++;
      else if (value < 0) negatives++;
    }
  }
  return { zeros, negatives };
}

/**
 * Extremes of everything that a frame draws, and the smallest positive value.
 * @param {Frame} frame
 */
export function valueRange(frame) {
  let [low, high, positive] = [Infinity, -Infinity, Infinity];
  for (const set of [
    ...Object.values(frame.lines),
    ...Object.values(frame.low),
    ...Object.values(frame.high),
    frame.raw,
  ]) {
    for (const line of set) {
      for (const value of line) {
        if (value < low) low = value;
        if (value > high) high = value;
        if (value > 0 && value < positive) positive = value;
      }
    }
  }
  return { low, high, positive };
}
