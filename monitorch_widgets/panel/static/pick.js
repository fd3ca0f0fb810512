// @ts-check
// What the pointer means: the nearest line of a chart, the cell of a map, the end of an epoch.

/** @typedef {import('./chart.js').Chart} Chart */
/** @typedef {import('./overlay.js').Area} Area */
/** @typedef {import('./types.js').Row} Row */

/** @typedef {{row: number, line: string, window: number}} Picked */

const REACH_PX = 24;

/**
 * The line nearest to the pointer, and the window under it.
 * @param {Chart} chart @param {Area} area @param {number} px @param {number} py
 * @returns {Picked | null}
 */
export function nearestLine(chart, area, px, py) {
  const frame = chart.frame;
  if (!frame || !frame.rows.length || !frame.x.length || !area.holds(px, py)) return null;
  const at = nearestIndex(frame.points.x, area.dataX(px));
  /** @type {{distance: number, row: number, line: string} | null} */
  let best = null;
  for (const [line, rows] of Object.entries(frame.lines)) {
    for (let row = 0; row < rows.length; row++) {
      const distance = distanceTo(rows[row], frame.points.x, area, at, px, py);
      if (distance < (best?.distance ?? REACH_PX)) best = { distance, row, line };
    }
  }
  if (!best) return null;
  const { row, line } = best;
  return { row, line, window: nearestReading(frame.windows.stats[row].mean, nearestIndex(frame.x, area.dataX(px))) };
}

/**
 * The cell of a map under the pointer.
 * @param {Chart} chart @param {Area} area @param {number} px @param {number} py @param {string} line
 * @returns {Picked | null}
 */
export function cellUnder(chart, area, px, py, line) {
  const frame = chart.frame;
  if (!frame || !frame.rows.length || !frame.x.length || !area.holds(px, py)) return null;
  const row = Math.floor(((py - area.top) / area.height) * frame.rows.length);
  const x = area.dataX(px);
  let window = 0;
  while (window < frame.x.length - 1 && frame.x[window] < x) window++;
  return { row: Math.min(Math.max(row, 0), frame.rows.length - 1), line, window };
}

/**
 * @param {Float64Array} values @param {Float64Array} x @param {Area} area @param {number} at @param {number} px @param {number} py
 */
function distanceTo(values, x, area, at, px, py) {
  let best = Infinity;
  for (let i = Math.max(at - 1, 0); i <= Math.min(at + 1, values.length - 1); i++) {
    const here = [area.px(x[i]), area.py(values[i])];
    if (here[1] !== here[1]) continue;
    best = Math.min(best, Math.hypot(here[0] - px, here[1] - py));
    const next = i + 1 < values.length ? [area.px(x[i + 1]), area.py(values[i + 1])] : here;
    if (next[1] === next[1]) best = Math.min(best, toSegment(px, py, here, next));
  }
  return best;
}

/** @param {number} px @param {number} py @param {number[]} a @param {number[]} b */
function toSegment(px, py, a, b) {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const share = Math.min(Math.max(((px - a[0]) * dx + (py - a[1]) * dy) / (dx * dx + dy * dy || 1), 0), 1);
  return Math.hypot(a[0] + share * dx - px, a[1] + share * dy - py);
}

/** @param {ArrayLike<number>} sorted @param {number} value */
export function nearestIndex(sorted, value) {
  let [low, high] = [0, sorted.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low > 0 && value - sorted[low - 1] < sorted[low] - value ? low - 1 : low;
}

/** The nearest window that has a reading. @param {Float64Array} values @param {number} at */
function nearestReading(values, at) {
  for (let off = 0; off < values.length; off++) {
    if (values[at - off] === values[at - off] && at - off >= 0) return at - off;
    if (at + off < values.length && values[at + off] === values[at + off]) return at + off;
  }
  return at;
}
