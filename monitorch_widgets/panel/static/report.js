// @ts-check
// A report: what a check has found, hyper-parameters, metrics by epoch, times. Every part is optional.
import { Figure, linePoints } from "./axes.js";
import { CardActs, StateChip, cardBox, fillFacts } from "./acts.js";
import { Bars } from "./bars.js";
import { nearestIndex } from "./pick.js";
import { h, setText, svg } from "./dom.js";
import { valueText } from "./format.js";
import { linearExtent, logExtent } from "./scales.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./cards.js').Card} Card */
/** @typedef {{columns: string[], rows: (string | number | null)[][]}} TableContent */

const CURVE_HEIGHT = 200;
const SHORT = 24; // letters of a cell that stay in one line

export class Report {
  /** @param {Board} board @param {string} key */
  constructor(board, key) {
    this.stale = true;
    const stale = () => {
      this.stale = true;
      board.kick(true);
    };
    this.title = h("h3", {});
    this.chip = new StateChip();
    this.words = h("p", { class: "mw-card-words", "data-testid": "mw-card-words" });
    this.facts = h("dl", { class: "mw-card-facts" });
    this.bars = new Bars(stale);
    this.curve = new Figure({ name: "Curve", testid: "mw-card-curve", height: CURVE_HEIGHT, onresize: stale });
    this.curve.listen({ move: (x, _, px, py) => this.pointCurve(x, px, py) });
    this.table = h("div", { class: "mw-card-table", tabindex: "0", role: "group", "data-testid": "mw-card-table" });
    this.tableShape = "";
    this.rowCount = 0;
    this.acts = new CardActs(board, key);
    const parts = [this.words, this.acts.element, this.facts, this.bars.element, this.curve.element, this.table];
    this.element = cardBox(key, this.chip, this.title, ...parts);
    /** @type {any} */ this.content = {};
  }

  /** @param {Card} card */
  draw({ title, content }) {
    this.content = content;
    setText(this.title, title);
    this.element.ariaLabel = title;
    this.chip.update(content.state);
    setText(this.words, content.words ?? "");
    this.words.hidden = !content.words;
    fillFacts(this.facts, content.facts ?? []);
    this.bars.draw(content.bars);
    this.drawCurve(content.curve);
    this.drawTable(content.table);
    this.acts.update(content.actions ?? []);
  }

  /** @param {{x: number[], y: (number | null)[], x_label?: string, y_label?: string, log?: boolean} | undefined} curve */
  drawCurve(curve) {
    this.curve.element.hidden = !curve?.x.length;
    if (!curve?.x.length || !this.curve.ready) return;
    const y = curve.y.map((value) => value ?? NaN);
    const some = y.filter((value) => Number.isFinite(value) && (!curve.log || value > 0));
    const [low, high] = [Math.min(...some), Math.max(...some)];
    const extent = curve.log ? logExtent(low, high) : linearExtent(low, high);
    const [first, last] = [curve.x[0], curve.x[curve.x.length - 1]];
    const x = { min: first, max: last > first ? last : first + 1, label: curve.x_label ?? "step", whole: true };
    this.curve.frame(x, { ...extent, label: curve.y_label ?? "", log: curve.log });
    const alone = some.length === 1 ? y.indexOf(some[0]) : -1; // no line to be seen yet
    const dot = alone < 0 ? [] : [svg("circle", { class: "mw-fig-dot", cx: this.curve.px(curve.x[alone]), cy: this.curve.py(some[0]), r: 3.5 })];
    this.curve.marks.replaceChildren(svg("path", { class: "mw-curve", d: linePoints(this.curve, curve.x, y) }), ...dot);
  }

  /** @param {number} x @param {number} px @param {number} py */
  pointCurve(x, px, py) {
    const { curve } = this.content;
    if (!curve?.x.length) return;
    const i = nearestIndex(curve.x, x);
    const value = curve.y[i];
    const dot = value === null ? [] : [svg("circle", { class: "mw-fig-dot", cx: this.curve.px(curve.x[i]), cy: this.curve.py(value), r: 3.5 })];
    this.curve.over.replaceChildren(...dot);
    this.curve.say(`${curve.x_label ?? "step"} ${valueText(curve.x[i], 6)}`, [[curve.y_label ?? "value", valueText(value ?? NaN, 4)]], px, py);
  }

  /** @param {TableContent | undefined} table */
  drawTable(table) {
    this.table.hidden = !table;
    const shape = JSON.stringify(table ?? null);
    if (!table || shape === this.tableShape) return;
    this.tableShape = shape;
    const { scrollTop, scrollHeight, clientHeight } = this.table;
    const follows = this.rowCount > 0 && table.rows.length > this.rowCount && scrollTop + clientHeight >= scrollHeight - 4;
    this.rowCount = table.rows.length;
    const words = table.columns.map((_, c) => table.rows.some((row) => typeof row[c] === "string"));
    const align = (/** @type {number} */ c) => (words[c] ? "mw-cell-words" : null);
    const head = table.columns.map((column, c) => h("th", { scope: "col", class: align(c) }, column));
    const kind = (/** @type {string | number | null} */ cell, /** @type {number} */ c) =>
      words[c] && String(cell).length > SHORT ? "mw-cell-words mw-cell-long" : align(c);
    const rows = table.rows.map((row) => h("tr", {}, ...row.map((cell, c) => h("td", { class: kind(cell, c) }, cellText(cell)))));
    this.table.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows)));
    this.table.ariaLabel = `Table, ${table.rows.length} rows`;
    if (follows) this.table.scrollTop = this.table.scrollHeight;
  }

  close() {
    this.bars.close();
    this.curve.close();
  }
}

/** @param {string | number | null} cell */
function cellText(cell) {
  if (cell === null) return "–";
  if (typeof cell === "string") return cell;
  return Number.isInteger(cell) && Math.abs(cell) < 1e15 ? String(cell).replace("-", "−") : valueText(cell, 4);
}
