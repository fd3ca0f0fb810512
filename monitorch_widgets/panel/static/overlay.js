// @ts-check
// What lies over a chart and changes with the pointer: lit lines, newest values, the ends of epochs, the zero line. It is
// drawn by the page itself, so that pointing at something costs a few paths and no chart.
import { setAttributes, svg } from "./dom.js";
import { valueText } from "./format.js";
import { mainLine, newestValue } from "./frame.js";
import { hairlines } from "./marks.js";
import { areaPath } from "./paths.js";
import { DOT } from "./shapes.js";

/** @typedef {import('./chart.js').Chart} Chart */
/** @typedef {import('./types.js').PanelView} PanelView */
/** @typedef {import('./types.js').Row} Row */

const MOST_VALUES = 6; // newest values written beside lines, and rows whose bands are drawn
export const EDGE_PX = 2; // that curves reach beyond the data area

/**
 * What the overlay has to show.
 * @typedef {{
 *   lit: (row: Row) => boolean, strong: (row: Row) => boolean, dim: boolean, panel: PanelView, map: boolean,
 *   marks: import('./types.js').Mark[], zero: boolean,
 * }} OverlayState
 */

/** Pixels of a plot: where the data area begins and how large it is. */
export class Area {
  /** @param {Chart} chart @param {number} width @param {number} height of the whole plot */
  constructor(chart, width, height) {
    const { margin } = chart;
    this.left = margin.left;
    this.top = margin.top;
    this.width = Math.max(1, width - margin.left - margin.right);
    this.height = Math.max(1, height - margin.top - margin.bottom);
    this.x = chart.x;
    this.y = chart.y;
    this.log = chart.log;
  }

  /** @param {number} x */
  px(x) {
    return this.left + ((x - this.x.min) / (this.x.max - this.x.min)) * this.width;
  }

  /** @param {number} value in data units */
  py(value) {
    const y = this.log ? Math.log10(value) : value;
    return this.top + (1 - (y - this.y.min) / (this.y.max - this.y.min)) * this.height;
  }

  /** Like `py`, but no further than the edges; a logarithmic axis has no place for zero but its floor. @param {number} value */
  inside(value) {
    const py = this.log && value <= 0 ? Infinity : this.py(value);
    return Math.min(Math.max(py, this.top), this.top + this.height);
  }

  /** @param {number} px */
  dataX(px) {
    return this.x.min + ((px - this.left) / this.width) * (this.x.max - this.x.min);
  }

  /** @param {number} px @param {number} py */
  holds(px, py) {
    return px >= this.left && px <= this.left + this.width && py >= this.top - 4 && py <= this.top + this.height + 4;
  }
}

export class Overlay {
  constructor() {
    this.veil = svg("rect", { class: "mw-veil" }); // dims the chart below, which is then not painted anew
    this.marks = svg("g", { class: "mw-marks" });
    this.lines = svg("g", { class: "mw-lit-lines" });
    this.values = svg("g", { class: "mw-values" });
    this.element = svg("svg", { class: "mw-overlay", "aria-hidden": "true" }, this.veil, this.marks, this.lines, this.values);
  }

  /** @param {Chart} chart @param {Area} area @param {OverlayState} state */
  update(chart, area, state) {
    this.drawMarks(area, state);
    this.drawVeil(area, state);
    const frame = chart.frame;
    this.lines.replaceChildren();
    this.values.replaceChildren();
    if (!frame) return;
    /** @type {{row: number, py: number, text: string, colour: string}[]} */
    const labels = [];
    frame.rows.forEach((row, r) => {
      const strong = state.strong(row);
      if (!strong && !state.lit(row)) return;
      if (state.map) return void this.lines.append(rowOutline(area, frame.rows.length, r));
      if (state.dim && labels.length < MOST_VALUES) this.lines.append(...bandsOf(frame, r, state.panel, area));
      for (const [name, lines] of Object.entries(frame.lines)) {
        const d = pathOf(frame.points.x, lines[r], area);
        if (d)
          this.lines.append(
            svg("path", { class: `mw-lit-line mw-lit-${name}`, d, stroke: row.colour, "data-name": row.name }),
          );
      }
      const value = newestValue(frame.windows, r, mainLine(state.panel));
      const py = area.py(value);
      if (py === py) labels.push({ row: r, py, text: valueText(value), colour: row.colour });
    });
    for (const label of apart(labels.slice(0, MOST_VALUES), area)) this.values.append(valueLabel(label, area));
  }

  /** @param {Area} area @param {OverlayState} state */
  drawVeil(area, state) {
    this.veil.toggleAttribute("hidden", !state.dim);
    if (!state.dim) return;
    setAttributes(this.veil, {
      x: area.left - EDGE_PX,
      y: area.top - EDGE_PX,
      width: area.width + 2 * EDGE_PX,
      height: area.height + 2 * EDGE_PX,
    });
  }

  /** Hairlines: an event's with a flag on top, for it is the rarer one, a command's with a ring. @param {Area} area @param {OverlayState} state */
  drawMarks(area, state) {
    const { top, height } = area;
    const lines = hairlines(state.marks, area, "epoch").map(({ px }) =>
      svg("path", { class: "mw-epoch-mark", d: `M${px},${top}V${top + height}` }),
    );
    for (const { px } of hairlines(state.marks, area, "event")) {
      const d = `M${px},${top}V${top + height}`;
      lines.push(svg("path", { class: "mw-event-mark", "data-testid": "mw-event-mark", d }));
      lines.push(svg("path", { class: "mw-event-flag", d: `M${px - 4},${top - 5}h8l-4,6z` }));
    }
    for (const { px } of hairlines(state.marks, area, "command")) {
      lines.push(svg("path", { class: "mw-command-mark", "data-testid": "mw-command-mark", d: `M${px},${top}V${top + height}` }));
      lines.push(svg("circle", { class: "mw-command-flag", cx: px, cy: top - 3, r: 3 }));
    }
    if (state.zero && area.y.min < 0 && area.y.max > 0) {
      const py = Math.round(area.py(0)) + 0.5;
      lines.push(svg("path", { class: "mw-zero", d: `M${area.left},${py}H${area.left + area.width}` }));
    }
    this.marks.replaceChildren(...lines);
  }
}

/**
 * A line as a path; gaps are gaps, and a point between two of them is a dot.
 * @param {Float64Array} x @param {Float64Array} values @param {Area} area
 */
export function pathOf(x, values, area) {
  let d = "";
  let points = 0; // since the last gap
  for (let i = 0; i <= values.length; i++) {
    const py = i < values.length && !(area.log && values[i] <= 0) ? area.py(values[i]) : NaN;
    if (py === py) d += `${points++ ? "L" : "M"}${area.px(x[i]).toFixed(1)},${py.toFixed(1)}`;
    else if (points === 1) d += DOT;
    if (py !== py) points = 0;
  }
  return d;
}

/**
 * The bands of one row, also where the chart has more rows than it draws bands of.
 * @param {import('./frame.js').Frame} frame @param {number} r @param {PanelView} panel @param {Area} area
 */
function bandsOf(frame, r, panel, area) {
  const xs = Array.from(frame.edges, (x) => area.px(x));
  return panel.bands.map((band) => {
    const [low, high] = frame.bandOf(r, band);
    const d = areaPath(xs, low, high, (value) => area.inside(value));
    return svg("path", { class: `mw-lit-band mw-lit-band-${band}`, d, fill: frame.rows[r].colour });
  });
}

/** @param {Area} area @param {number} rows @param {number} r */
function rowOutline(area, rows, r) {
  const height = area.height / rows;
  return svg("rect", {
    class: "mw-lit-row",
    x: area.left - 1,
    y: area.top + r * height - 0.5,
    width: area.width + 2,
    height: Math.max(height, 2) + 1,
  });
}

/**
 * Labels in order of height, moved so that none covers another.
 * @param {{row: number, py: number, text: string, colour: string}[]} labels @param {Area} area
 */
function apart(labels, area) {
  const apartPx = 15;
  labels.sort((a, b) => a.py - b.py);
  let floor = area.top + 6;
  for (const label of labels) {
    label.py = Math.max(label.py, floor);
    floor = label.py + apartPx;
  }
  let ceiling = area.top + area.height - 6;
  for (const label of [...labels].reverse()) {
    label.py = Math.min(label.py, ceiling);
    ceiling = label.py - apartPx;
  }
  return labels;
}

/** @param {{py: number, text: string, colour: string}} label @param {Area} area */
function valueLabel({ py, text, colour }, area) {
  const width = 7 * text.length + 16;
  const right = area.left + area.width + 12;
  return svg(
    "g",
    { class: "mw-value" },
    svg("rect", { x: right - width, y: py - 8, width, height: 16, rx: 3 }),
    svg("circle", { cx: right - width + 7, cy: py, r: 3, fill: colour }),
    svg("text", { x: right - 4, y: py + 4, "text-anchor": "end" }, text),
  );
}
