// @ts-check
// The quiet line under the strip: what was done at which step, or why it was not.
import { h, setText } from "./dom.js";

/** @typedef {import('./board.js').Board} Board */

export class Reply {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.element = h("div", { class: "mw-said", "data-testid": "mw-said", role: "status", "aria-live": "polite" });
    this.update();
  }

  update() {
    const { kind, words, faded } = this.board.commands.said;
    this.element.dataset.kind = kind;
    this.element.toggleAttribute("data-faded", faded);
    setText(this.element, words);
    this.element.title = words;
  }
}
