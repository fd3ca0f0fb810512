// @ts-check
// A frame: what one panel shows at this moment, in data units, made from its store and the view. No drawing here.
import { bridged, enveloped, envelopedPlaces, smoothed, thinned, thinnedPlaces } from "./smooth.js";
import { automaticWidth } from "./windows.js";

/** @typedef {import('./types.js').Row} Row */
/** @typedef {import('./types.js').View} View */
/** @typedef {import('./types.js').Status} Status */
/** @typedef {import('./types.js').Windows} Windows */
/** @typedef {import('./types.js').PanelView} PanelView */
/** @typedef {import('./windows.js').Gatherer} Gatherer */

/**
 * Values of one aggregation, an array a row; bands have a low and a high one.
 * @typedef {{
 *   rows: Row[], x: Float64Array, windows: Windows, width: number, lines: Record<string, Float64Array[]>,
 *   raw: Float64Array[], low: Record<string, Float64Array[]>, high: Record<string, Float64Array[]>,
 *   points: {x: Float64Array, group: number}, edges: Float64Array, start: number,
 *   bandOf: (row: number, band: string) => [Float64Array, Float64Array],
 * }} Frame
 */

const MOST_POINTS = 300; // of a curve; more are thinned to their extremes
const MOST_EDGES = 150; // of each edge of a band: its filling is what costs most of a drawing
export const MOST_BANDS = 60; // more of them cover each other and everything else
const MOST_IN_ALL = 24_000; // of all curves together, so that many lines have fewer points each

/**
 * Where a step stands in epochs: 2.5 is the middle of the third. The epoch under way is taken to be as long as the last;
 * the very first, of unknown length, fills what is seen of it.
 * @param {[number, number][]} marks epoch and the number of steps at its end
 * @param {number} lastStep
 * @returns {(step: number) => number}
 */
export function epochOf(marks, lastStep) {
  if (!marks.length) return (step) => (step + 1) / Math.max(lastStep + 1, 1);
  const [lastEpoch, lastEnd] = marks[marks.length - 1];
  const before = marks.length > 1 ? marks[marks.length - 2][1] : 0;
  const usual = Math.max(lastEnd - before, 1);
  let at = 0;
  return (step) => {
    const count = step + 1;
    if (count > lastEnd) return lastEpoch + (count - lastEnd) / usual;
    if (at > 0 && count <= marks[at - 1][1]) at = 0;
    while (marks[at][1] < count) at++;
    const [epoch, end] = marks[at];
    const start = at > 0 ? marks[at - 1][1] : Math.max(0, end - (marks.length > 1 ? marks[1][1] - end : end));
    return epoch - 1 + Math.max(0, (count - start) / Math.max(end - start, 1));
  };
}

/**
 * The x position of each window.
 * @param {Windows} windows @param {View} view @param {Status} status @param {number} lastStep
 */
export function places(windows, view, status, lastStep) {
  if (view.x === "seconds") return windows.seconds;
  return view.x === "epoch" ? windows.to.map(epochOf(status.epoch_marks ?? [], lastStep)) : windows.to;
}

/**
 * Where the x axis begins: a window stands under its last step, but it begins with its first.
 * @param {Windows} windows @param {Float64Array} x @param {View} view @param {Status} status @param {number} lastStep
 */
function startOf(windows, x, view, status, lastStep) {
  if (!windows.n) return 0;
  if (view.x === "step") return windows.from[0];
  if (view.x === "epoch") return epochOf(status.epoch_marks ?? [], lastStep)(windows.from[0] - 1);
  return windows.from[0] === 0 ? 0 : x[0];
}

/**
 * @param {View} view
 * @param {number} steps the longest span of any panel, so that all panels have the same windows
 */
export function windowWidth(view, steps) {
  return view.window === "auto" ? automaticWidth(steps) : Math.max(1, Math.round(view.window));
}

/**
 * @param {Gatherer} gatherer
 * @param {Row[]} rows what is to be drawn
 * @param {PanelView} panel
 * @param {View} view
 * @param {Status} status
 * @param {{width: number, sparse: boolean}} options `sparse`: readings come rarely by nature, so gaps are bridged
 * @returns {Frame}
 */
export function makeFrame(gatherer, rows, panel, view, status, { width, sparse }) {
  const quartiles = panel.lines.includes("median") || panel.bands.includes("Q1-Q3");
  const { store } = gatherer;
  const windows = gatherer.gather(
    rows.map((row) => row.column),
    width,
    quartiles,
  );
  const x = places(windows, view, status, store.lastStep);
  const most = Math.max(24, Math.min(MOST_POINTS, Math.floor(MOST_IN_ALL / Math.max(rows.length, 1))));
  const group = windows.n > most ? Math.ceil((2 * windows.n) / most) : 0;
  const wide = windows.n > Math.min(MOST_EDGES, most) ? Math.ceil(windows.n / Math.min(MOST_EDGES, most)) : 0;
  const fill = (/** @type {Float64Array} */ values) => (sparse ? bridged(values, x) : values);
  const thin = (/** @type {Float64Array} */ values) => (group ? thinned(values, group) : values);
  const finish = (/** @type {Float64Array} */ values) => thin(fill(smoothed(values, view.smooth)));
  const edge = (/** @type {Float64Array} */ values, /** @type {boolean} */ upper) => {
    const whole = fill(smoothed(values, view.smooth));
    return wide ? enveloped(whole, wide, upper) : whole;
  };
  /** @type {Frame['bandOf']} */
  const bandOf = (row, band) => {
    const [low, high] = edgesOf(windows.stats[row], band);
    return [edge(low, false), edge(high, true)];
  };
  /** @type {Frame} */
  const frame = {
    rows,
    windows,
    width,
    x,
    start: startOf(windows, x, view, status, store.lastStep),
    lines: {},
    low: {},
    high: {},
    raw: [],
    edges: wide ? envelopedPlaces(x, wide) : x,
    points: { x: group ? thinnedPlaces(x, group) : x, group },
    bandOf,
  };
  for (const line of panel.lines) {
    frame.lines[line] = windows.stats.map((stats) => finish(stats[/** @type {'mean'} */ (line)]));
  }
  if (view.smooth > 0 && panel.lines.includes("mean")) frame.raw = windows.stats.map((stats) => thin(fill(stats.mean)));
  for (const band of rows.length > MOST_BANDS ? [] : panel.bands) {
    const edges = rows.map((_, row) => bandOf(row, band));
    frame.low[band] = edges.map(([low]) => low);
    frame.high[band] = edges.map(([, high]) => high);
  }
  return frame;
}

/**
 * @param {import('./types.js').Stats} stats
 * @param {string} band
 * @returns {[Float64Array, Float64Array]}
 */
function edgesOf(stats, band) {
  if (band === "Q1-Q3") return [stats.q1, stats.q3];
  if (band === "min-max") return [stats.min, stats.max];
  return [stats.mean.map((mean, i) => mean - stats.std[i]), stats.mean.map((mean, i) => mean + stats.std[i])];
}

/**
 * The line that stands for a row where one number is wanted: the first that is shown, else the mean.
 * @param {PanelView} panel
 * @returns {'mean' | 'median' | 'min' | 'max'}
 */
export function mainLine(panel) {
  return /** @type {'mean'} */ (panel.lines[0] ?? "mean");
}

/**
 * The newest value of each row, unsmoothed.
 * @param {Windows} windows @param {number} row @param {'mean' | 'median' | 'min' | 'max'} line
 */
export function newestValue(windows, row, line) {
  const values = windows.stats[row][line];
  for (let i = windows.n - 1; i >= 0; i--) if (values[i] === values[i]) return values[i];
  return NaN;
}
