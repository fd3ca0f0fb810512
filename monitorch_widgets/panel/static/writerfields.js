// @ts-check
// What writes the run down beside the page: how much waits there, and when it is written.
import { h, setText } from "./dom.js";
import { Field, noteIn } from "./fields.js";
import { countText } from "./format.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./types.js').Writer} Writer */

export class WriterFields {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.shape = "";
    /** @type {WriterRow[]} */ this.rows = [];
    this.element = h("div", { class: "mw-writers" });
    this.none = h("p", { class: "mw-card-none" });
  }

  /** @param {Writer[]} writers */
  update(writers) {
    this.element.hidden = !writers.length;
    const shape = JSON.stringify(writers.map(({ name }) => name));
    if (shape !== this.shape) this.build(writers, shape);
    writers.forEach((writer, i) => this.rows[i].update(writer));
    noteIn(this.none, writers.length ? "" : "Nothing writes this run to disk; its numbers are here, in inspector.history and in the saved notebook.");
  }

  /** @param {Writer[]} writers @param {string} shape */
  build(writers, shape) {
    this.shape = shape;
    this.rows = writers.map(({ name }) => new WriterRow(this.board, name));
    this.element.replaceChildren(...this.rows.map(({ element }) => element));
  }
}

class WriterRow {
  /** @param {Board} board @param {string} name */
  constructor({ commands }, name) {
    this.waiting = h("span", { class: "mw-writer-waiting", "data-testid": "mw-writer-waiting" });
    this.queue = new Field(
      "max_queue",
      "number",
      (max_queue, settled) => commands.send("max_queue", { max_queue, writer: name }, settled),
      { unit: "events", step: "1", min: "1", title: "How much may wait before it is written: more is faster, and takes more memory" },
    );
    this.flush = new Field(
      "flush_secs",
      "number",
      (flush_secs, settled) => commands.send("flush_secs", { flush_secs, writer: name }, settled),
      { unit: "seconds", min: "0", title: "After which what waits is written anyway" },
    );
    const head = h("div", { class: "mw-writer-head" }, h("b", {}, name), this.waiting);
    const given = { class: "mw-writer", role: "group", "aria-label": name, "data-testid": "mw-writer", "data-name": name };
    this.element = h("div", given, head, this.queue.element, this.flush.element);
  }

  /** @param {Writer} writer */
  update({ waiting, max_queue: queue, flush_secs: seconds }) {
    setText(this.waiting, waiting === null ? "" : `${countText(waiting)} waiting`);
    this.queue.update(queue);
    this.flush.update(seconds);
  }
}
