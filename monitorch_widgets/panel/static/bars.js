// @ts-check
// Bars with names: rows where these are words, columns where they are numbers.
import { Figure } from "./axes.js";
import { h, setText, svg } from "./dom.js";
import { valueText } from "./format.js";

/** @typedef {{labels: string[], values: (number | null)[], lit?: number[], unit?: string}} BarsContent */

const MOST_ROWS = 40;
const WIDEST_PX = 44;
const LEAST_PX = 3; // that something is not zero is what a check looks for
const LONG_UNIT = 3; // letters; a longer one is said once
const COLUMNS_HEIGHT = 190;

export class Bars {
  /** @param {() => void} onresize */
  constructor(onresize) {
    this.unit = h("p", { class: "mw-bar-unit" });
    this.rows = h("div", { class: "mw-bar-rows", "data-testid": "mw-bar-rows" });
    this.figure = new Figure({ name: "Bars", testid: "mw-bar-columns", height: COLUMNS_HEIGHT, onresize });
    this.figure.listen({ move: (x, _, px, py) => this.point(Math.round(x), px, py) });
    this.element = h("div", { class: "mw-bars", hidden: true }, this.unit, this.rows, this.figure.element);
    /** @type {BarsContent} */ this.content = { labels: [], values: [] };
  }

  /** @param {BarsContent | undefined} content */
  draw(content) {
    this.element.hidden = !content?.labels.length;
    if (!content) return;
    this.content = content;
    const columns = content.labels.every((label) => /^\d+$/.test(label)) || content.labels.length > MOST_ROWS;
    this.rows.hidden = this.unit.hidden = columns;
    this.figure.element.hidden = !columns;
    if (columns) this.drawColumns();
    else this.drawRows();
  }

  get most() {
    return Math.max(...this.content.values.map((value) => Math.abs(value ?? 0)), 0) || 1;
  }

  drawRows() {
    const { labels, values, lit = [], unit: word = "" } = this.content;
    const unit = word.length > LONG_UNIT ? "" : word;
    setText(this.unit, unit ? "" : word);
    while (this.rows.childElementCount > labels.length) this.rows.lastElementChild?.remove();
    while (this.rows.childElementCount < labels.length) {
      const track = h("span", { class: "mw-bar-track" }, h("i", {}));
      this.rows.append(h("div", { class: "mw-bar-row" }, h("span", { class: "mw-bar-name" }), track, h("b", {})));
    }
    labels.forEach((label, i) => {
      const [name, track, value] = this.rows.children[i].children;
      setText(name, label);
      name.setAttribute("title", label);
      setText(value, amountText(values[i], unit));
      const bar = /** @type {HTMLElement} */ (track.firstElementChild);
      bar.style.width = `${(100 * Math.abs(values[i] ?? 0)) / this.most}%`;
      this.rows.children[i].classList.toggle("mw-bar-lit", lit.includes(i));
    });
  }

  drawColumns() {
    const { figure } = this;
    const { labels, values, lit = [], unit = "" } = this.content;
    if (!figure.ready) return;
    const x = { min: -0.5, max: labels.length - 0.5, label: "sample", whole: true };
    figure.frame(x, { min: 0, max: 1.05 * this.most, label: unit });
    const path = (/** @type {boolean} */ on) =>
      values.map((value, i) => (lit.includes(i) === on ? this.column(i, value) : "")).join("");
    figure.marks.replaceChildren(
      svg("path", { class: "mw-bar", d: path(false) }),
      svg("path", { class: "mw-bar mw-bar-is-lit", d: path(true) }),
    );
  }

  /** @param {number} i @param {number | null} value */
  column(i, value) {
    if (!value) return "";
    const half = Math.min(WIDEST_PX / 2, 0.4 * (this.figure.px(1) - this.figure.px(0)));
    const [left, right] = [this.figure.px(i) - half, this.figure.px(i) + half];
    const bottom = this.figure.py(0);
    const top = Math.min(this.figure.py(Math.abs(value)), bottom - LEAST_PX);
    return `M${left},${bottom}V${top}H${Math.max(right, left + 1)}V${bottom}Z`;
  }

  /** @param {number} i @param {number} px @param {number} py */
  point(i, px, py) {
    const { labels, values, unit = "" } = this.content;
    if (labels[i] === undefined) return this.figure.leave();
    this.figure.say(labels[i], [[unit || "value", amountText(values[i], "")]], px, py);
  }

  close() {
    this.figure.close();
  }
}

/** @param {number | null} value @param {string} unit */
function amountText(value, unit) {
  return value === null ? "–" : `${valueText(value)}${unit ? ` ${unit}` : ""}`;
}
