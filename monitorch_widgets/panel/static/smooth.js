// @ts-check
// Exponential smoothing over windows.

/**
 * Weigh each value with `1 - factor` and what came before with `factor`, the latter once for each window that has passed:
 * a value that comes rarely (a validation loss) is smoothed over the same time, not over as many readings. The first value
 * is its own past; a gap stays a gap.
 * @param {Float64Array} values
 * @param {number} factor 0 leaves them as they are
 * @returns {Float64Array} a new array, or `values` where there is nothing to do
 */
export function smoothed(values, factor) {
  if (!(factor > 0)) return values;
  const out = new Float64Array(values.length).fill(NaN);
  let last = -1;
  for (let i = 0; i < values.length; i++) {
    if (values[i] !== values[i]) continue;
    const kept = last < 0 ? 0 : factor ** (i - last);
    out[i] = kept ? out[last] * kept + values[i] * (1 - kept) : values[i];
    last = i;
  }
  return out;
}

/**
 * Bridge gaps with straight lines, for values that come rarely by nature (a validation loss). What lies before the first
 * and after the last stays empty.
 * @param {Float64Array} values
 * @param {Float64Array} x
 * @returns {Float64Array}
 */
export function bridged(values, x) {
  const out = Float64Array.from(values);
  let last = -1;
  for (let i = 0; i < out.length; i++) {
    if (values[i] !== values[i]) continue;
    for (let k = last + 1; last >= 0 && k < i; k++) {
      out[k] = values[last] + ((values[i] - values[last]) * (x[k] - x[last])) / (x[i] - x[last] || 1);
    }
    last = i;
  }
  return out;
}

/**
 * Fewer points that keep every extreme: each group of values becomes its lowest and its highest, in their order.
 * @param {Float64Array} values
 * @param {number} group values that become two
 * @returns {Float64Array}
 */
export function thinned(values, group) {
  const out = new Float64Array(2 * Math.ceil(values.length / group)).fill(NaN);
  for (let g = 0; g * group < values.length; g++) {
    let [low, high] = [-1, -1];
    for (let i = g * group; i < Math.min((g + 1) * group, values.length); i++) {
      if (values[i] !== values[i]) continue;
      if (low < 0 || values[i] < values[low]) low = i;
      if (high < 0 || values[i] > values[high]) high = i;
    }
    if (low < 0) continue;
    out[2 * g] = values[Math.min(low, high)];
    out[2 * g + 1] = values[Math.max(low, high)];
  }
  return out;
}

/**
 * Fewer points of an edge of a band: the highest of each group of values, or the lowest.
 * @param {Float64Array} values @param {number} group values that become one @param {boolean} upper
 */
export function enveloped(values, group, upper) {
  const out = new Float64Array(Math.ceil(values.length / group)).fill(NaN);
  for (let i = 0; i < values.length; i++) {
    const g = Math.floor(i / group);
    if (out[g] !== out[g] || (upper ? values[i] > out[g] : values[i] < out[g])) out[g] = values[i];
  }
  return out;
}

/**
 * The x positions that belong to `enveloped` values: the end of each group, and the begin of the first.
 * @param {Float64Array} x @param {number} group
 */
export function envelopedPlaces(x, group) {
  const last = (/** @type {number} */ g) => Math.min((g + 1) * group, x.length) - 1;
  return Float64Array.from({ length: Math.ceil(x.length / group) }, (_, g) => (g ? x[last(g)] : x[0]));
}

/**
 * The x positions that belong to `thinned` values.
 * @param {Float64Array} x
 * @param {number} group
 */
export function thinnedPlaces(x, group) {
  const out = new Float64Array(2 * Math.ceil(x.length / group));
  for (let g = 0; 2 * g < out.length; g++) {
    const last = Math.min((g + 1) * group, x.length) - 1;
    out[2 * g] = x[g * group];
    out[2 * g + 1] = x[last];
  }
  return out;
}
