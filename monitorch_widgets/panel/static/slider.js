// @ts-check
// A slider over a few values that make sense. It sends where it comes to rest, and stays where a person holds it whatever
// the status says meanwhile.
import { h, setText } from "./dom.js";
import { valueText } from "./format.js";

/** @typedef {import('./types.js').Answer} Answer */

const REST_MS = 250; // a row of key strokes, or a drag, is one wish

export class Slider {
  /**
   * @param {string} label @param {number[]} stops
   * @param {(value: number, settled: (answer: Answer) => void) => void} commit
   * @param {{unit: (value: number) => string, title: string}} options
   */
  constructor(label, stops, commit, { unit, title }) {
    this.stops = stops;
    this.commit = commit;
    this.unit = unit;
    this.known = stops[0]; // what Python said last
    this.timer = 0;
    this.waiting = false;
    const range = { type: "range", class: "mw-range", min: "0", max: String(stops.length - 1), step: "1" };
    this.input = /** @type {HTMLInputElement} */ (h("input", { ...range, "aria-label": label, oninput: () => this.moved() }));
    this.now = h("output", { class: "mw-amount mw-field-unit" });
    const value = h("span", { class: "mw-field-value" }, this.input, this.now);
    const name = h("span", { class: "mw-field-name" }, label);
    this.element = h("label", { class: "mw-field mw-field-slider", title, "data-testid": "mw-field", "data-name": label }, name, value);
  }

  get value() {
    return this.stops[Number(this.input.value)];
  }

  moved() {
    this.tell(this.value);
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.rest(), REST_MS);
  }

  rest() {
    this.timer = 0;
    if (this.value === this.known) return this.show();
    this.waiting = true;
    this.commit(this.value, (answer) => {
      this.waiting = false;
      if (!answer.refused) this.known = this.value;
      if (!this.timer) this.show();
    });
  }

  /** @param {number} value as Python has it now */
  update(value) {
    this.known = value;
    if (!this.timer && !this.waiting) this.show();
  }

  show() {
    const place = String(nearestStop(this.stops, this.known));
    if (this.input.value !== place) this.input.value = place;
    this.tell(this.known);
  }

  /** @param {number} value */
  tell(value) {
    const words = `${valueText(value, 4)} ${this.unit(value)}`;
    setText(this.now, words);
    if (this.input.ariaValueText !== words) this.input.ariaValueText = words;
  }
}

/** Place of the stop that is nearest, by ratio. @param {number[]} stops @param {number} value */
export function nearestStop(stops, value) {
  const far = (/** @type {number} */ stop) => Math.abs(Math.log(stop / Math.max(value, 1e-9)));
  return stops.reduce((best, stop, i) => (far(stop) < far(stops[best]) ? i : best), 0);
}
