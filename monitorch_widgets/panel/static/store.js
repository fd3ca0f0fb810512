// @ts-check
// The numbers of one panel: the newest steps at full detail, older ones in bins, bounded whatever the run's length.
import { STATS, describe, mergeInto } from "./bins.js";

/** @typedef {import('./types.js').PanelSnapshot} PanelSnapshot */
/** @typedef {import('./types.js').Bytes} Bytes */

const FIRST_ROWS = 256;
const FOLD = 8; // rows in a bin at first; twice as many each time that bins merge

/**
 * Bytes from Python, copied: a message's buffer need not start where a float may.
 * @param {Bytes} bytes
 * @returns {ArrayBuffer}
 */
export function copied(bytes) {
  if (bytes instanceof ArrayBuffer) return bytes.slice(0);
  const whole = /** @type {ArrayBuffer} */ (bytes.buffer);
  return whole.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

/** The numbers of a message, handed out part by part in the order in which they were joined. */
export class Incoming {
  /** @param {Bytes[]} buffers steps, seconds, values of all parts */
  constructor([steps, seconds, values]) {
    this.steps = new Int32Array(copied(steps));
    this.seconds = new Float32Array(copied(seconds));
    this.values = new Float32Array(copied(values));
    this.at = 0;
    this.from = 0; // in the values
  }

  /** @param {number} n rows or bins @param {number} width numbers in each */
  next(n, width) {
    const [at, from] = [this.at, this.from];
    this.at += n;
    this.from += n * width;
    return {
      steps: this.steps.subarray(at, this.at),
      seconds: this.seconds.subarray(at, this.at),
      values: this.values.subarray(from, this.from),
    };
  }
}

export class PanelStore {
  /**
   * @param {string[]} series names of the columns
   * @param {number} capacity rows at full detail, at most
   * @param {number} maxBins
   */
  constructor(series, capacity, maxBins) {
    this.capacity = capacity;
    this.maxBins = maxBins;
    /** @type {string[]} */ this.series = [];
    this.n = 0;
    this.first = 0; // rows that were folded before row 0
    this.size = 0;
    this.steps = new Int32Array(0);
    this.seconds = new Float32Array(0);
    this.values = new Float32Array(0);
    this.fold = FOLD;
    this.bins = noBins();
    this.began = -1; // the very first step, where it came here by itself
    this.version = 0; // grows with each change
    this.changedFrom = 0; // oldest step that has changed since somebody set this to Infinity
    this.folds = 0; // grows when what was kept of old steps changes
    this.reset(series);
  }

  /** @param {string[]} series */
  reset(series) {
    this.series = [...series];
    this.n = this.first = 0;
    this.size = Math.min(FIRST_ROWS, this.capacity);
    this.steps = new Int32Array(this.size);
    this.seconds = new Float32Array(this.size);
    this.values = new Float32Array(this.size * this.width);
    this.fold = FOLD;
    this.began = -1;
    this.bins = noBins();
    this.version++;
    this.folds++;
    this.changedFrom = 0;
  }

  get width() {
    return this.series.length;
  }

  /** Rows ever begun, those folded into bins included. */
  get rows() {
    return this.first + this.n;
  }

  get lastStep() {
    if (this.n) return this.steps[this.n - 1];
    return this.bins.n ? this.bins.step[this.bins.n - 1] : -1;
  }

  get firstStep() {
    if (this.began >= 0) return this.began;
    const { n, step } = this.bins;
    if (!n) return this.n ? this.steps[0] : 0;
    const usual = n > 1 ? step[1] - step[0] : this.fold; // steps that a bin spans
    return Math.max(0, Math.round(step[0] - usual + usual / this.fold));
  }

  /**
   * Take names as Python has them now: they may grow at the right end; anything else is a new start.
   * @param {string[]} series
   */
  adoptSeries(series) {
    if (this.series.some((name, i) => name !== series[i])) this.reset(series);
    else if (series.length > this.width) this.widen(series);
  }

  /**
   * Take a whole state, if it knows at least as much as this one.
   * @param {PanelSnapshot} snapshot
   */
  adopt(snapshot) {
    const { rows, bins, series } = snapshot;
    if (rows.first + rows.n < this.rows && series.length <= this.width) return;
    this.reset(series);
    const stats = new Float32Array(copied(bins.stats));
    const step = new Int32Array(copied(bins.last_step));
    this.bins = { n: bins.n, step, seconds: new Float32Array(copied(bins.seconds)), stats };
    this.fold = bins.width || FOLD;
    this.first = rows.first;
    this.put(
      new Int32Array(copied(rows.steps)),
      new Float32Array(copied(rows.seconds)),
      new Float32Array(copied(rows.values)),
    );
  }

  /**
   * Take rows by their step: a step that is there already gets the readings that are new, a later one is appended.
   * @param {Int32Array} steps
   * @param {Float32Array} seconds
   * @param {Float32Array} values one row after the other
   */
  put(steps, seconds, values) {
    const width = steps.length ? values.length / steps.length : 0;
    for (let i = 0; i < steps.length; i++) {
      const row = steps[i] > this.lastStep ? this.append(steps[i], seconds[i]) : this.find(steps[i]);
      if (row < 0) continue;
      this.changedFrom = Math.min(this.changedFrom, steps[i]);
      for (let c = 0; c < Math.min(width, this.width); c++) {
        const value = values[i * width + c];
        if (value === value) this.values[row * this.width + c] = value;
      }
    }
    this.version++;
  }

  /**
   * Take steps in bins, which are newer than all that is there; the rows before them become bins too.
   * @param {Int32Array} steps the last of each bin
   * @param {Float32Array} seconds
   * @param {Float32Array} stats one bin after the other
   * @param {number} width columns of `stats`
   */
  putBins(steps, seconds, stats, width) {
    const first = this.n ? this.steps[0] : this.lastStep + 1;
    if (this.n) this.addBins(this.describeRows(this.n), this.n);
    const own = this.width === width ? stats : widened(stats, steps.length, width, this.width);
    this.addBins({ n: steps.length, step: steps, seconds, stats: own }, 0);
    this.changedFrom = Math.min(this.changedFrom, first);
    this.version++;
  }

  /**
   * The newest reading of a column, and its rows averaged into a few points.
   * @param {number} column @param {number} points
   */
  course(column, points) {
    /** @type {number[]} */ const some = [];
    for (let r = 0; r < this.n; r++) {
      const value = this.values[r * this.width + column];
      if (value === value) some.push(value);
    }
    const each = Math.max(1, Math.ceil(some.length / points));
    const values = [];
    for (let i = 0; i < some.length; i += each) {
      const part = some.slice(i, i + each);
      values.push(part.reduce((sum, value) => sum + value, 0) / part.length);
    }
    return { newest: some.length ? some[some.length - 1] : NaN, values };
  }

  /** @param {number} step @param {number} second */
  append(step, second) {
    if (this.n === this.size) this.makeRoom();
    if (!this.n && !this.bins.n) this.began = step;
    this.steps[this.n] = step;
    this.seconds[this.n] = second;
    this.values.fill(NaN, this.n * this.width, (this.n + 1) * this.width);
    return this.n++;
  }

  /** @param {number} step */
  find(step) {
    const row = this.rowAfter(step) - 1;
    return row >= 0 && this.steps[row] === step ? row : -1;
  }

  /** The first row of a later step. @param {number} step */
  rowAfter(step) {
    let low = 0;
    let high = this.n;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.steps[middle] <= step) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Seconds at a step, or at the newest row before it; at the end of its bin where it has been folded; NaN where there is
   * none.
   * @param {number} step
   */
  secondsAt(step) {
    const row = this.rowAfter(step) - 1;
    if (row >= 0) return this.seconds[row];
    const { n, step: ends, seconds } = this.bins;
    for (let i = 0; i < n; i++) if (ends[i] >= step) return seconds[i];
    return n ? seconds[n - 1] : NaN;
  }

  makeRoom() {
    if (this.size >= this.capacity) return this.foldRows(this.capacity >> 1);
    this.size = Math.min(2 * this.size, this.capacity);
    const { steps, seconds, values } = this;
    this.steps = new Int32Array(this.size);
    this.steps.set(steps);
    this.seconds = new Float32Array(this.size);
    this.seconds.set(seconds);
    this.values = new Float32Array(this.size * this.width);
    this.values.set(values);
  }

  /**
   * Fold the oldest rows into bins.
   * @param {number} rows
   */
  foldRows(rows) {
    this.folds++;
    this.addBins(this.describeRows(rows), rows);
  }

  /**
   * The oldest rows as bins, the last of them smaller where they don't come out even.
   * @param {number} rows
   * @returns {StoredBins}
   */
  describeRows(rows) {
    const { width, fold } = this;
    const n = Math.ceil(rows / fold);
    const stats = new Float32Array(n * width * STATS);
    const readings = new Float64Array(fold);
    const ends = Array.from({ length: n }, (_, b) => Math.min((b + 1) * fold, rows));
    ends.forEach((end, b) => {
      for (let c = 0; c < width; c++) {
        let found = 0;
        for (let r = b * fold; r < end; r++) {
          const value = this.values[r * width + c];
          if (value === value) readings[found++] = value;
        }
        describe(readings, found, stats, (b * width + c) * STATS);
      }
    });
    const at = (/** @type {ArrayLike<number>} */ of) => ends.map((end) => of[end - 1]);
    return { n, step: Int32Array.from(at(this.steps)), seconds: Float32Array.from(at(this.seconds)), stats };
  }

  /**
   * Put bins behind those that are there, in place of the `rows` oldest rows.
   * @param {StoredBins} fresh
   * @param {number} rows
   */
  addBins(fresh, rows) {
    const { bins } = this;
    const used = bins.n * this.width * STATS;
    if (bins.step.length < bins.n + fresh.n || bins.stats.length < used + fresh.stats.length) {
      // room for as many again, since bins may come with each message
      const room = Math.min(2 * (bins.n + fresh.n), this.maxBins) + fresh.n;
      const { step, seconds, stats } = bins;
      bins.step = new Int32Array(room);
      bins.seconds = new Float32Array(room);
      bins.stats = new Float32Array(room * this.width * STATS);
      bins.step.set(step.subarray(0, bins.n));
      bins.seconds.set(seconds.subarray(0, bins.n));
      bins.stats.set(stats.subarray(0, used));
    }
    bins.step.set(fresh.step, bins.n);
    bins.seconds.set(fresh.seconds, bins.n);
    bins.stats.set(fresh.stats, used);
    bins.n += fresh.n;
    this.forget(rows);
    while (this.bins.n > this.maxBins) this.mergePairs(this.capacity >> 1);
  }

  /** @param {number} rows */
  forget(rows) {
    this.steps.copyWithin(0, rows, this.n);
    this.seconds.copyWithin(0, rows, this.n);
    this.values.copyWithin(0, rows * this.width, this.n * this.width);
    this.n -= rows;
    this.first += rows;
  }

  /**
   * Merge each bin with its right neighbour, the left one of an odd number staying as it is.
   * @param {number} widest
   */
  mergePairs(widest) {
    const { n, step, seconds, stats } = this.bins;
    const odd = n % 2;
    const left = (n + odd) / 2;
    const size = this.width * STATS;
    const merged = {
      n: left,
      step: new Int32Array(left),
      seconds: new Float32Array(left),
      stats: new Float32Array(left * size),
    };
    if (odd) merged.stats.set(stats.subarray(0, size));
    for (let b = 0; b < left; b++) {
      const last = odd ? 2 * b : 2 * b + 1;
      merged.step[b] = step[last];
      merged.seconds[b] = seconds[last];
      if (odd && b === 0) continue;
      for (let at = 0; at < size; at += STATS) {
        mergeInto(stats, (last - 1) * size + at, stats, last * size + at, merged.stats, b * size + at);
      }
    }
    this.folds++;
    this.bins = merged;
    this.fold = Math.min(2 * this.fold, widest);
  }

  /** @param {string[]} series */
  widen(series) {
    const [before, after] = [this.width, series.length];
    const values = new Float32Array(this.size * after).fill(NaN);
    for (let r = 0; r < this.n; r++) values.set(this.values.subarray(r * before, (r + 1) * before), r * after);
    this.values = values;
    this.bins.stats = widened(this.bins.stats, this.bins.n, before, after);
    this.folds++;
    this.series = [...series];
  }
}

/**
 * Bins with columns that they don't know, without readings there.
 * @param {Float32Array} stats @param {number} n bins @param {number} before @param {number} after columns
 */
function widened(stats, n, before, after) {
  const out = new Float32Array(n * after * STATS).fill(NaN);
  for (let b = 0; b < n; b++) {
    out.set(stats.subarray(b * before * STATS, (b + 1) * before * STATS), b * after * STATS);
    for (let c = before; c < after; c++) out[(b * after + c) * STATS] = 0;
  }
  return out;
}

/** `n` bins; the arrays may be longer. */
/** @typedef {{n: number, step: Int32Array, seconds: Float32Array, stats: Float32Array}} StoredBins */

/** @returns {StoredBins} */
function noBins() {
  return { n: 0, step: new Int32Array(0), seconds: new Float32Array(0), stats: new Float32Array(0) };
}
