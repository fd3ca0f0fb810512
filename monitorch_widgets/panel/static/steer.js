// @ts-check
// The right end of the strip: when a click reaches the run, and the buttons that pause, step and stop it.
import { h, icon, setText } from "./dom.js";
import { ACTS, ask, isHeld, whyNot } from "./loop.js";
import { Popover } from "./popover.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./loop.js').Act} Act */

/** What the chip says, explained. @type {Record<string, string>} */
const REACHES = {
  "live control": "What you do here reaches the running cell at once, and takes effect at the next step",
  "at the next step": "What you do here is heard when the running step is over",
  "when the cell ends":
    "This front end hands messages over between cells: what you do here waits for the end of the running one. Views answer at once",
  "no kernel": "Nobody is there to carry anything out. Views still answer",
};
const SOME_STEPS = [10, 100];

export class Steer {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.reach = h("span", { class: "mw-reach", "data-testid": "mw-reach", hidden: true });
    this.icons = { pause: icon("pause"), resume: icon("play") };
    /** @type {Record<Exclude<Act, 'epoch'>, HTMLElement>} */
    this.buttons = {
      pause: this.button("pause", this.icons.pause, this.icons.resume),
      step: this.button("step", icon("step")),
      stop: this.button("stop", icon("stop")),
    };
    this.further = new Popover(
      h(
        "button",
        { type: "button", class: "mw-act mw-act-narrow", "data-testid": "mw-further-steps", "aria-label": "More steps", title: "More steps" },
        icon("open"),
      ),
      () => this.furtherSteps(),
      { label: "More steps", testid: "mw-further-steps-box" },
    );
    this.keys = new Popover(
      h(
        "button",
        { type: "button", class: "mw-act mw-act-keys", "data-testid": "mw-keys", "aria-label": "Keyboard shortcuts", title: "Keyboard shortcuts (?)" },
        "?",
      ),
      () => [keyList()],
      { label: "Keyboard shortcuts", testid: "mw-keys-box" },
    );
    this.element = h(
      "div",
      { class: "mw-steer" },
      this.reach,
      h(
        "div",
        { class: "mw-acts-loop", role: "group", "aria-label": "The training loop" },
        this.buttons.pause,
        this.buttons.step,
        this.further.element,
        this.buttons.stop,
      ),
      this.keys.element,
    );
  }

  /** @param {Act} act @param {...Node} children */
  button(act, ...children) {
    return h(
      "button",
      { type: "button", class: "mw-act", "data-testid": act === "step" ? "mw-step-once" : `mw-${act}`, onclick: () => ask(this.board, act) },
      ...children,
    );
  }

  furtherSteps() {
    const items = SOME_STEPS.map((steps) =>
      this.item(`${steps} steps`, "step", "", () => ask(this.board, "step", steps)),
    );
    return [this.item("to the epoch's end", "epoch", ACTS.epoch.key, () => ask(this.board, "epoch")), ...items];
  }

  /** @param {string} words @param {Act} act @param {string} key @param {() => void} does */
  item(words, act, key, does) {
    const why = whyNot(this.board, act);
    const onclick = () => {
      this.further.close();
      this.further.button.focus();
      does();
    };
    return h(
      "button",
      { type: "button", class: "mw-item mw-step-item", "data-testid": "mw-step-item", "aria-disabled": why ? "true" : null, title: why, onclick },
      h("span", {}, words),
      key ? h("kbd", {}, key) : null,
    );
  }

  update() {
    const { board } = this;
    const held = isHeld(board);
    this.icons.pause.toggleAttribute("hidden", held);
    this.icons.resume.toggleAttribute("hidden", !held);
    const words = { pause: held ? "Resume" : "Pause", step: "One step", stop: "Stop" };
    for (const act of /** @type {const} */ (["pause", "step", "stop"])) this.show(act, words[act]);
    const reach = board.kernelGone ? "no kernel" : board.status.reach;
    this.reach.hidden = !reach;
    this.reach.dataset.reach = reach;
    setText(this.reach, reach);
    this.reach.title = REACHES[reach] ?? "";
  }

  /** @param {'pause' | 'step' | 'stop'} act @param {string} word */
  show(act, word) {
    const button = this.buttons[act];
    const why = whyNot(this.board, act);
    const title = why ? `${word}: ${why[0].toLowerCase()}${why.slice(1)}` : `${word} (${ACTS[act].key})`;
    if (button.title !== title) button.title = title;
    if (button.ariaLabel !== word) button.ariaLabel = word;
    // not `disabled`: it would lose the focus, and with it the shortcuts
    if (button.ariaDisabled !== (why ? "true" : "false")) button.ariaDisabled = why ? "true" : "false";
  }

  close() {
    this.further.close();
    this.keys.close();
  }
}

function keyList() {
  const rows = Object.values(ACTS).map(({ words, key }) =>
    h("div", { class: "mw-key-row" }, h("dt", {}, h("kbd", {}, key)), h("dd", {}, words)),
  );
  const last = [
    h("div", { class: "mw-key-row" }, h("dt", {}, h("kbd", {}, "Esc")), h("dd", {}, "Close what is open")),
    h("div", { class: "mw-key-row" }, h("dt", {}, h("kbd", {}, "?")), h("dd", {}, "This list")),
  ];
  return h(
    "div",
    { class: "mw-key-list" },
    h("p", {}, "While the focus is in this panel:"),
    h("dl", {}, ...rows, ...last),
  );
}
