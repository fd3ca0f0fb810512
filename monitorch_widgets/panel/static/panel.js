// @ts-check
// A panel: one tag on screen, with its title, its switches, its plot, and the line below that says what is drawn.
import { captionOf, leftOutWords, summaryOf } from "./caption.js";
import { MARGIN, hasFreeAxis } from "./chart.js";
import { h, icon, press, setText, toggle } from "./dom.js";
import { exportItems } from "./export.js";
import { fillFaults } from "./fault.js";
import { bytesText } from "./format.js";
import { epochOf, mainLine } from "./frame.js";
import { MAP_MARGIN } from "./map.js";
import { marksUnder } from "./marks.js";
import { messageOf } from "./message.js";
import { cellUnder, nearestLine } from "./pick.js";
import { Plot } from "./plot.js";
import { Popover } from "./popover.js";
import { Tooltip } from "./tooltip.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./types.js').ChartSpec} ChartSpec */
/** @typedef {import('./pick.js').Picked} Picked */

/** Switches: key, label, what it is. @type {[string, string, string][]} */
const LINE_SWITCHES = [
  ["mean", "mean", "Mean over each window of steps"],
  ["median", "med", "Median over each window of steps"],
  ["min", "min", "Smallest reading of each window"],
  ["max", "max", "Largest reading of each window"],
];
/** @type {[string, string, string][]} */
const BAND_SWITCHES = [
  ["std", "σ", "Band of one standard deviation around the mean"],
  ["Q1-Q3", "Q", "Band from the first to the third quartile"],
  ["min-max", "↕", "Band from the smallest to the largest reading"],
];
const NEAR_MARK_PX = 4;

export class Panel {
  /** @param {Board} board @param {number} index */
  constructor(board, index) {
    this.board = board;
    this.index = index;
    this.spec = board.spec.panels[index];
    this.chart = board.charts[index];
    this.onScreen = false;
    this.tooltip = new Tooltip();
    this.plot = new Plot(board.model, this.chart, {
      onresize: () => board.touch(index),
      onmove: (px, py) => this.onMove(px, py),
      onleave: () => this.onLeave(),
      onclick: (px, py) => this.onClick(px, py),
    });
    /** @type {Map<string, HTMLElement>} */ this.switches = new Map();
    this.taken = h("div", { class: "mw-taken", "data-testid": "mw-stage" });
    this.foot = h("div", { class: "mw-panel-foot" });
    this.faults = h("div", { class: "mw-faults", hidden: true });
    this.legend = h("div", { class: "mw-legend", role: "group", "aria-label": "Lines of this panel", hidden: true });
    this.large = h(
      "button",
      {
        type: "button",
        class: "mw-icon-button",
        "data-testid": "mw-large",
        "aria-pressed": "false",
        "aria-label": `Enlarge ${this.spec.title}`,
        title: "Enlarge",
        onclick: () => this.flipLarge(),
      },
      icon("enlarge"),
    );
    this.element = h(
      "section",
      { class: "mw-panel", "data-testid": "mw-panel", "data-tag": this.spec.tag, "aria-label": this.spec.title },
      this.head(),
      this.taken,
      this.toolbar(),
      this.legend,
      this.faults,
      h("div", { class: "mw-stage" }, this.plot.element, this.tooltip.element),
      this.foot,
    );
    this.element.addEventListener("contextmenu", (event) => this.onContextMenu(event));
    this.update();
  }

  head() {
    const button = h(
      "button",
      {
        type: "button",
        class: "mw-icon-button",
        "data-testid": "mw-menu",
        "aria-label": `About ${this.spec.title}, and saving it`,
        title: "What it tells; copy and save",
      },
      icon("more"),
    );
    this.menu = new Popover(button, () => this.menuItems(), {
      label: `About ${this.spec.title}`,
      testid: "mw-menu-box",
    });
    this.fold = h(
      "button",
      {
        type: "button",
        class: "mw-icon-button mw-fold-panel",
        "data-testid": "mw-fold-panel",
        "aria-label": `Fold ${this.spec.title}`,
        onclick: () => this.board.foldPanel(this.spec.tag),
      },
      icon("open"),
    );
    const unit = this.spec.unit ? h("span", { class: "mw-unit" }, this.spec.unit) : null;
    return h(
      "header",
      { class: "mw-panel-head" },
      this.fold,
      h("h3", { title: this.spec.title }, this.spec.title),
      unit,
      h("span", { class: "mw-panel-acts" }, this.large, this.menu.element),
    );
  }

  toolbar() {
    const make =
      (/** @type {'lines' | 'bands'} */ part, /** @type {string} */ prefix) =>
      (/** @type {[string, string, string]} */ [key, label, title]) => {
        const button = toggle(label, {
          testid: `mw-${prefix}-${key}`,
          title,
          name: title,
          onclick: () => this.flip(part, key),
        });
        this.switches.set(`${part}.${key}`, button);
        return button;
      };
    const scale = (/** @type {boolean} */ log) => {
      const word = log ? "log" : "lin";
      const title = hasFreeAxis(this.spec)
        ? log
          ? "Logarithmic axis; values at or below zero are gaps"
          : "Linear axis"
        : "This axis is fixed by what is measured";
      const button = toggle(word, {
        testid: `mw-scale-${word}`,
        title,
        name: title,
        onclick: () => this.board.view.changePanel(this.spec.tag, { log }),
      });
      if (!hasFreeAxis(this.spec)) /** @type {HTMLButtonElement} */ (button).disabled = true;
      this.switches.set(`scale.${word}`, button);
      return button;
    };
    return h(
      "div",
      { class: "mw-panel-bar", role: "toolbar", "aria-label": `How ${this.spec.title} is drawn` },
      h(
        "div",
        { class: "mw-switch", role: "group", "aria-label": "Lines" },
        ...LINE_SWITCHES.map(make("lines", "line")),
      ),
      h(
        "div",
        { class: "mw-switch", role: "group", "aria-label": "Bands" },
        ...BAND_SWITCHES.map(make("bands", "band")),
      ),
      h("div", { class: "mw-switch mw-scale", role: "group", "aria-label": "Scale" }, scale(false), scale(true)),
    );
  }

  /** @param {'lines' | 'bands'} part @param {string} key */
  flip(part, key) {
    const order = (part === "lines" ? LINE_SWITCHES : BAND_SWITCHES).map(([name]) => name);
    const now = new Set(this.panelView[part]);
    if (!now.delete(key)) now.add(key);
    this.board.view.changePanel(this.spec.tag, { [part]: order.filter((name) => now.has(name)) });
  }

  flipLarge() {
    const { view } = this.board;
    view.change({ large: view.now.large === this.spec.tag ? null : this.spec.tag });
    if (view.now.large) requestAnimationFrame(() => this.element.scrollIntoView({ block: "nearest" }));
  }

  menuItems() {
    const { about, tag } = this.spec;
    const bytes = this.board.status.memory_bytes[tag];
    const lines = [
      ["Tells", about?.tells],
      ["Healthy", about?.healthy],
      ["If not", about?.remedy],
      ["Taken", this.stage],
      ["Memory", bytes === undefined ? "" : `keeps copies of tensors: ${bytesText(bytes)}`],
      ["In Python", `inspector.history[${JSON.stringify(tag)}]`],
    ]
      .filter(([, text]) => text)
      .map(([word, text]) => h("p", {}, h("b", {}, `${word}: `), text ?? ""));
    const close = () => this.menu?.close();
    return [
      h("div", { class: "mw-about" }, ...lines),
      h("div", { class: "mw-menu-items" }, ...exportItems(this, close)),
    ];
  }

  /** @param {MouseEvent} event */
  onContextMenu(event) {
    if (!(event.target instanceof Element) || !event.target.closest(".mw-plot")) return;
    event.preventDefault();
    event.stopPropagation();
    this.menu?.open();
    /** @type {HTMLElement | null} */ (this.menu?.box.querySelector("button") ?? null)?.focus();
  }

  get panelView() {
    return this.board.view.now.panels[this.spec.tag];
  }

  get isFolded() {
    return this.board.folded.has(this.spec.tag);
  }

  /** Where in the step the numbers are taken, in words: the newest ones, else as the lens says it. */
  get stage() {
    return this.board.status.stages[this.spec.tag] || this.spec.stage || "";
  }

  get isMap() {
    return this.board.isMap(this.index);
  }

  /** What the view says about this panel: which switches are on, whether it is there and large. */
  update() {
    const { now } = this.board.view;
    const panel = this.panelView;
    for (const [key] of LINE_SWITCHES) press(this.must(`lines.${key}`), panel.lines.includes(key));
    for (const [key] of BAND_SWITCHES) {
      press(this.must(`bands.${key}`), panel.bands.includes(key));
      /** @type {HTMLButtonElement} */ (this.must(`bands.${key}`)).disabled = this.isMap;
    }
    press(this.must("scale.log"), panel.log && hasFreeAxis(this.spec));
    press(this.must("scale.lin"), !panel.log || !hasFreeAxis(this.spec));
    const large = now.large === this.spec.tag;
    press(this.large, large);
    this.element.classList.toggle("mw-is-large", large);
    this.element.hidden = now.hidden_panels.includes(this.spec.tag);
    this.element.classList.toggle("mw-folded", this.isFolded);
    this.fold?.setAttribute("aria-expanded", String(!this.isFolded));
    if (this.fold) this.fold.title = this.isFolded ? "Open" : "Fold";
    this.updateLegend();
    this.updateStage();
  }

  /** Its room is kept where there are no words. */
  updateStage() {
    if (this.taken.textContent === this.stage) return;
    setText(this.taken, this.stage);
    this.taken.title = this.stage;
  }

  /** @param {string} key */
  must(key) {
    return /** @type {HTMLElement} */ (this.switches.get(key));
  }

  /** Names that are in no picker (losses, metrics) stand in their panel. */
  updateLegend() {
    const names = this.board.freeNames(this.index);
    this.legend.hidden = names.length === 0;
    const { solo } = this.board.view.now;
    if (this.legend.childElementCount !== names.length) {
      this.legend.replaceChildren(
        ...names.map((name) => {
          const button = h(
            "button",
            {
              type: "button",
              class: "mw-legend-name",
              "data-testid": "mw-legend-name",
              "data-name": name,
              title: `${name}: click to see it alone`,
              onclick: () => this.board.solo(name),
            },
            h("i", { class: "mw-swatch", style: `background:${this.board.names.colourOf(name)}` }),
            name,
          );
          button.addEventListener("pointerenter", () => this.board.light([name]));
          button.addEventListener("pointerleave", () => this.board.light([]));
          return button;
        }),
      );
    }
    [...this.legend.children].forEach((button, i) => press(button, names[i] === solo));
  }

  /** Before the chart is drawn: room for its labels. */
  makeRoom() {
    if (this.isMap) this.chart.hideLines();
    this.plot.setMargin(this.isMap ? MAP_MARGIN : MARGIN);
  }

  /** After the charts were drawn: words, overlay, the line below. */
  updatePlot() {
    const words = messageOf(this.board, this.index);
    this.plot.say(words);
    this.plot.hatch.hidden = !this.isMap || words !== null;
    this.plot.noteBelow(words ? "" : leftOutWords(this));
    this.element.setAttribute("data-drawn", String(this.board.drawings[this.index]));
    this.updateStage();
    this.updateOverlay();
    this.foot.replaceChildren(...captionOf(this));
    fillFaults(this.faults, this.board.status.faults?.filter((fault) => fault.tag === this.spec.tag) ?? []);
    this.plot.element.setAttribute("aria-label", summaryOf(this));
  }

  updateOverlay() {
    const { board } = this;
    const lit = this.board.litIn(this.index);
    this.plot.overlay.update(this.chart, this.plot.area, {
      lit: (row) => lit.has(row.name),
      strong: (row) => row.name === board.view.now.solo && !this.isMap,
      dim: lit.size > 0 && !this.isMap,
      panel: this.panelView,
      map: this.isMap,
      marks: board.marks,
      zero: this.spec.kind === "correlation" && !this.isMap,
    });
  }

  /** @param {number} px @param {number} py @returns {Picked | null} */
  pick(px, py) {
    const { area } = this.plot;
    return this.isMap
      ? cellUnder(this.chart, area, px, py, mainLine(this.panelView))
      : nearestLine(this.chart, area, px, py);
  }

  /** @param {number} px @param {number} py */
  onMove(px, py) {
    const picked = this.pick(px, py);
    const frame = this.chart.frame;
    const { area } = this.plot;
    const notes = area.holds(px, py) ? marksUnder(this.board.marks, area, px, NEAR_MARK_PX) : [];
    this.plot.element.classList.toggle("mw-over", Boolean(picked));
    if (picked && frame) {
      const bands = this.isMap ? [] : this.panelView.bands;
      const place = epochOf(this.board.status.epoch_marks ?? [], this.board.lastStep);
      const epoch = (/** @type {number} */ step) => String(Math.max(1, Math.ceil(place(step) - 1e-9)));
      this.tooltip.show(frame, picked, this.isMap ? [] : this.panelView.lines, bands, epoch, notes);
      this.board.light([frame.rows[picked.row].name]);
    } else if (notes.length) {
      this.tooltip.say(notes);
      this.board.light([]);
    } else return this.onLeave();
    this.tooltip.place(px, py, this.plot.element);
  }

  onLeave() {
    this.tooltip.hide();
    this.plot.element.classList.remove("mw-over");
    this.board.light([]);
  }

  /** @param {number} px @param {number} py */
  onClick(px, py) {
    const picked = this.pick(px, py);
    if (picked && this.chart.frame) this.board.solo(this.chart.frame.rows[picked.row].name);
    else if (this.board.view.now.solo) this.board.view.change({ solo: null });
  }

  close() {
    this.menu?.close();
    this.plot.close();
  }
}
