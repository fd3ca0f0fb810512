// @ts-check
// Domains that don't jump, and ticks that can be read.
import { clockText, tickText } from "./format.js";

/** @typedef {{min: number, max: number}} Extent */
/** @typedef {{values: number[], labels: Record<string, string>}} Ticks */

const SLACK = 0.25; // a domain shrinks only when more than this share of it is empty
const SHRINK = 0.2; // and then by this share of the way at each drawing

/** A domain that grows at once and shrinks slowly. */
export class Domain {
  constructor() {
    /** @type {Extent | null} */
    this.now = null;
    this.settled = true; // false while it still has to shrink
  }

  /**
   * @param {Extent} wanted
   * @param {boolean} snap whether to go there at once, as after a click
   * @returns {Extent}
   */
  follow(wanted, snap) {
    const now = this.now;
    this.settled = true;
    if (!now || snap) return (this.now = { ...wanted });
    const span = Math.max(now.max - now.min, wanted.max - wanted.min) || 1;
    this.now = {
      min: -this.side(-now.min, -wanted.min, span),
      max: this.side(now.max, wanted.max, span),
    };
    return this.now;
  }

  /** @param {number} now @param {number} wanted @param {number} span */
  side(now, wanted, span) {
    if (wanted >= now) return wanted > now ? wanted + 0.05 * span : now; // some room, so that it need not grow at each step
    if (now - wanted < SLACK * span) return now;
    this.settled = false;
    return now + (wanted - now) * SHRINK;
  }
}

/**
 * Room around data on a linear axis; a share of the data's own span, and zero where it is near.
 * @param {number} low @param {number} high
 * @returns {Extent}
 */
export function linearExtent(low, high) {
  if (!(high >= low)) return { min: 0, max: 1 };
  if (low >= 0 && low < 0.5 * high) low = 0;
  if (high <= 0 && high > 0.5 * low) high = 0;
  const room = 0.05 * (high - low) || 0.05 * Math.abs(high) || 0.5;
  return { min: low === 0 ? 0 : low - room, max: high === 0 && low < 0 ? 0 : high + room };
}

/**
 * Room around data on a logarithmic axis, in powers of ten.
 * @param {number} low the smallest that is positive
 * @param {number} high
 * @returns {Extent}
 */
export function logExtent(low, high) {
  if (!(high >= low) || !(low > 0)) return { min: -1, max: 1 };
  const [min, max] = [Math.log10(low), Math.log10(high)];
  const room = Math.max(0.04 * (max - min), 0.05);
  return { min: min - room, max: max + room };
}

/**
 * About `count` round numbers in an extent.
 * @param {Extent} extent
 * @param {number} count
 * @returns {{values: number[], step: number}}
 */
export function roundNumbers({ min, max }, count) {
  const raw = (max - min) / Math.max(count, 1);
  if (!(raw > 0)) return { values: [min], step: 1 };
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * (raw / power > 5 ? 10 : raw / power > 2 ? 5 : raw / power > 1 ? 2 : 1);
  const values = [];
  for (let k = Math.ceil(min / step - 1e-9); k * step <= max + 1e-9 * step; k++) values.push(k * step);
  return { values, step };
}

/**
 * @param {Extent} extent
 * @param {number} count
 * @param {'number' | 'whole' | 'seconds'} [kind] whole numbers have no ticks between them; seconds read as a clock
 * @returns {Ticks}
 */
export function linearTicks(extent, count, kind = "number") {
  if (kind === "seconds" && extent.max >= 90) return clockTicks(extent, count);
  let { values, step } = roundNumbers(extent, count);
  if (kind === "whole" && step < 1)
    ({ values, step } = { values: values.filter((v) => Math.abs(v - Math.round(v)) < 1e-6), step: 1 });
  return labelled(values, (value) => tickText(value, step));
}

/** @param {Extent} extent @param {number} count @returns {Ticks} */
function clockTicks({ min, max }, count) {
  const steps = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
  const step = steps.find((s) => (max - min) / s <= count) ?? roundNumbers({ min, max }, count).step;
  const values = [];
  for (let k = Math.ceil(min / step); k * step <= max; k++) values.push(k * step);
  return labelled(values, clockText);
}

/**
 * Ticks for an extent in powers of ten: decades where there are several, else 1, 2, 5, else round numbers.
 * @param {Extent} extent
 * @param {number} count
 * @returns {Ticks}
 */
export function logTicks({ min, max }, count) {
  const decades = max - min;
  if (decades < 0.5) {
    const { values, step } = roundNumbers({ min: 10 ** min, max: 10 ** max }, count);
    return labelled(values.filter((value) => value > 0).map(Math.log10), (tick) => tickText(10 ** tick, step));
  }
  const every = Math.max(1, Math.ceil(decades / count));
  const digits = decades >= 2.5 ? [1] : decades >= 1.2 ? [1, 3] : [1, 2, 5];
  const values = [];
  for (let k = Math.floor(min); k <= max; k++) {
    if (k % every !== 0) continue;
    for (const digit of digits) {
      const tick = k + Math.log10(digit);
      if (tick >= min && tick <= max) values.push(tick);
    }
  }
  return labelled(values, (tick) => powerText(tick));
}

/** @param {number} tick */
function powerText(tick) {
  const exponent = Math.floor(tick + 1e-9);
  const digit = Math.round(10 ** (tick - exponent));
  if (exponent >= -3 && exponent < 3) return tickText(digit * 10 ** exponent, 10 ** exponent);
  return `${digit}e${String(exponent).replace("-", "−")}`;
}

/**
 * bqplot looks labels up by the number as text.
 * @param {number[]} values
 * @param {(value: number) => string} text
 * @returns {Ticks}
 */
function labelled(values, text) {
  /** @type {Record<string, string>} */
  const labels = {};
  for (const value of values) labels[String(value)] = text(value);
  return { values, labels };
}
