// @ts-check
// One view of a board: the elements in one output cell.
import { Controls } from "./controls.js";
import { h } from "./dom.js";
import { fillFaults } from "./fault.js";
import { Panel } from "./panel.js";
import { Picker } from "./picker.js";
import { Strip } from "./strip.js";

/** @typedef {import('./board.js').Board} Board */

export class Dash {
  /** @param {Board} board @param {HTMLElement} element */
  constructor(board, element) {
    this.board = board;
    this.element = element;
    /** @type {Panel[]} */ this.panels = [];
    this.build();
    board.dashes.add(this);
    board.kick(true);
  }

  build() {
    const { board } = this;
    this.strip = new Strip(board);
    this.picker = new Picker(board);
    this.controls = new Controls(board, () => this.foldPicker());
    this.panels = board.spec.panels.map((_, i) => new Panel(board, i));
    this.faults = h("div", { class: "mw-faults", hidden: true });
    this.grid = h("div", { class: "mw-grid" }, ...this.panels.map((panel) => panel.element));
    this.nothing = h(
      "div",
      { class: "mw-message mw-no-panels", hidden: true },
      h("b", {}, "Every panel is hidden"),
      h("span", {}, "Choose some under “panels”."),
    );
    this.root = h(
      "div",
      { class: "mw-root", "data-testid": "mw-root", "data-drawn": "0" },
      this.strip.element,
      h(
        "div",
        { class: "mw-body" },
        h("div", { class: "mw-side" }, this.picker.element),
        h("div", { class: "mw-main" }, this.controls.element, this.faults, this.grid, this.nothing),
      ),
    );
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && board.view.now.large) board.view.change({ large: null });
    });
    this.element.replaceChildren(this.root);
    this.watchScreen();
    this.watchStrip(this.strip.element);
    this.updateControls();
    this.updateStatus(board.drawn);
  }

  /** Only what is on screen is drawn, and its figure is made when it first comes there. */
  watchScreen() {
    this.screen = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          const panel = this.panels.find(({ element }) => element === target);
          if (!panel || panel.onScreen === isIntersecting) continue;
          panel.onScreen = isIntersecting;
          if (isIntersecting) this.appear(panel);
        }
      },
      { rootMargin: "100px" },
    );
    for (const { element } of this.panels) this.screen.observe(element);
  }

  /** The picker stays right below the strip, which has one row or two. @param {HTMLElement} strip */
  watchStrip(strip) {
    const tell = () => this.root?.style.setProperty("--mw-strip-height", `${strip.offsetHeight}px`);
    this.stripSize = new ResizeObserver(tell);
    this.stripSize.observe(strip);
  }

  /** @param {Panel} panel */
  appear(panel) {
    this.board.touch(panel.index);
    panel.plot.mount().then(
      () => this.board.touch(panel.index),
      (error) => console.error(error),
    );
  }

  foldPicker() {
    const open = this.picker?.element.classList.toggle("mw-open");
    this.controls?.fold.setAttribute("aria-expanded", String(open));
  }

  updateControls() {
    this.picker?.update();
    this.controls?.update();
    for (const panel of this.panels) panel.update();
    if (this.nothing) this.nothing.hidden = this.panels.some((panel) => !panel.element.hidden);
  }

  /** @param {number} drawn */
  updateStatus(drawn) {
    this.strip?.update();
    this.picker?.updateStatus();
    this.controls?.updateWidth();
    this.updateFaults();
    this.root?.setAttribute("data-drawn", String(drawn));
  }

  /** Faults that belong to no panel. */
  updateFaults() {
    const tags = new Set(this.board.spec.panels.map((panel) => panel.tag));
    const faults = this.board.status.faults?.filter((fault) => !tags.has(fault.tag)) ?? [];
    if (this.faults) fillFaults(this.faults, faults);
  }

  updateLight() {
    for (const [name, row] of this.picker?.rows ?? [])
      row.classList.toggle("mw-lit-name", this.board.litNames.has(name));
    for (const panel of this.panels) if (panel.onScreen && panel.plot.ready) panel.updateOverlay();
  }

  close() {
    this.stripSize?.disconnect();
    this.screen?.disconnect();
    this.strip?.close();
    for (const panel of this.panels) panel.close();
    this.panels = [];
  }
}
