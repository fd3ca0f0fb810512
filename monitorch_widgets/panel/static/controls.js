// @ts-check
// The row of controls that concern every panel: x axis, window, smoothing, lines or map, which panels.
import { depthGradient } from "./colours.js";
import { h, icon, press, setText, toggle } from "./dom.js";
import { tailOf } from "./format.js";
import { Popover } from "./popover.js";

/** @typedef {import('./board.js').Board} Board */

const WINDOWS = ["auto", 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

export class Controls {
  /**
   * @param {Board} board @param {() => void} fold shows and hides the picker where it is folded away
   * @param {HTMLElement} instrument opens the drawer
   */
  constructor(board, fold, instrument) {
    this.board = board;
    const { view } = board;
    this.x = select("mw-x", "Horizontal axis", ["step", "epoch", "seconds"], (value) =>
      view.change({ x: /** @type {'step'} */ (value) }),
    );
    this.window = select("mw-window", "Steps that make one point", WINDOWS.map(String), (value) =>
      view.change({ window: value === "auto" ? "auto" : Number(value) }),
    );
    this.width = h("span", { class: "mw-window-now", "data-testid": "mw-window-now" });
    this.smooth = /** @type {HTMLInputElement} */ (
      h("input", {
        type: "range",
        min: "0",
        max: "0.98",
        step: "0.02",
        class: "mw-range",
        "data-testid": "mw-smooth",
        "aria-label": "Smoothing",
        title: "Exponential smoothing; the raw line stays faint behind",
        oninput: () => view.change({ smooth: Number(this.smooth.value) }),
      })
    );
    this.amount = h("output", { class: "mw-amount" });
    this.lines = toggle("lines", {
      testid: "mw-mode-lines",
      title: "A line per module",
      onclick: () => view.change({ mode: "lines" }),
    });
    this.map = toggle("map", {
      testid: "mw-mode-map",
      title: "Modules as rows, steps as columns, values as colours",
      onclick: () => view.change({ mode: "map" }),
    });
    this.all = h("button", {
      type: "button",
      class: "mw-link",
      "data-testid": "mw-map-all",
      title: "A map has room for every module",
      onclick: () => view.change({ shown: board.spec.modules.map((module) => module.name), solo: null }),
    });
    this.soloWord = h("span", {});
    this.back = h(
      "button",
      {
        type: "button",
        class: "mw-solo-chip",
        "data-testid": "mw-solo-off",
        title: "Show all chosen modules again",
        onclick: () => view.change({ solo: null }),
      },
      this.soloWord,
      h("span", {}, "\u00a0alone ×"),
    );
    this.depth = h(
      "span",
      { class: "mw-depth", title: "The colour of a module says how deep it lies, the same in every panel" },
      "first",
      h("i", { style: `background:${depthGradient()}` }),
      "last module",
    );
    this.fold = h(
      "button",
      {
        type: "button",
        class: "mw-button mw-fold-picker",
        "data-testid": "mw-fold-picker",
        "aria-expanded": "false",
        "aria-controls": `${board.id}-picker`,
        onclick: fold,
      },
      "Modules",
    );
    this.panels = new Popover(
      h(
        "button",
        { type: "button", class: "mw-button", "data-testid": "mw-panels", "aria-label": "panels", title: "Which panels are shown" },
        icon("panels"),
        h("span", { class: "mw-button-word" }, "panels"),
      ),
      () => this.panelChoices(),
      { label: "Which panels are shown", testid: "mw-panels-box" },
    );
    this.element = h(
      "div",
      { class: "mw-controls", role: "toolbar", "aria-label": "Controls of all panels" },
      this.fold,
      withLabel("x", this.x),
      withLabel("window", this.window, this.width),
      withLabel("smooth", this.smooth, this.amount),
      h("div", { class: "mw-switch", role: "group", "aria-label": "Lines or map" }, this.lines, this.map),
      this.all,
      this.panels.element,
      instrument,
      h("span", { class: "mw-corner" }, this.back, this.depth),
    );
  }

  panelChoices() {
    const { view, spec } = this.board;
    return spec.panels.map(({ tag, title }) => {
      const check = /** @type {HTMLInputElement} */ (
        h("input", {
          type: "checkbox",
          "data-testid": "mw-panel-shown",
          "data-tag": tag,
          onchange: () => {
            const others = view.now.hidden_panels.filter((hidden) => hidden !== tag);
            view.change({ hidden_panels: check.checked ? others : [...others, tag] });
          },
        })
      );
      check.checked = !view.now.hidden_panels.includes(tag);
      return h("label", { class: "mw-choice" }, check, title);
    });
  }

  update() {
    const { now } = this.board.view;
    this.x.value = now.x;
    this.setWindow(now.window);
    if (document.activeElement !== this.smooth) this.smooth.value = String(now.smooth);
    setText(this.amount, now.smooth > 0 ? now.smooth.toFixed(2) : "off");
    press(this.lines, now.mode === "lines");
    press(this.map, now.mode === "map");
    const missing = now.mode === "map" && !now.solo && now.shown.length < this.board.spec.modules.length;
    this.all.hidden = !missing;
    setText(this.all, `show all ${this.board.spec.modules.length}`);
    this.back.hidden = now.solo === null;
    this.depth.hidden = now.solo !== null; // they share a place, so that nothing moves
    setText(this.soloWord, tailOf(now.solo ?? "", 17));
    this.back.setAttribute("aria-label", `${now.solo} alone; show all chosen modules again`);
    this.updateWidth();
  }

  /** How many steps 'auto' has come to. */
  updateWidth() {
    const auto = this.board.view.now.window === "auto";
    setText(this.width, auto ? (this.board.width === 1 ? "every step" : `${this.board.width} steps`) : "steps");
  }

  /** @param {'auto' | number} window */
  setWindow(window) {
    const value = String(window);
    if (![...this.window.options].some((option) => option.value === value))
      this.window.append(h("option", { value }, value));
    this.window.value = value;
  }
}

/** @param {string} testid @param {string} name @param {string[]} values @param {(value: string) => void} onchange */
function select(testid, name, values, onchange) {
  const options = values.map((value) => h("option", { value }, value));
  const element = /** @type {HTMLSelectElement} */ (
    h("select", { class: "mw-select", "data-testid": testid, "aria-label": name, title: name }, ...options)
  );
  element.addEventListener("change", () => onchange(element.value));
  return element;
}

/** @param {string} word @param {...Node} parts */
function withLabel(word, ...parts) {
  return h("label", { class: "mw-labelled" }, h("span", {}, word), ...parts);
}
