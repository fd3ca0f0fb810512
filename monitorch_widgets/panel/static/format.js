// @ts-check
// Numbers as a person reads them.

/** @type {[number, string][]} */
const PREFIXES = [
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/**
 * A step or another count: thousands set apart by a thin space.
 * @param {number} count
 */
export function countText(count) {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

/**
 * A value in about three figures: plain near 1, with a prefix when large, scientific when small.
 * @param {number} value
 * @param {number} [figures]
 */
export function valueText(value, figures = 3) {
  if (value !== value) return "–";
  const size = Math.abs(value);
  if (size === Infinity) return value > 0 ? "∞" : "−∞";
  if (size === 0) return "0";
  if (size >= 1e12 || size < 1e-3) return scientific(value, figures);
  if (size >= 1e4) {
    const [scale, prefix] = PREFIXES.find(([limit]) => size >= limit) ?? [1, ""];
    return minus(trimmed((value / scale).toPrecision(figures))) + prefix;
  }
  return minus(size >= 1000 ? String(Math.round(value)) : trimmed(value.toPrecision(figures)));
}

/** @param {number} value @param {number} figures */
function scientific(value, figures) {
  const [digits, exponent] = value.toExponential(Math.max(figures - 1, 0)).split("e");
  return minus(`${trimmed(digits)}e${Number(exponent)}`);
}

/** @param {string} text */
function trimmed(text) {
  if (text.includes("e")) return String(Number(text));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** @param {string} text */
function minus(text) {
  return text.replace(/-/g, "−");
}

/**
 * A size in memory, in powers of a thousand.
 * @param {number} bytes
 */
export function bytesText(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  while (power < units.length - 1 && bytes >= 999.5 * 1000 ** power) power++;
  const value = bytes / 1000 ** power;
  return `${power && value < 99.95 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

/**
 * A count and its noun: '1 time', '2 times'.
 * @param {number} count @param {string} noun
 */
export function counted(count, noun) {
  return `${countText(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/**
 * A label for a tick, no longer than the distance to its neighbour asks for.
 * @param {number} value
 * @param {number} step between ticks
 */
export function tickText(value, step) {
  if (Math.abs(value) < step * 1e-6) return "0";
  const figures = Math.max(1, Math.ceil(Math.log10(Math.abs(value)) + 1e-9) - Math.floor(Math.log10(step) + 1e-9));
  return valueText(value, Math.min(Math.max(figures, 1), 6));
}

/**
 * Seconds as 0:42, 12:07 or 1:02:33.
 * @param {number} seconds
 */
export function clockText(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (/** @type {number} */ part) => String(part).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${two(minutes)}:${two(whole % 60)}`;
}

/**
 * A long name cut in front: its end says more than its beginning.
 * @param {string} name
 * @param {number} letters
 */
export function tailOf(name, letters) {
  return name.length <= letters ? name : `…${name.slice(name.length - letters + 1)}`;
}

/**
 * A share as percent, with one digit after the point, so that it keeps its width; '–' where it is not known.
 * @param {number | null | undefined} share
 */
export function percentText(share) {
  if (share === null || share === undefined || share !== share) return "–";
  const percent = 100 * share;
  if (Math.abs(percent) >= 99.95) return `${countText(percent)}\u202f%`;
  return `${minus((Math.abs(percent) < 0.05 ? 0 : percent).toFixed(1))}\u202f%`;
}

/**
 * Seconds as milliseconds, in two digits or so; '–' where they are not known.
 * @param {number | null | undefined} seconds
 */
export function durationText(seconds) {
  if (seconds === null || seconds === undefined || seconds !== seconds) return "–";
  const ms = 1000 * seconds;
  return ms >= 100 ? countText(ms) : ms.toFixed(ms >= 9.95 ? 1 : 2);
}
