// @ts-check
// What is read beside the lenses' own settings: functions of one's own, and which modules.
import { h, setText } from "./dom.js";
import { Field, chooser, drawerSection, forbid, noteIn, setOptions, smallButton, withButton } from "./fields.js";
import { countText, counted } from "./format.js";
import { bases } from "./view.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./types.js').Instrument} Instrument */

/** A watched function: one that was registered, or, where that is allowed, one that is typed. */
export class WatchBox {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.select = chooser("Registered function", "mw-watch-name");
    const watch = smallButton("watch", "mw-watch", () => this.watch(), "Show its number as a panel from the next step on");
    this.registered = withButton(this.select, watch);
    this.text = /** @type {HTMLInputElement} */ (
      h("input", {
        type: "text",
        class: "mw-input mw-wide mw-code",
        "aria-label": "Expression to watch",
        placeholder: "output.abs().max()",
        title: "In module, input and output, or in parameter and gradient. It is run as Python in your kernel",
        "data-testid": "mw-watch-text",
        spellcheck: "false",
        autocomplete: "off",
        onkeydown: (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && this.watchText(),
      })
    );
    this.typed = withButton(this.text, smallButton("watch", "mw-watch-typed", () => this.watchText()));
    this.note = h("p", { class: "mw-note" });
    this.element = drawerSection("Watch a function of your own", this.registered, this.typed, this.note);
  }

  watch() {
    if (this.select.value) this.board.commands.send("watch", { name: this.select.value });
  }

  watchText() {
    const text = this.text.value.trim();
    if (!text) return;
    this.board.commands.send("watch_text", { text }, ({ refused }) => {
      if (!refused && this.text.value.trim() === text) this.text.value = "";
    });
  }

  /** @param {Instrument} instrument */
  update({ expressions, text }) {
    this.registered.hidden = expressions.length === 0;
    this.typed.hidden = !text;
    setOptions(
      this.select,
      expressions.map((name) => [name, name]),
    );
    const none = expressions.length === 0 && !text;
    noteIn(this.note, none ? "Register one in Python: inspector.register(\"largest\", lambda module, input, output: output.abs().max())" : "");
  }
}

/** Which modules are read. */
export class CollectBox {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.now = h("p", { class: "mw-note", "data-testid": "mw-collected" });
    this.shown = smallButton("only what the list shows", "mw-collect-shown", () => this.collectShown());
    this.all = smallButton("all", "mw-collect-all", () => this.collect(null), "Read every module");
    this.patterns = new Field("patterns", "text", (value, settled) => this.collectText(value, settled), {
      hint: "features.*, head.fc",
      title: "Names of modules, with * for anything; commas between them. Empty for all",
    });
    this.patterns.element.dataset.testid = "mw-collect-patterns";
    this.depth = new Field("depth", "number", (depth, settled) => board.commands.send("depth", { depth }, settled), {
      step: "1",
      min: "-1",
      title: "Depth at which modules count as leaves; -1 for those without submodules",
    });
    const buttons = h("div", { class: "mw-buttons" }, this.shown, this.all);
    this.element = drawerSection("Modules to collect", this.now, buttons, this.patterns.element, this.depth.element);
  }

  /** Modules that are on display, as the list has them. */
  get chosen() {
    const names = new Set(bases(this.board.names.all));
    return this.board.view.now.shown.filter((name) => names.has(name));
  }

  collectShown() {
    if (this.chosen.length) this.collect(this.chosen);
  }

  /** @param {string[] | null} patterns @param {(answer: import('./types.js').Answer) => void} [settled] */
  collect(patterns, settled) {
    this.board.commands.send("collect", { patterns }, settled);
  }

  /** @param {string} text @param {(answer: import('./types.js').Answer) => void} settled */
  collectText(text, settled) {
    const patterns = text.split(",").map((word) => word.trim()).filter(Boolean);
    this.collect(patterns.length ? patterns : null, settled);
  }

  /** @param {Instrument} instrument */
  update({ collected, depth }) {
    setText(this.now, collected ? `Now: ${counted(collected.length, "pattern")}` : "Now: all modules");
    this.patterns.update(collected?.join(", ") ?? "");
    this.depth.update(depth);
    this.updateShown();
  }

  updateShown() {
    const { length } = this.chosen;
    setText(this.shown, `only the ${countText(length)} in the list`);
    forbid(this.shown, length ? "" : "Nothing is chosen in the list", "Read only what is ticked in the list of modules");
  }
}
