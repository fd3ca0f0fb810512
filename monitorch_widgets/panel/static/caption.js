// @ts-check
// The line below a chart: what is drawn, or the scale of the colours.
import { colourGradient } from "./colours.js";
import { h } from "./dom.js";
import { countText, counted, valueText } from "./format.js";
import { MOST_BANDS, mainLine } from "./frame.js";

/** @typedef {import('./panel.js').Panel} Panel */

const ONE_SCALE =
  "One scale for all rows. Where kinds of modules alternate, the map shows stripes: choose one kind to see differences within it";

/** @param {Panel} panel @returns {(Node | string)[]} */
export function captionOf(panel) {
  const frame = panel.chart.frame;
  if (!frame || !frame.rows.length || !frame.windows.n) return ["\u00a0"];
  const x = h("span", { class: "mw-x-name" }, xName(panel));
  return panel.isMap ? [...colourScale(panel), x] : [h("span", {}, wordsOf(panel)), x];
}

/** @param {Panel} panel */
export function xName(panel) {
  const { x } = panel.board.view.now;
  return x === "seconds" ? "seconds since the first step" : x;
}

/** Which aggregations, over how many steps. @param {Panel} panel */
export function wordsOf(panel) {
  const { lines, bands } = panel.panelView;
  const { width, view } = panel.board;
  const over = width === 1 ? "every step" : `over ${countText(width)} steps`;
  const words = [`${lines.length ? lines.join(", ") : "no line"} ${over}`];
  const shown = bands.map((band) => (band === "std" ? "σ" : band.replace("-", "–")));
  const many = (panel.chart.frame?.rows.length ?? 0) > MOST_BANDS;
  if (shown.length && width > 1) words.push(many ? "band of the line you point at" : `band ${shown.join(", ")}`);
  if (view.now.smooth > 0) words.push("smoothed");
  if (panel.chart.log) words.push("log");
  return words.join(" · ");
}

/** What the axis has no place for; '' where it shows everything. @param {Panel} panel */
export function leftOutWords(panel) {
  const { zeros, negatives } = panel.chart.left;
  const count = zeros + negatives;
  if (!count || panel.isMap) return "";
  const noun = negatives ? (count === 1 ? "value" : "values") + " at or below zero" : count === 1 ? "zero" : "zeros";
  return `${countText(count)} ${noun} ${count === 1 ? "is" : "are"} not shown on a logarithmic axis`;
}

/** @param {Panel} panel */
function colourScale(panel) {
  const map = panel.board.maps[panel.index];
  const end = (/** @type {number} */ value) => h("span", {}, valueText(map.log ? 10 ** value : value));
  return [
    end(map.range.min),
    h("i", { class: "mw-colour-scale", title: ONE_SCALE, style: `background:${colourGradient(map.diverging)}` }),
    end(map.range.max),
    h("span", {}, `${mainLine(panel.panelView)}${map.log ? ", log" : ""}`),
    h("i", { class: "mw-hatch-key" }),
    h("span", {}, "no reading"),
  ];
}

/** The chart in one sentence, for who can't see it. @param {Panel} panel */
export function summaryOf(panel) {
  const frame = panel.chart.frame;
  const rows = frame?.rows.length ?? 0;
  const steps = frame?.windows.n
    ? `steps ${frame.windows.from[0]} to ${frame.windows.to[frame.windows.n - 1]}`
    : "no readings yet";
  const what = `${panel.isMap ? "map" : "chart"} of ${counted(rows, "name")}`;
  const events = panel.board.status.events.length;
  const marks = events ? `${counted(events, "event")} on the axis` : "";
  return [`${panel.spec.title}: ${what}`, steps, leftOutWords(panel), marks].filter(Boolean).join(", ");
}
