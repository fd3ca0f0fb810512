// @ts-check
// The board: what is behind all views of one dashboard. It keeps the numbers and the view, and decides what is drawn when.
import { Answers } from "./answers.js";
import { Cards, PANELS_TAB, PERFORMANCE_TAB } from "./cards.js";
import { Chart } from "./chart.js";
import { Commands } from "./commands.js";
import { mainLine, makeFrame, windowWidth } from "./frame.js";
import { HeatMap } from "./map.js";
import { marksOf } from "./marks.js";
import { Names } from "./names.js";
import { Pace } from "./pace.js";
import { refreshRate } from "./pacing.js";
import { STATS } from "./bins.js";
import { Incoming, PanelStore } from "./store.js";
import { Traffic } from "./traffic.js";
import { ViewState, atFirst, sendQuietly } from "./view.js";
import { Whole } from "./whole.js";
import { Gatherer } from "./windows.js";

/** @typedef {import('./types.js').Model} Model */
/** @typedef {import('./types.js').Spec} Spec */
/** @typedef {import('./types.js').Status} Status */
/** @typedef {import('./types.js').Row} Row */
/** @typedef {import('./types.js').PanelModels} PanelModels */
/** @typedef {import('./dash.js').Dash} Dash */

export const HEADLINE_KINDS = ["loss", "metrics", "logged"];
const MOST_HEADLINES = 6; // numbers of one panel in the strip
const SETTLE_MS = 120; // between the steps of a shrinking domain

/** @type {Status} */
const NO_STATUS = {
  state: "waiting",
  epoch: 0,
  step: 0,
  phase: "train",
  steps_per_s: 0,
  elapsed_s: 0,
  epoch_marks: [],
  faults: [],
  events: [],
  stages: {},
  memory_bytes: {},
  unwatched: [],
  overhead: null,
  asked: "",
  reach: "",
  learning_rates: [],
  instrument: null,
  items: [],
  eta_s: null,
  writers: [],
};

/** Parts of the status that somebody who has asked for something waits for: they are shown at once. */
const ANSWERING = /** @type {const} */ (["state", "asked", "reach", "learning_rates", "instrument"]);

let boards = 0;

export class Board {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.id = `mw-${++boards}`;
    /** @type {Set<Dash>} */ this.dashes = new Set();
    this.kernelGone = false;
    this.drawn = 0;
    this.renewals = 0;
    this.answers = new Answers(model);
    this.traffic = new Traffic();
    this.whole = new Whole(model);
    this.commands = new Commands(model, () => this.status);
    this.commands.listeners.add(() => this.onCommands());
    this.pace = new Pace(
      (urgent) => this.draw(urgent),
      () => this.answers.give(),
    );
    /** @type {Status} */ this.status = { ...NO_STATUS, ...model.get("status") };
    this.pace.keep(refreshRate(this.status.instrument));
    this.spec = /** @type {Spec} */ (model.get("spec"));
    this.view = new ViewState(model, this.spec);
    this.view.listeners.add(() => this.onView());
    /** @type {Chart[]} */ this.charts = [];
    /** @type {(() => void)[]} */ this.leaveCharts = [];
    /** @type {HeatMap[]} */ this.maps = [];
    /** @type {PanelStore[]} */ this.stores = [];
    /** @type {Gatherer[]} */ this.gatherers = [];
    /** @type {string[]} what each panel was last drawn from */ this.keys = [];
    /** @type {number[]} */ this.touched = [];
    /** @type {number[]} how often each panel was drawn */ this.drawings = [];
    /** @type {Set<string>} */ this.litNames = new Set();
    this.stillness = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.names = new Names(this.spec);
    this.width = 1; // steps a window
    this.known = { key: "", status: this.status, marks: /** @type {import('./types.js').Mark[]} */ ([]) };
    /** @type {string | null} */ this.firstChoice = null;
    this.cards = new Cards(model.get("cards"));
    this.chosenTab = this.rememberedTab;
    /** Key of the tensor that is seen. */ this.tensor = "";
    /** @type {Set<string>} tags of panels of which only the heading is seen */ this.folded = new Set();
    this.setSpec();
    this.stopListening = this.listen();
    this.ready = this.fetchModels();
  }

  /** Everything that follows from the spec alone. */
  setSpec() {
    const { spec } = this;
    this.names = new Names(spec);
    this.stores = spec.panels.map((panel) => new PanelStore(panel.series, spec.capacity, spec.max_bins));
    this.gatherers = this.stores.map((store) => new Gatherer(store));
    this.keys = spec.panels.map(() => "");
    this.touched = spec.panels.map(() => 0);
    this.drawings = spec.panels.map(() => 0);
    this.width = 1;
    const { seq, shown } = this.view.now;
    this.firstChoice =
      seq === 0 && shown.length === atFirst(this.names.all).length ? shown.join("\n") : null;
    this.takeSnapshot();
  }

  get isFirstChoice() {
    return this.firstChoice === this.view.now.shown.join("\n");
  }

  get lastStep() {
    return Math.max(-1, ...this.stores.map((store) => store.lastStep));
  }

  get firstStep() {
    const some = this.stores.filter((store) => store.rows);
    return some.length ? Math.min(...some.map((store) => store.firstStep)) : 0;
  }

  async fetchModels() {
    const manager = this.model.widget_manager;
    /** @type {Record<string, string>[]} */
    const references = this.model.get("models").slice(0, this.spec.panels.length);
    const fetch = async (/** @type {Record<string, string>} */ panel) => {
      const entries = Object.entries(panel).map(async ([name, reference]) => [
        name,
        await manager.get_model(reference.replace(/^IPY_MODEL_/, "")),
      ]);
      return /** @type {PanelModels} */ (Object.fromEntries(await Promise.all(entries)));
    };
    const { panels } = this.spec;
    const models = await Promise.all(references.map(fetch));
    if (panels !== this.spec.panels) return;
    for (const leave of this.leaveCharts) leave();
    this.charts = models.map((panel, i) => new Chart(panel, panels[i]));
    this.leaveCharts = this.charts.map((chart) => chart.whenOverwritten(() => this.kick()));
    this.maps = this.charts.map((chart) => new HeatMap(chart));
    this.kernelGone = this.isDisconnected(); // as in a notebook that is shown from its file
  }

  isDisconnected() {
    return this.charts.length > 0 && this.charts[0].models.fig.comm_live === false;
  }

  /** @returns {() => void} */
  listen() {
    const { model } = this;
    /** @type {[string, (...args: any[]) => void][]} */
    const handlers = [
      ["msg:custom", (content, buffers) => this.receive(content, buffers)],
      [
        "change:snapshot",
        () => {
          this.whole.came();
          this.takeSnapshot();
          this.kick();
        },
      ],
      [
        "change:status",
        () => {
          this.takeStatus(model.get("status"));
          this.kick();
        },
      ],
      [
        "change:cards",
        () => {
          this.cards.adopt(model.get("cards"));
          this.kick();
        },
      ],
      ["change:view", () => this.view.adopt(model.get("view"), this.spec)],
      ["change:spec", () => this.renew()],
      ["comm_live_update", () => setTimeout(() => this.setGone(this.isDisconnected()))],
    ];
    for (const [event, handler] of handlers) model.on(event, handler);
    const unwatch = this.watchKernel();
    const seen = () => (this.isSeen ? this.kick() : this.answers.give());
    document.addEventListener("visibilitychange", seen);
    return () => {
      unwatch();
      document.removeEventListener("visibilitychange", seen);
      for (const [event, handler] of handlers) model.off(event, handler);
    };
  }

  /** Whether the kernel is there, where the front end tells. */
  watchKernel() {
    const kernel = this.model.widget_manager?.kernel;
    const changed = kernel?.statusChanged;
    if (!changed?.connect) return () => {};
    // one that comes back is another one, which does not know this dashboard
    const look = (/** @type {unknown} */ _, /** @type {string} */ status) => {
      if (["dead", "terminating", "restarting", "autorestarting"].includes(status)) this.setGone(true);
    };
    changed.connect(look);
    return () => changed.disconnect(look);
  }

  /** @param {boolean} gone */
  setGone(gone) {
    if (gone === this.kernelGone) return;
    this.kernelGone = gone;
    if (gone) this.commands.forget();
    this.onCommands();
    this.kick();
  }

  /** The inspector shows another model now, or other panels. What is there stays in sight until the new ones are. */
  async renew() {
    const renewal = ++this.renewals;
    await Promise.resolve(); // the other traits of the same message
    for (const dash of this.dashes) dash.close();
    this.charts = this.maps = [];
    this.spec = this.model.get("spec");
    this.status = { ...NO_STATUS, ...this.model.get("status") };
    this.view.renew({ ...this.model.get("view") }, this.spec);
    this.setSpec();
    this.ready = this.fetchModels();
    await this.ready;
    if (renewal !== this.renewals) return; // another one has begun meanwhile
    for (const dash of this.dashes) dash.build();
    this.kick(true);
  }

  // -- numbers that come

  takeSnapshot() {
    const panels = this.model.get("snapshot")?.panels ?? [];
    this.stores.forEach((store, i) => panels[i] && store.adopt(panels[i]));
  }

  /** @param {Partial<Status>} status */
  takeStatus(status) {
    const former = this.status;
    this.status = { ...former, ...status };
    this.pace.keep(refreshRate(this.status.instrument));
    this.commands.look();
    if (ANSWERING.some((key) => this.status[key] !== former[key])) this.onCommands();
  }

  /** @param {any} content @param {DataView[]} buffers */
  receive(content, buffers) {
    if (content?.t === "answer") return this.commands.take(content);
    if (!["delta", "card", "card-gone"].includes(content?.t)) return;
    this.kernelGone = false;
    this.traffic.saw(content, buffers, content.t === "delta");
    this.whole.saw(content.number, this.answers.got);
    if (content.t === "card") this.cards.take(content, buffers);
    else if (content.t === "card-gone") this.cards.drop(content.keys);
    else this.takeStatus(content.status ?? {});
    this.answers.take(content);
    if (content.parts?.length) this.takeParts(content.parts, new Incoming(buffers));
    if (this.isSeen) this.kick();
    else this.answers.give();
  }

  /** Whether there is anything to draw on: a view of it, in a page that is in sight. */
  get isSeen() {
    return this.dashes.size > 0 && !document.hidden;
  }

  /** @param {import('./types.js').Part[]} parts @param {Incoming} incoming */
  takeParts(parts, incoming) {
    for (const part of parts) {
      const bins = part.bins ? incoming.next(part.bins, part.w * STATS) : null;
      const rows = incoming.next(part.n, part.w);
      const store = this.stores[part.p];
      if (!store) continue;
      if (part.series) store.adoptSeries(part.series);
      if (bins) store.putBins(bins.steps, bins.seconds, bins.values, part.w);
      store.put(rows.steps, rows.seconds, rows.values);
    }
  }

  // -- tabs

  /** All tabs beside the panels; the last one is there from the beginning, so that the row never comes and goes. */
  get tabs() {
    return this.cards.tabsWith(this.status.instrument ? [PERFORMANCE_TAB] : []);
  }

  /** The tab in sight. */
  get tab() {
    return this.tabs.includes(this.chosenTab) ? this.chosenTab : PANELS_TAB;
  }

  /** @param {string} tab */
  chooseTab(tab) {
    this.chosenTab = tab;
    try {
      sessionStorage.setItem(this.tabKey, tab);
    } catch {
      // where the page may keep nothing, a reload begins with the panels
    }
    this.tellLook("");
    this.kick(true);
  }

  /** The models' own name is not told here, but that of their first chart is. */
  get tabKey() {
    return `monitorch-tab-${this.model.get("models")[0]?.fig ?? ""}`;
  }

  get rememberedTab() {
    try {
      return sessionStorage.getItem(this.tabKey) ?? PANELS_TAB;
    } catch {
      return PANELS_TAB;
    }
  }

  /** What a person looks at comes first. @param {string} key of a card */
  tellLook(key) {
    sendQuietly(this.model, { type: "look", tab: this.tab === PANELS_TAB ? "" : this.tab, key });
  }

  // -- what is asked for

  /** Something was asked of the run, or came of it: told at once, without a drawing; in a hidden page when it is seen. */
  onCommands() {
    if (document.hidden) return;
    for (const dash of this.dashes) dash.updateSteer();
  }

  onView() {
    for (const dash of this.dashes) dash.updateControls();
    this.kick(true);
  }

  /** See one name alone, or all again. @param {string} name */
  solo(name) {
    this.view.change({ solo: this.view.now.solo === name ? null : name });
  }

  /** Light up names in every panel and dim the rest; none lights all. @param {string[]} names */
  light(names) {
    if (names.length === this.litNames.size && names.every((name) => this.litNames.has(name))) return;
    this.litNames = new Set(names);
    for (const dash of this.dashes) dash.updateLight();
  }

  /** Which series of a panel are lit. @param {number} i @returns {Set<string>} */
  litIn(i) {
    const rows = this.charts[i]?.frame?.rows ?? [];
    const lit = (/** @type {Row} */ row) =>
      this.litNames.has(row.name) || this.litNames.has(this.names.owner(row.name) ?? "");
    const found = this.litNames.size ? rows.filter(lit) : [];
    return new Set(found.length < rows.length || rows.length === 1 ? found.map((row) => row.name) : []); // all is none
  }

  /** Leave only the heading of a panel, or open it again. @param {string} tag */
  foldPanel(tag) {
    if (!this.folded.delete(tag)) this.folded.add(tag);
    for (const dash of this.dashes) dash.updateControls();
    this.kick(true);
  }

  /** A panel has to be drawn anew, for its size has changed or it has come on screen. @param {number} i */
  touch(i) {
    this.touched[i]++;
    this.kick(true);
  }

  // -- what is drawn

  /** Names of a panel that are no modules. @param {number} i */
  freeNames(i) {
    return this.stores[i].series.filter((name) => this.names.isFree(name));
  }

  /** @param {number} i */
  isMap(i) {
    return this.view.now.mode === "map" && this.stores[i].series.some((name) => !this.names.isFree(name));
  }

  /** The rows of a panel as chosen in the picker, or the one that is seen alone. @param {number} i @returns {Row[]} */
  rowsOf(i) {
    const { shown } = this.view.now;
    const chosen = new Set(shown);
    const { series } = this.stores[i];
    const solo = this.soloIn(i);
    const alone = solo !== null;
    return series
      .map((name, column) => ({ name, column, colour: this.names.colourOf(name) }))
      .filter(({ name }) => {
        const owner = this.names.owner(name);
        if (alone) return name === solo || owner === solo || this.names.base(name) === solo;
        return owner === null || chosen.has(owner);
      })
      .sort((a, b) => this.names.order(a.name) - this.names.order(b.name));
  }

  /**
   * What a panel shows alone: the name that is seen alone, or its module where the panel knows no such call, output or
   * parameter; null where that name means nothing to it.
   * @param {number} i
   */
  soloIn(i) {
    const { solo } = this.view.now;
    const { series } = this.stores[i];
    if (solo === null || series.includes(solo)) return solo;
    if (series.every((name) => this.names.isFree(name))) return null;
    return this.names.isFree(solo) ? null : this.names.base(solo);
  }

  /** Hairlines of the x axis; kept until something is new, for the pointer asks for them at every move. */
  get marks() {
    const { x } = this.view.now;
    const steps = { first: this.firstStep, last: this.lastStep };
    const key = [x, steps.first, steps.last].join();
    if (key !== this.known.key || this.status !== this.known.status) {
      const marks = marksOf(this.status, x, steps, (step) => this.secondsAt(step));
      this.known = { key, status: this.status, marks };
    }
    return this.known.marks;
  }

  /** In the panel that has a reading nearest to the step. @param {number} step */
  secondsAt(step) {
    const found = this.stores.map((store) => store.secondsAt(step)).filter((second) => second === second);
    return found.length ? Math.max(...found) : NaN;
  }

  /**
   * Losses and metrics for the strip: newest value, and the course of what is kept at full detail. Of what is logged only
   * the losses: other names are there where they are asked for, as items.
   */
  headline() {
    return this.spec.panels.flatMap((panel, i) => {
      if (!HEADLINE_KINDS.includes(panel.kind)) return [];
      const columns = this.stores[i].series.map((name, column) => ({ name, column }));
      const some = panel.kind === "logged" ? columns.filter(({ name }) => isMainLoss(name, this.stores[i].series)) : columns;
      return some
        .slice(0, MOST_HEADLINES)
        .map(({ name, column }) => ({ name, ...this.stores[i].course(column, 40) }));
    });
  }

  /**
   * Draw soon.
   * @param {boolean} [urgent] a person asked for it
   */
  kick(urgent = false) {
    this.pace.ask(urgent);
  }

  /** @param {boolean} urgent */
  draw(urgent) {
    if (!this.isSeen) return;
    const snap = urgent || this.stillness.matches;
    this.setWidth();
    const unsettled = this.tab === PANELS_TAB && this.drawPanels(snap);
    this.drawn++;
    for (const dash of this.dashes) dash.updateStatus(this.drawn);
    if (unsettled) setTimeout(() => this.kick(), SETTLE_MS);
  }

  /** The panels on screen; whether some axis still moves. @param {boolean} snap */
  drawPanels(snap) {
    let unsettled = false;
    for (let i = 0; i < this.charts.length; i++) {
      const panels = [...this.dashes]
        .map((dash) => dash.panels[i])
        .filter((panel) => panel?.onScreen && !panel.element.hidden && !panel.isFolded);
      if (!panels.length) continue;
      for (const panel of panels) panel.makeRoom();
      if (panels.some((panel) => panel.plot.ready)) this.drawPanel(i, panels[0].plot.size, snap);
      for (const panel of panels) panel.updatePlot();
      unsettled ||= !this.charts[i].xDomain.settled || !this.charts[i].yDomain.settled;
    }
    return unsettled;
  }

  setWidth() {
    this.width = windowWidth(this.view.now, Math.max(1, this.lastStep - this.firstStep + 1));
  }

  /** @param {number} i @param {{width: number, height: number}} size @param {boolean} snap */
  drawPanel(i, size, snap) {
    const { now } = this.view;
    const spec = this.spec.panels[i];
    const store = this.stores[i];
    const chart = this.charts[i];
    const key = [
      store.version,
      now.seq,
      this.touched[i],
      this.status.epoch_marks?.length,
      now.x === "epoch" && this.lastStep,
    ].join();
    if (chart.overwritten) chart.recover();
    else if (key === this.keys[i] && chart.yDomain.settled && chart.xDomain.settled) return;
    this.keys[i] = key;
    this.drawings[i]++;
    const panel = now.panels[spec.tag];
    const sparse = HEADLINE_KINDS.includes(spec.kind);
    const rows = this.rowsOf(i);
    const isMap = this.isMap(i);
    const drawn = isMap ? { lines: [mainLine(panel)], bands: [], log: panel.log } : panel;
    const frame = makeFrame(this.gatherers[i], rows, drawn, isMap ? { ...now, smooth: 0 } : now, this.status, {
      width: this.width,
      sparse,
    });
    const options = {
      log: panel.log,
      snap,
      xKind: /** @type {'number'} */ ({ step: "whole", epoch: "number", seconds: "seconds" }[now.x]),
      ticks: { x: Math.max(2, Math.floor(size.width / 95)), y: Math.max(2, Math.floor(size.height / 42)) },
    };
    if (isMap)
      this.maps[i].draw(frame, mainLine(panel), { ...options, height: size.height - 32, columns: size.width - 130 });
    else chart.draw(frame, options);
  }

  close() {
    this.stopListening();
    for (const leave of this.leaveCharts) leave();
    this.whole.close();
    this.commands.close();
    this.pace.stop();
  }
}

/**
 * Whether a logged name is a loss of its own: not the epoch's mean of one that is there step by step.
 * @param {string} name @param {string[]} others
 */
function isMainLoss(name, others) {
  return /loss/i.test(name) && !(name.endsWith("_epoch") && others.includes(name.replace(/_epoch$/, "_step")));
}
