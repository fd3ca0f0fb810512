// @ts-check
// The learning-rate finder: the loss over the learning rate, the point that it suggests, and the one that is chosen here.
import { Figure, linePoints } from "./axes.js";
import { CardActs, StateChip, cardBox } from "./acts.js";
import { nearestIndex } from "./pick.js";
import { h, setText, svg } from "./dom.js";
import { countText, valueText } from "./format.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./cards.js').Card} Card */

/**
 * @typedef {{
 *   state: string, words: string, mode: string, num_training: number, lrs: number[], losses: (number | null)[],
 *   smoothed: (number | null)[], suggestion: number | null, target: string, can_apply: boolean,
 * }} LrContent
 */

const HEIGHT = 300;
/** @type {LrContent} */
const NOTHING = { state: "", words: "", mode: "", num_training: 0, lrs: [], losses: [], smoothed: [], suggestion: null, target: "", can_apply: false };

export class LrCurve {
  /** @param {Board} board @param {string} key */
  constructor(board, key) {
    this.board = board;
    this.key = key;
    this.stale = true;
    this.content = NOTHING;
    /** Place of what was chosen here; null for the suggestion. @type {number | null} */ this.chosen = null;
    this.title = h("h3", {});
    this.chip = new StateChip();
    this.words = h("p", { class: "mw-card-words", "data-testid": "mw-card-words" });
    this.value = h("p", { class: "mw-lr-value", "data-testid": "mw-lr-value" });
    this.figure = new Figure({ name: "Loss over learning rate", testid: "mw-lr-figure", height: HEIGHT, onresize: () => this.again() });
    this.figure.listen({ move: (x, _, px, py) => this.point(x, px, py), click: (x) => this.choose(this.placeOf(x)) });
    this.figure.element.classList.add("mw-lr-figure");
    this.figure.element.setAttribute("role", "slider");
    this.figure.element.tabIndex = 0;
    this.figure.element.addEventListener("keydown", (event) => this.onKey(event));
    this.acts = new CardActs(board, key);
    const back = { type: "button", class: "mw-link", "data-testid": "mw-lr-back", hidden: true, onclick: () => this.choose(null) };
    this.back = h("button", back, "back to the suggestion");
    const bar = h("div", { class: "mw-lr-bar" }, this.acts.element, this.value, this.back);
    this.element = cardBox(key, this.chip, this.title, this.words, this.figure.element, lrKey(), bar);
    this.element.classList.add("mw-card-wide");
  }

  again() {
    this.stale = true;
    this.board.kick(true);
  }

  /** @param {Card} card */
  draw({ title, content }) {
    if (content.lrs.length < this.content.lrs.length) this.chosen = null; // another search
    this.content = content;
    setText(this.title, title);
    this.element.ariaLabel = title;
    this.chip.update(content.state);
    const far = `Step ${countText(content.lrs.length)} of ${countText(content.num_training)}.`;
    setText(this.words, content.state === "running" ? far : (content.words ?? ""));
    this.words.hidden = !this.words.textContent;
    this.drawCurve();
    this.showChosen();
  }

  /** Place of the point that would be applied; null while there is none. */
  get at() {
    return this.chosen ?? this.content.suggestion;
  }

  /** The point that is nearest on the axis. @param {number} x */
  placeOf(x) {
    const on = (/** @type {number} */ lr) => (this.figure.x.log ? Math.log10(lr) : lr);
    return nearestIndex(this.content.lrs.map(on), on(x));
  }

  drawCurve() {
    const { figure, content } = this;
    const { lrs } = content;
    if (!figure.ready) return;
    const log = content.mode !== "linear";
    const on = (/** @type {number} */ lr) => (log ? Math.log10(lr) : lr);
    const [first, last] = lrs.length ? [on(lrs[0]), on(lrs[lrs.length - 1])] : [log ? -8 : 0, log ? 0 : 1];
    const room = 0.02 * (last - first) || 0.1;
    const losses = content.losses.map((value) => value ?? NaN);
    const smoothed = content.smoothed.map((value) => value ?? NaN);
    const y = lossExtent(smoothed.some(Number.isFinite) ? smoothed : losses, losses);
    figure.frame({ min: first - room, max: last + room, label: log ? "learning rate, logarithmic" : "learning rate", log }, { ...y, label: "loss" });
    const dots = lrs.map((lr, i) => dotPath(figure.px(lr), figure.py(losses[i]))).join("");
    figure.marks.replaceChildren(
      svg("path", { class: "mw-lr-dots", d: dots }),
      svg("path", { class: "mw-curve mw-lr-line", d: linePoints(figure, lrs, smoothed) }),
      ...this.pointsOf(),
    );
  }

  /** The suggestion, and what was chosen instead. @returns {SVGElement[]} */
  pointsOf() {
    const { suggestion } = this.content;
    const parts = [];
    if (this.at !== null) parts.push(svg("path", { class: "mw-lr-rule", d: `M${this.pxAt(this.at)},0V${this.figure.size.height - 36}` }));
    if (suggestion !== null) parts.push(svg("circle", { class: "mw-lr-suggested", cx: this.pxAt(suggestion), cy: this.pyAt(suggestion), r: 5 }));
    if (this.chosen !== null) parts.push(svg("circle", { class: "mw-lr-chosen", cx: this.pxAt(this.chosen), cy: this.pyAt(this.chosen), r: 6.5 }));
    return parts;
  }

  /** @param {number} i */
  pxAt(i) {
    return this.figure.px(this.content.lrs[i]);
  }

  /** @param {number} i */
  pyAt(i) {
    const value = this.content.smoothed[i] ?? this.content.losses[i] ?? NaN;
    const { top, bottom } = { top: this.figure.onY(this.figure.y.max), bottom: this.figure.onY(this.figure.y.min) };
    return Math.min(Math.max(value === value ? this.figure.py(value) : bottom, top), bottom);
  }

  showChosen() {
    const { lrs, can_apply: can, target } = this.content;
    const lr = this.at === null ? NaN : lrs[this.at];
    const known = lr === lr && lr !== undefined;
    const text = known ? valueText(lr, 3) : "";
    const what = this.chosen === null ? "suggested" : "chosen";
    const loss = known ? lossText(this.content.smoothed[this.at ?? 0] ?? this.content.losses[this.at ?? 0]) : "";
    const none = this.content.state === "running" ? "No suggestion yet" : "No suggestion: click the curve to choose a learning rate";
    setText(this.value, known ? `${text} ${what}${loss}${target ? ` · for ${target}` : ""}` : none);
    this.back.hidden = this.chosen === null || this.content.suggestion === null;
    const why = !known ? "No learning rate is chosen" : can ? "" : "There is nothing that it could be applied to now";
    this.acts.update([{ action: "apply", label: known ? `Apply ${text}` : "Apply", arguments: { lr }, why }]);
    const { element } = this.figure;
    element.setAttribute("aria-valuemin", "0");
    element.setAttribute("aria-valuemax", String(Math.max(lrs.length - 1, 0)));
    element.setAttribute("aria-valuenow", String(this.at ?? 0));
    element.setAttribute("aria-valuetext", known ? `learning rate ${text}, ${what}` : "none");
  }

  /** @param {number | null} i */
  choose(i) {
    if (i !== null && this.content.lrs[i] === undefined) return;
    this.chosen = i === this.content.suggestion ? null : i;
    this.again();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const last = this.content.lrs.length - 1;
    const at = this.at ?? 0;
    /** @type {Record<string, number>} */
    const goals = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - 10, PageUp: at + 10, Home: 0, End: last };
    if (!(event.key in goals) || last < 0) return;
    event.preventDefault();
    event.stopPropagation();
    this.choose(Math.min(Math.max(goals[event.key], 0), last));
  }

  /** @param {number} x @param {number} px @param {number} py */
  point(x, px, py) {
    const { lrs, losses, smoothed } = this.content;
    if (!lrs.length) return;
    const i = this.placeOf(x);
    this.figure.over.replaceChildren(svg("circle", { class: "mw-fig-dot", cx: this.pxAt(i), cy: this.pyAt(i), r: 3.5 }));
    /** @type {[string, string][]} */
    const facts = [["loss", valueText(losses[i] ?? NaN, 4)], ["smoothed", valueText(smoothed[i] ?? NaN, 4)]];
    this.figure.say(`learning rate ${valueText(lrs[i])}`, facts, px, py);
  }

  close() {
    this.figure.close();
  }
}

/**
 * From the lowest points to a little above where the curve began: that it explodes at the end is seen, and hides nothing.
 * @param {number[]} line @param {number[]} losses
 */
export function lossExtent(line, losses) {
  const some = line.filter(Number.isFinite);
  if (!some.length) return { min: 0, max: 1 };
  const lowest = some.indexOf(Math.min(...some));
  const before = some.slice(0, lowest + 1);
  const early = losses.filter(Number.isFinite).slice(0, lowest + 1).sort((a, b) => a - b);
  const at = (/** @type {number} */ part) => early[Math.floor(part * (early.length - 1))] ?? some[lowest];
  const [low, high] = [Math.min(some[lowest], at(0.05)), Math.max(...before, at(0.95))];
  const span = high - low || Math.abs(high) * 0.1 || 1;
  return { min: low - 0.08 * span, max: high + 0.3 * span };
}

/** @param {number | null | undefined} loss */
function lossText(loss) {
  return loss === null || loss === undefined ? "" : `, loss ${valueText(loss, 4)}`;
}

/** @param {number} px @param {number} py */
function dotPath(px, py) {
  return Number.isFinite(px) && Number.isFinite(py) ? `M${(px - 1.6).toFixed(1)},${py.toFixed(1)}a1.6,1.6 0 1,0 3.2,0a1.6,1.6 0 1,0 -3.2,0` : "";
}

function lrKey() {
  const item = (/** @type {string} */ kind, /** @type {string} */ words) => h("span", {}, h("i", { class: kind }), words);
  return h(
    "div",
    { class: "mw-lr-key" },
    item("mw-key-dot", "loss"),
    item("mw-key-line", "smoothed"),
    item("mw-key-suggested", "suggestion"),
    h("span", { class: "mw-lr-hint" }, "click the curve, or use the arrow keys, to choose another"),
  );
}
