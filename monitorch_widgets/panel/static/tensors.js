// @ts-check
// The tab of data: a list of tensors by group, and beside it the one that is chosen.
import { h, icon, setText } from "./dom.js";
import { Field } from "./fields.js";
import { counted } from "./format.js";
import { Histogram, badgesOf, nameOfTensor } from "./histogram.js";
import { whyDeaf } from "./loop.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./cards.js').Card} Card */
/** @typedef {{button: HTMLElement, name: HTMLElement, badges: HTMLElement, told: string}} TensorRow */

const MOST_WITHOUT_SEARCH = 12;

export class Tensors {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.stale = true;
    this.shape = "";
    this.drawnKey = "";
    this.drawnVersion = -1;
    /** @type {Map<string, TensorRow>} */ this.rows = new Map();
    /** @type {Set<string>} groups that are folded */ this.folded = new Set();
    /** @type {Map<string, HTMLElement>} by group: how many of its tensors are not finite */ this.flags = new Map();
    this.search = /** @type {HTMLInputElement} */ (
      h("input", {
        type: "search",
        class: "mw-input mw-tensor-search",
        placeholder: "find a tensor, or NaN",
        "aria-label": "Find a tensor",
        "data-testid": "mw-tensor-search",
        oninput: () => this.filter(),
      })
    );
    this.list = h("div", { class: "mw-tensor-list", "data-testid": "mw-tensors", role: "group", "aria-label": "Tensors" });
    this.list.addEventListener("keydown", (event) => this.onKey(event));
    this.every = new Field("histograms every", "number", (steps, settled) => board.commands.send("log_every", { steps }, settled), {
      unit: "steps",
      step: "1",
      min: "1",
    });
    this.every.element.dataset.testid = "mw-histogram-every";
    this.own = h("p", { class: "mw-note", "data-testid": "mw-histogram-own" });
    this.strideBox = /** @type {HTMLFieldSetElement} */ (h("fieldset", { class: "mw-stride-box" }, this.every.element, this.own));
    this.histogram = new Histogram(() => {
      this.stale = true;
      board.kick(true);
    });
    const side = h("div", { class: "mw-tensor-side" }, this.search, this.list, this.strideBox);
    this.element = h("div", { class: "mw-data" }, side, this.histogram.element);
  }

  /** @param {Card[]} cards of tensors */
  draw(cards) {
    const shape = cards.map(({ key }) => key).join("\n");
    if (shape !== this.shape) this.build(cards, shape);
    const chosen = this.chosenOf(cards);
    for (const card of cards) this.updateRow(card, card === chosen);
    for (const [group, flag] of this.flags) flagBad(flag, cards.filter(({ content }) => content.group === group));
    this.look(chosen.content.own_every);
    if (!this.stale && chosen.key === this.drawnKey && chosen.version === this.drawnVersion) return;
    if (chosen.key !== this.drawnKey) this.board.tellLook(chosen.key);
    [this.stale, this.drawnKey, this.drawnVersion] = [false, chosen.key, chosen.version];
    this.histogram.draw(chosen);
  }

  /** The first one until a person chooses. @param {Card[]} cards */
  chosenOf(cards) {
    return cards.find(({ key }) => key === this.board.tensor) ?? cards[0];
  }

  /** @param {number | "auto"} [own] stride that the lens of the chosen one has been given */
  look(own) {
    const why = whyDeaf(this.board);
    this.every.element.hidden = own !== undefined;
    this.own.hidden = own === undefined;
    if (own !== undefined) setText(this.own, ownText(own));
    this.strideBox.disabled = Boolean(why);
    this.strideBox.title = why || "Histograms, and what else is heavy, are made at every n-th step";
    const steps = this.board.status.instrument?.log_every_n_steps;
    this.strideBox.hidden = steps === undefined;
    if (steps !== undefined) this.every.update(steps);
  }

  /** @param {Card[]} cards @param {string} shape */
  build(cards, shape) {
    this.shape = shape;
    const focused = [...this.rows].find(([, { button }]) => button === document.activeElement)?.[0];
    /** @type {Map<string, Card[]>} */
    const groups = new Map();
    for (const card of cards) groups.set(card.content.group, [...(groups.get(card.content.group) ?? []), card]);
    const known = this.rows;
    this.flags.clear();
    this.rows = new Map(cards.map(({ key }) => [key, known.get(key) ?? this.makeRow(key)]));
    this.list.replaceChildren(...[...groups].map(([group, members]) => this.makeGroup(group, members)));
    this.search.hidden = cards.length <= MOST_WITHOUT_SEARCH;
    this.filter();
    if (focused) this.rows.get(focused)?.button.focus({ preventScroll: true });
  }

  /** @param {string} group @param {Card[]} cards */
  makeGroup(group, cards) {
    const rows = h("div", { role: "group", "aria-label": group }, ...cards.map(({ key }) => this.rows.get(key)?.button ?? ""));
    const count = h("small", {}, String(cards.length));
    const flag = h("span", { class: "mw-badge mw-badge-bad", hidden: true });
    this.flags.set(group, flag);
    const given = { type: "button", class: "mw-tensor-head", "data-testid": "mw-tensor-group", "data-group": group };
    const fold = h("button", given, icon("open"), h("span", { class: "mw-tensor-name" }, group), flag, count);
    const show = () => {
      rows.hidden = this.folded.has(group);
      fold.setAttribute("aria-expanded", String(!rows.hidden));
    };
    fold.addEventListener("click", () => {
      if (!this.folded.delete(group)) this.folded.add(group);
      show();
    });
    show();
    return h("div", { class: "mw-tensor-part" }, fold, rows);
  }

  /** @param {string} key @returns {TensorRow} */
  makeRow(key) {
    const name = h("span", { class: "mw-tensor-name" });
    const badges = h("span", { class: "mw-badges" });
    const given = { type: "button", class: "mw-tensor-row", "data-testid": "mw-tensor", "data-key": key };
    const button = h("button", { ...given, onclick: () => this.choose(key) }, name, badges);
    return { button, name, badges, told: "" };
  }

  /** @param {Card} card @param {boolean} chosen */
  updateRow({ key, content }, chosen) {
    const row = this.rows.get(key);
    if (!row) return;
    row.button.setAttribute("aria-pressed", String(chosen));
    const told = [content.name, content.shape, content.nan > 0, content.inf > 0].join("\n");
    if (told === row.told) return;
    row.told = told;
    setText(row.name, nameOfTensor(content));
    row.button.title = content.name;
    row.badges.replaceChildren(...badgesOf(content));
  }

  /** @param {string} key */
  choose(key) {
    this.board.tensor = key;
    this.board.kick(true);
  }

  filter() {
    const words = this.search.hidden ? "" : this.search.value.trim().toLowerCase();
    for (const [key, { button, badges }] of this.rows)
      button.hidden = !`${key} ${badges.textContent}`.toLowerCase().includes(words);
    const found = [...this.rows.values()].filter(({ button }) => !button.hidden).length;
    this.search.title = words ? counted(found, "tensor") : "";
  }

  /** Arrows go through the list and choose. @param {KeyboardEvent} event */
  onKey(event) {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!way) return;
    /** @type {HTMLElement[]} */
    const seen = [...this.list.querySelectorAll("button")].filter(({ offsetParent }) => offsetParent);
    const at = seen.findIndex((button) => button === document.activeElement);
    event.preventDefault();
    event.stopPropagation();
    const next = seen[Math.min(Math.max(at + way, 0), seen.length - 1)];
    next?.focus();
    if (next?.dataset.key) this.choose(next.dataset.key);
  }

  close() {
    this.histogram.close();
  }
}

/** @param {HTMLElement} flag @param {Card[]} cards of a group */
function flagBad(flag, cards) {
  const bad = cards.filter(({ content }) => content.nan > 0 || content.inf > 0).length;
  flag.hidden = !bad;
  setText(flag, `${bad} bad`);
  flag.title = `${counted(bad, "tensor")} with NaN or infinity`;
}

/** @param {number | "auto"} own */
function ownText(own) {
  return own === "auto" ? "histograms as often as the budget allows" : `histograms every ${own} steps, as their lens says`;
}
