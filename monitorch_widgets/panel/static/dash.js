// @ts-check
// One view of a board: the elements in one output cell.
import { PANELS_TAB } from "./cards.js";
import { Controls } from "./controls.js";
import { h } from "./dom.js";
import { Drawer } from "./drawer.js";
import { fillFaults } from "./fault.js";
import { listenToKeys } from "./keys.js";
import { Panel } from "./panel.js";
import { Panes } from "./panes.js";
import { Picker } from "./picker.js";
import { Reply } from "./reply.js";
import { Steer } from "./steer.js";
import { Strip } from "./strip.js";
import { Tabs } from "./tabs.js";

let dashes = 0;

/** @typedef {import('./board.js').Board} Board */

export class Dash {
  /** @param {Board} board @param {HTMLElement} element */
  constructor(board, element) {
    this.board = board;
    this.element = element;
    /** @type {Panel[]} */ this.panels = [];
    this.steer = new Steer(board);
    this.reply = new Reply(board);
    this.drawer = new Drawer(board, `${board.id}-drawer-${++dashes}`);
    this.panes = new Panes(board, `${board.id}-pane-${dashes}`);
    this.tabs = new Tabs(board, this.panes.element.id);
    this.root = this.makeRoot();
    this.element.replaceChildren(this.root);
    this.build();
    board.dashes.add(this);
    board.kick(true);
  }

  /** What is there whatever model is shown: the buttons of the run, the cards, the drawer, the keys. */
  makeRoot() {
    const { board } = this;
    const given = { class: "mw-root", "data-testid": "mw-root", "data-drawn": "0", tabindex: "-1" }; // a click focuses it
    const root = h("div", given, this.panes.element, this.drawer.element);
    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && board.view.now.large) board.view.change({ large: null });
    });
    listenToKeys(board, root, () => this.steer.keys.button.click());
    return root;
  }

  build() {
    const { board } = this;
    const focused = /** @type {HTMLElement | null} */ (this.root.contains(document.activeElement) ? document.activeElement : null);
    this.strip?.element.remove();
    this.body?.remove();
    this.strip = new Strip(board, this.steer.element, this.reply.element);
    this.picker = new Picker(board);
    this.controls = new Controls(board, () => this.foldPicker(), this.drawer.button);
    this.panels = board.spec.panels.map((_, i) => new Panel(board, i));
    this.faults = h("div", { class: "mw-faults", hidden: true });
    this.grid = h("div", { class: "mw-grid" }, ...this.panels.map((panel) => panel.element));
    this.nothing = h(
      "div",
      { class: "mw-message mw-no-panels", hidden: true },
      h("b", {}, "Every panel is hidden"),
      h("span", {}, "Choose some under “panels”."),
    );
    this.body = h(
      "div",
      { class: "mw-body" },
      h("div", { class: "mw-side" }, this.picker.element),
      h("div", { class: "mw-main" }, this.controls.element, this.faults, this.grid, this.nothing),
    );
    this.root.prepend(this.strip.element, this.tabs.element, this.body);
    if (focused && this.root.contains(focused)) focused.focus({ preventScroll: true }); // what was moved has lost it
    this.watchScreen();
    this.watchHeights();
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

  /** The picker stays right below the strip, which has one row or two; the drawer opens below the controls. */
  watchHeights() {
    const heights = new Map([
      ["--mw-strip-height", this.strip?.element],
      ["--mw-tabs-height", this.tabs.element],
      ["--mw-controls-height", this.controls?.element],
    ]);
    const tell = () => {
      for (const [name, element] of heights) this.root.style.setProperty(name, `${element?.offsetHeight ?? 0}px`);
    };
    this.heights = new ResizeObserver(tell);
    for (const element of heights.values()) if (element) this.heights.observe(element);
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
    this.drawer.collect.updateShown();
    for (const panel of this.panels) panel.update();
    if (this.nothing) this.nothing.hidden = this.panels.some((panel) => !panel.element.hidden);
  }

  /** @param {number} drawn */
  updateStatus(drawn) {
    this.tabs.update();
    if (this.body) this.body.hidden = this.board.tab !== PANELS_TAB;
    this.panes.draw();
    this.updateSteer();
    this.picker?.updateStatus();
    this.controls?.updateWidth();
    this.updateFaults();
    this.root.setAttribute("data-drawn", String(drawn));
  }

  updateSteer() {
    this.strip?.update();
    this.steer.update();
    this.reply.update();
    this.drawer.update();
    this.panes.look();
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
    this.heights?.disconnect();
    this.screen?.disconnect();
    this.strip?.close();
    this.steer.close();
    for (const panel of this.panels) panel.close();
    this.panels = [];
  }
}
