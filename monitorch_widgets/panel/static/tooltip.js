// @ts-check
// The tooltip of a panel: module, step, value. bqplot's own would send every curve that is touched to the kernel.
import { h } from "./dom.js";
import { countText, valueText } from "./format.js";

/** @typedef {import('./frame.js').Frame} Frame */
/** @typedef {import('./pick.js').Picked} Picked */
/** @typedef {{text: string, facts: [string, string][]}} Note */

export class Tooltip {
  constructor() {
    this.element = h("div", { class: "mw-tooltip", "data-testid": "mw-tooltip", role: "status", hidden: true });
  }

  hide() {
    this.element.hidden = true;
  }

  /**
   * @param {Frame} frame @param {Picked} picked @param {string[]} lines that are shown @param {string[]} bands
   * @param {(step: number) => string} epoch where a step stands in epochs, in words @param {Note[]} notes on hairlines
   */
  show(frame, { row, line, window }, lines, bands, epoch, notes) {
    const { name, colour } = frame.rows[row];
    const stats = frame.windows.stats[row];
    const head = h(
      "div",
      { class: "mw-tooltip-head" },
      h("i", { class: "mw-swatch", style: `background:${colour}` }),
      name,
    );
    const rows = [line, ...lines.filter((other) => other !== line)].map((key) =>
      factRow(lineWord(key), valueText(stats[/** @type {'mean'} */ (key)][window], 4)),
    );
    if (bands.includes("std")) rows.push(factRow("± σ", valueText(stats.std[window])));
    if (bands.includes("Q1-Q3"))
      rows.push(factRow("Q1–Q3", `${valueText(stats.q1[window])} – ${valueText(stats.q3[window])}`));
    if (bands.includes("min-max"))
      rows.push(factRow("min–max", `${valueText(stats.min[window])} – ${valueText(stats.max[window])}`));
    const steps = factRow(...stepWords(frame, window));
    const rest = notes.flatMap(noteRows);
    this.element.replaceChildren(head, steps, factRow("epoch", epoch(frame.windows.to[window])), ...rows, ...rest);
    this.element.hidden = false;
  }

  /** @param {Note[]} notes */
  say(notes) {
    this.element.replaceChildren(...notes.flatMap(noteRows));
    this.element.hidden = false;
  }

  /** Beside the pointer, inside the panel. @param {number} x @param {number} y @param {HTMLElement} within */
  place(x, y, within) {
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const left = x + 14 + width > within.clientWidth ? x - 14 - width : x + 14;
    this.element.style.left = `${Math.max(2, left)}px`;
    this.element.style.top = `${Math.max(2, Math.min(y - height / 2, within.clientHeight - height - 2))}px`;
  }
}

/** A hairline in words. @param {Note} note */
function noteRows({ text, facts }) {
  return [h("div", { class: "mw-tooltip-note" }, text), ...facts.map(([word, value]) => factRow(word, value))];
}

/** @param {string} word @param {string} value */
function factRow(word, value) {
  return h("div", { class: "mw-fact" }, h("span", {}, word), h("b", {}, value));
}

/** @param {string} line */
export function lineWord(line) {
  return line === "min" ? "minimum" : line === "max" ? "maximum" : line;
}

/** @param {Frame} frame @param {number} window @returns {[string, string]} */
function stepWords(frame, window) {
  const [from, to] = [frame.windows.from[window], frame.windows.to[window]];
  return from === to ? ["step", countText(to)] : ["steps", `${countText(from)}–${countText(to)}`];
}
