// @ts-check
// Bins: several steps of every name in eight numbers each, and the rule by which they merge; the same rule, and the same
// order of the numbers, as Python's history, so that the page and the history agree.

/** count, mean, variance, minimum, maximum, first quartile, median, third quartile */
export const STATS = 8;
const SAMPLES = 16;
const QUARTILES = [0.25, 0.5, 0.75];

/**
 * A quantile of sorted numbers, straight between neighbours.
 * @param {ArrayLike<number>} sorted
 * @param {number} n how many of them count
 * @param {number} q
 */
export function quantile(sorted, n, q) {
  if (n === 0) return NaN;
  const place = q * (n - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, n - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}

/**
 * Describe readings of one name, NaN left out, in the eight numbers at `out[at]`.
 * @param {Float64Array} readings changed: sorted
 * @param {number} n
 * @param {Float32Array | Float64Array} out
 * @param {number} at
 */
export function describe(readings, n, out, at) {
  out.fill(NaN, at, at + STATS);
  out[at] = n;
  if (n === 0) return;
  const sorted = readings.subarray(0, n).sort();
  let sum = 0;
  for (let i = 0; i < n; i++) sum += sorted[i];
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (sorted[i] - mean) ** 2;
  out[at + 1] = mean;
  out[at + 2] = squares / n;
  out[at + 3] = sorted[0];
  out[at + 4] = sorted[n - 1];
  for (let k = 0; k < 3; k++) out[at + 5 + k] = quantile(sorted, n, QUARTILES[k]);
}

/**
 * Merge two descriptions. Count, mean, variance, minimum and maximum are exact; the quartiles are read off the two
 * quantile functions, taken as straight between minimum, quartiles and maximum.
 * @param {Float32Array} a @param {number} i where the first stands in `a`
 * @param {Float32Array} b @param {number} j
 * @param {Float32Array} out @param {number} at
 */
export function mergeInto(a, i, b, j, out, at) {
  const left = a[i] > 0;
  const right = b[j] > 0;
  if (!left || !right) {
    const [from, k] = left ? [a, i] : [b, j];
    for (let s = 0; s < STATS; s++) out[at + s] = from[k + s];
    return;
  }
  const count = a[i] + b[j];
  const share = b[j] / count;
  const gap = b[j + 1] - a[i + 1];
  samplesOf(a, i, LEFT);
  samplesOf(b, j, RIGHT);
  const low = Math.min(a[i + 3], b[j + 3]);
  const high = Math.max(a[i + 4], b[j + 4]);
  const variance = a[i + 2] * (1 - share) + b[j + 2] * share + gap * gap * share * (1 - share);
  out[at] = count;
  out[at + 1] = a[i + 1] + gap * share;
  out[at + 2] = variance;
  out[at + 3] = low;
  out[at + 4] = high;
  mergedQuartiles(a[i] / SAMPLES, b[j] / SAMPLES, out, at + 5);
}

const LEFT = new Float64Array(SAMPLES);
const RIGHT = new Float64Array(SAMPLES);

/**
 * Points taken from a bin's quantile function, in ascending order.
 * @param {Float32Array} stats @param {number} at @param {Float64Array} out
 */
function samplesOf(stats, at, out) {
  const [first, median, third] = [stats[at + 5], stats[at + 6], stats[at + 7]];
  // An outer quarter is as wide as the one beside it at most: a spike is one reading, not a quarter of them.
  const low = Math.max(stats[at + 3], 2 * first - median);
  const high = Math.min(stats[at + 4], 2 * third - median);
  for (let s = 0; s < SAMPLES; s++) {
    const place = ((s + 0.5) / SAMPLES) * 4;
    const left = Math.min(Math.floor(place), 3);
    const from = left === 0 ? low : stats[at + 4 + left];
    const to = left === 3 ? high : stats[at + 5 + left];
    out[s] = from + (to - from) * (place - left);
  }
}

/**
 * Quartiles of the samples in `LEFT` and `RIGHT`, as `WeightedPoints` has them; a wide model merges many bins.
 * @param {number} ofLeft @param {number} ofRight weight of each sample @param {Float32Array} out @param {number} at
 */
function mergedQuartiles(ofLeft, ofRight, out, at) {
  const total = SAMPLES * (ofLeft + ofRight);
  let [l, r, k, reached, before, below] = [0, 0, 0, 0, NaN, NaN];
  while (k < 3) {
    const isLeft = r >= SAMPLES || (l < SAMPLES && LEFT[l] <= RIGHT[r]);
    const value = isLeft ? LEFT[l++] : RIGHT[r++];
    const weight = isLeft ? ofLeft : ofRight;
    const centre = reached + weight / 2;
    for (; k < 3 && centre >= QUARTILES[k] * total; k++) {
      const share = (QUARTILES[k] * total - before) / (centre - before);
      out[at + k] = below === below ? below + (value - below) * share : value;
    }
    reached += weight;
    [before, below] = [centre, value];
  }
}

/** Numbers with weights, from readings and bins together, for their quantiles. */
export class WeightedPoints {
  constructor() {
    /** @type {[number, number][]} */
    this.points = [];
    this.sorted = true;
  }

  /** @param {number} value */
  addReading(value) {
    this.points.push([value, 1]);
    this.sorted = false;
  }

  /** @param {Float32Array} stats @param {number} at */
  addBin(stats, at) {
    samplesOf(stats, at, LEFT);
    for (const value of LEFT) this.points.push([value, stats[at] / SAMPLES]);
    this.sorted = false;
  }

  /**
   * Straight between the two points beside rank `q`: taking one of them would drift with each merge.
   * @param {number} q
   */
  quantile(q) {
    if (!this.sorted) this.points.sort((a, b) => a[0] - b[0]);
    this.sorted = true;
    if (this.points.length < 2) return this.points.length ? this.points[0][0] : NaN;
    const target = q * this.points.reduce((sum, point) => sum + point[1], 0);
    let reached = 0;
    let [before, below] = [NaN, NaN]; // centre and value of the point at the left
    for (const [value, weight] of this.points) {
      const centre = reached + weight / 2;
      if (centre >= target) return below === below ? below + ((value - below) * (target - before)) / (centre - before) : value;
      reached += weight;
      [before, below] = [centre, value];
    }
    return below;
  }
}
