// @ts-check
// Buttons of a card: each asks Python for something, waits for the answer, and says why it can't be pressed.
import { h, setText } from "./dom.js";
import { forbid } from "./fields.js";
import { whyDeaf } from "./loop.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {{action: string, label: string, arguments?: object, why?: string}} CardAct */

export class CardActs {
  /** @param {Board} board @param {string} key of the card */
  constructor(board, key) {
    this.board = board;
    this.key = key;
    this.shape = "";
    /** @type {CardAct[]} */ this.acts = [];
    /** @type {HTMLElement[]} */ this.buttons = [];
    /** @type {Set<number>} places of buttons whose answer is awaited */ this.awaited = new Set();
    this.element = h("div", { class: "mw-buttons mw-card-acts", hidden: true });
  }

  /** @param {CardAct[]} acts */
  update(acts) {
    this.acts = acts;
    const shape = acts.map(({ action }) => action).join("\n");
    if (shape !== this.shape) this.build(shape);
    this.element.hidden = !acts.length;
    this.look();
  }

  /** Something has changed that is not said by the card. */
  look() {
    const deaf = whyDeaf(this.board);
    if (deaf) this.awaited.clear();
    this.acts.forEach(({ label, why }, i) => {
      const awaited = this.awaited.has(i);
      setText(this.buttons[i], label);
      forbid(this.buttons[i], deaf || why || (awaited ? "Asked; it is done at the next step" : ""), "");
      this.buttons[i].toggleAttribute("data-awaited", awaited);
      this.buttons[i].ariaBusy = String(awaited);
    });
  }

  /** @param {string} shape */
  build(shape) {
    this.shape = shape;
    this.awaited.clear();
    this.buttons = this.acts.map(({ action }, i) => {
      const given = { type: "button", class: "mw-button", "data-testid": "mw-card-act", "data-action": action };
      return h("button", { ...given, onclick: () => this.press(i) });
    });
    this.element.replaceChildren(...this.buttons);
  }

  /** @param {number} i */
  press(i) {
    const { action, arguments: given = {}, why } = this.acts[i];
    const refused = whyDeaf(this.board) || why;
    if (refused) return this.board.commands.say("refused", `${refused}.`);
    if (this.awaited.has(i)) return;
    this.awaited.add(i);
    this.board.commands.send("card", { key: this.key, action, arguments: given }, () => {
      this.awaited.delete(i);
      this.look();
    });
    this.look();
  }
}

/** What a card has come to, as a chip. @type {Record<string, string>} */
const STATE_WORDS = { ready: "not run yet" };

export class StateChip {
  constructor() {
    this.word = h("span", {});
    const given = { class: "mw-card-state", "data-testid": "mw-card-state", role: "status", hidden: true };
    this.element = h("span", given, h("i", { class: "mw-dot" }), this.word);
  }

  /** @param {string | undefined} state */
  update(state) {
    this.element.hidden = !state;
    this.element.dataset.state = state ?? "";
    setText(this.word, STATE_WORDS[state ?? ""] ?? state ?? "");
  }
}

/**
 * A card's box: heading with its state, the words below, and what else it has.
 * @param {string} key @param {StateChip} chip @param {HTMLElement} title @param {...HTMLElement} parts
 */
export function cardBox(key, chip, title, ...parts) {
  const head = h("header", { class: "mw-card-head" }, title, chip.element);
  return h("section", { class: "mw-card", "data-testid": "mw-card", "data-key": key }, head, ...parts);
}

/** Label and value of each fact. @param {HTMLElement} list @param {[string, string][]} facts */
export function fillFacts(list, facts) {
  list.hidden = !facts.length;
  const shape = JSON.stringify(facts.map(([label]) => label));
  if (list.dataset.shape !== shape) {
    list.dataset.shape = shape;
    list.replaceChildren(...facts.map(([label]) => h("div", {}, h("dt", {}, label), h("dd", {}))));
  }
  facts.forEach(([, text], i) => setText(/** @type {Element} */ (list.children[i].lastElementChild), String(text ?? "–")));
}
