// @ts-check
// Windows of steps: the rows and bins of a panel gathered into the points that are drawn. Window k of width w holds the
// steps from k*w to (k+1)*w - 1, so a reading never moves to another window when new ones come.
import { STATS, WeightedPoints, quantile } from "./bins.js";

/** @typedef {import('./store.js').PanelStore} PanelStore */
/** @typedef {import('./types.js').Windows} Windows */
/** @typedef {import('./types.js').Stats} Stats */

const KEYS = /** @type {const} */ (["count", "mean", "std", "min", "max", "median", "q1", "q3"]);
const SOME_POINTS = 128; // at most so many windows when their width is 'auto'

/**
 * Width of a window when nobody asked for one: a power of two, so that a change of it moves little.
 * @param {number} steps from the first to the last
 */
export function automaticWidth(steps) {
  let width = 1;
  while (steps / width > SOME_POINTS) width *= 2;
  return width;
}

/**
 * Windows of a store, column by column. Old windows don't change, so they are computed once and kept.
 */
export class Gatherer {
  /** @param {PanelStore} store */
  constructor(store) {
    this.store = store;
    this.key = "";
    this.known = 0; // windows that are complete and unchanged since they were computed
    /** @type {Map<number, Stats>} */
    this.columns = new Map();
  }

  /**
   * Gather columns into windows. Everything is exact where the readings are still at hand; quartiles of bins are merged
   * by weight.
   * @param {number[]} columns
   * @param {number} width steps a window
   * @param {boolean} quartiles whether median and quartiles are wanted: they cost a sort
   * @returns {Windows}
   */
  gather(columns, width, quartiles) {
    const { store } = this;
    const groups = grouped(store, width);
    const n = groups.bins.length - 1;
    this.forget(width, quartiles, groups.to);
    const stats = columns.map((column) => {
      const known = this.columns.get(column);
      const fresh = statsOf(store, column, groups, n, quartiles, known ?? null, known ? this.known : 0);
      this.columns.set(column, fresh);
      return fresh;
    });
    for (const column of this.columns.keys()) if (!columns.includes(column)) this.columns.delete(column);
    this.store.changedFrom = Infinity;
    return { n, from: groups.from, to: groups.to, seconds: groups.seconds, stats };
  }

  /** @param {number} width @param {boolean} quartiles @param {Float64Array} ends of the windows */
  forget(width, quartiles, ends) {
    const key = [width, quartiles, this.store.folds].join();
    if (key !== this.key) this.columns.clear();
    this.key = key;
    this.known = 0;
    const changed = Math.floor(this.store.changedFrom / width);
    while (this.known < ends.length - 1 && Math.floor(ends[this.known] / width) < changed) this.known++;
  }
}

/**
 * Where each window's bins and rows begin; entry n is the end.
 * @param {PanelStore} store @param {number} width
 */
function grouped(store, width) {
  const { bins, steps, seconds } = store;
  /** @type {number[]} */ const binsAt = [];
  /** @type {number[]} */ const rowsAt = [];
  /** @type {number[]} */ const from = [];
  /** @type {number[]} */ const to = [];
  /** @type {number[]} */ const at = [];
  let key = -1;
  for (let i = 0; i < bins.n + store.n; i++) {
    const row = i - bins.n;
    const step = row < 0 ? bins.step[i] : steps[row];
    const window = Math.floor(step / width);
    if (window !== key) {
      key = window;
      binsAt.push(Math.min(i, bins.n));
      rowsAt.push(Math.max(row, 0));
      from.push(row < 0 ? (i > 0 ? bins.step[i - 1] + 1 : store.firstStep) : step);
      to.push(step);
      at.push(0);
    }
    to[to.length - 1] = step;
    at[at.length - 1] = row < 0 ? bins.seconds[i] : seconds[row];
  }
  binsAt.push(bins.n);
  rowsAt.push(store.n);
  return {
    bins: binsAt,
    rows: rowsAt,
    from: Float64Array.from(from),
    to: Float64Array.from(to),
    seconds: Float64Array.from(at),
  };
}

/**
 * @param {PanelStore} store @param {number} column @param {{bins: number[], rows: number[]}} groups
 * @param {number} n @param {boolean} quartiles @param {Stats | null} known @param {number} start windows taken from `known`
 * @returns {Stats}
 */
function statsOf(store, column, groups, n, quartiles, known, start) {
  const out = blankStats(n, quartiles);
  if (known) for (const key of KEYS) if (out[key].length) out[key].set(known[key].subarray(0, start));
  let longest = 0;
  for (let g = start; g < n; g++) longest = Math.max(longest, groups.rows[g + 1] - groups.rows[g]);
  const readings = new Float64Array(longest);
  for (let g = start; g < n; g++) {
    const found = readInto(readings, store, column, groups.rows[g], groups.rows[g + 1]);
    const hasBins = groups.bins[g + 1] > groups.bins[g];
    describeWindow(out, g, readings, found, quartiles && !hasBins);
    if (hasBins) addBins(out, g, store, column, groups, readings.subarray(0, found), quartiles);
  }
  return out;
}

/** @param {number} n @param {boolean} quartiles @returns {Stats} */
function blankStats(n, quartiles) {
  const fresh = () => new Float64Array(n).fill(NaN);
  const none = new Float64Array(0);
  return {
    count: new Float64Array(n),
    mean: fresh(),
    std: fresh(),
    min: fresh(),
    max: fresh(),
    median: quartiles ? fresh() : none,
    q1: quartiles ? fresh() : none,
    q3: quartiles ? fresh() : none,
  };
}

/**
 * @param {Float64Array} readings @param {PanelStore} store @param {number} column @param {number} from @param {number} to
 */
function readInto(readings, store, column, from, to) {
  let found = 0;
  for (let r = from; r < to; r++) {
    const value = store.values[r * store.width + column];
    if (value === value) readings[found++] = value;
  }
  return found;
}

/**
 * @param {Stats} out @param {number} g @param {Float64Array} readings @param {number} n @param {boolean} quartiles
 */
function describeWindow(out, g, readings, n, quartiles) {
  out.count[g] = n;
  if (n === 0) return;
  let [sum, low, high] = [0, Infinity, -Infinity];
  for (let i = 0; i < n; i++) {
    sum += readings[i];
    if (readings[i] < low) low = readings[i];
    if (readings[i] > high) high = readings[i];
  }
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (readings[i] - mean) ** 2;
  [out.mean[g], out.std[g], out.min[g], out.max[g]] = [mean, Math.sqrt(squares / n), low, high];
  if (!quartiles) return;
  const sorted = readings.subarray(0, n).sort();
  [out.q1[g], out.median[g], out.q3[g]] = [0.25, 0.5, 0.75].map((q) => quantile(sorted, n, q));
}

/**
 * Join bins to a window that may already hold readings.
 * @param {Stats} out @param {number} g @param {PanelStore} store @param {number} column
 * @param {{bins: number[]}} groups @param {Float64Array} readings @param {boolean} quartiles
 */
function addBins(out, g, store, column, groups, readings, quartiles) {
  const { stats } = store.bins;
  const points = quartiles ? new WeightedPoints() : null;
  let count = out.count[g];
  let mean = count ? out.mean[g] : 0;
  let squares = count ? out.std[g] ** 2 * count : 0;
  for (let b = groups.bins[g]; b < groups.bins[g + 1]; b++) {
    const at = (b * store.width + column) * STATS;
    const some = stats[at];
    if (!(some > 0)) continue;
    const gap = stats[at + 1] - mean;
    squares += stats[at + 2] * some + (gap * gap * count * some) / (count + some);
    mean += (gap * some) / (count + some);
    count += some;
    out.min[g] = out.min[g] <= stats[at + 3] ? out.min[g] : stats[at + 3];
    out.max[g] = out.max[g] >= stats[at + 4] ? out.max[g] : stats[at + 4];
    if (points) points.addBin(stats, at);
  }
  if (count === 0) return;
  [out.count[g], out.mean[g], out.std[g]] = [count, mean, Math.sqrt(squares / count)];
  if (!points) return;
  for (const value of readings) points.addReading(value);
  [out.q1[g], out.median[g], out.q3[g]] = [0.25, 0.5, 0.75].map((q) => points.quantile(q));
}
