// @ts-check
// The tab "Performance": what watching costs, how often it listens and tells the page, and what is written down beside it.
// Everything that can be changed lies in the first row, so that cards which come later move none of it.
import { fillFacts } from "./acts.js";
import { measured } from "./costs.js";
import { CostTable } from "./costtable.js";
import { h, setText } from "./dom.js";
import { noteIn } from "./fields.js";
import { bytesText, countText, percentText } from "./format.js";
import { whyDeaf } from "./loop.js";
import { PaceFields, RefreshField, explained, refreshRate } from "./pacing.js";
import { WriterFields } from "./writerfields.js";

/** @typedef {import('./board.js').Board} Board */

const TICK_MS = 1000; // between two looks at the clock while nothing comes
const ROOM = 1.5; // times the budget that the bar has room for
/** Cards that come with the first steps: key, title, words until then. @type {[string, string, string][]} */
const COMING = [
  ["timing", "Time of a step", "What a step spends on data, forward, backward and optimizer appears with the first steps."],
  ["memory", "Memory", "What the process and the devices hold appears with the first steps."],
];

export class PerformancePane {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.timer = 0;
    this.cost = new CostCard(board);
    this.pace = new PaceFields(board);
    this.refresh = new RefreshField(board);
    this.writers = new WriterFields(board);
    this.note = h("p", { class: "mw-note mw-deaf", hidden: true });
    this.facts = h("dl", { class: "mw-card-facts", "data-testid": "mw-page-facts" });
    /** @type {HTMLFieldSetElement[]} */ this.fieldsets = [];
    const often = this.section("often", "How often", this.note, this.fields(...this.pace.explained));
    const rate = explained(this.refresh.element, "What you ask for, at most. The budget, a slow page or a full wire make it fewer, and no queue grows.");
    const page = this.section("page", "This page", this.fields(rate), this.facts);
    this.first = [this.cost.element, often, page];
    this.last = this.section("writers", "Written down", this.fields(this.writers.element), this.writers.none);
    this.coming = new Map(COMING.map(([key, title, words]) => [key, this.placeholder(key, title, words)]));
  }

  /** @param {string} key @param {string} title @param {...HTMLElement} parts */
  section(key, title, ...parts) {
    const head = h("header", { class: "mw-card-head" }, h("h3", {}, title));
    return h("section", { class: "mw-card", "data-testid": "mw-perf", "data-part": key, "aria-label": title }, head, ...parts);
  }

  /** @param {...HTMLElement} parts */
  fields(...parts) {
    const fieldset = /** @type {HTMLFieldSetElement} */ (h("fieldset", { class: "mw-drawer-fields" }, ...parts));
    this.fieldsets.push(fieldset);
    return fieldset;
  }

  /** @param {string} key @param {string} title @param {string} words */
  placeholder(key, title, words) {
    return this.section(key, title, h("p", { class: "mw-card-none" }, words));
  }

  /** Everything under the tab, in its order. @param {Map<string, HTMLElement>} cards by key */
  arranged(cards) {
    const coming = [...this.coming].map(([key, empty]) => cards.get(key) ?? empty);
    const others = [...cards].filter(([key]) => !this.coming.has(key)).map(([, element]) => element);
    return [...this.first, ...coming, this.last, ...others];
  }

  /** The tab is in sight. */
  draw() {
    this.cost.update();
    this.look();
    this.tell();
    if (!this.timer) this.timer = window.setInterval(() => document.hidden || this.tell(), TICK_MS);
  }

  /** What can be changed, and why not. */
  look() {
    const { instrument, writers } = this.board.status;
    const why = whyDeaf(this.board) || (instrument ? "" : "The notebook was saved by an older version");
    for (const fieldset of this.fieldsets) {
      fieldset.disabled = Boolean(why);
      fieldset.title = why;
    }
    noteIn(this.note, why && `${why}: nothing can be changed here.`);
    this.writers.update(writers ?? []);
    if (!instrument) return;
    this.pace.update(instrument);
    this.refresh.update(instrument);
  }

  /** How the page keeps up. */
  tell() {
    const { traffic, answers, status, kernelGone } = this.board;
    const asked = refreshRate(status.instrument);
    const flows = !kernelGone && ["live", "paused", "fault"].includes(status.state);
    const { updates, bytes } = flows ? traffic.rates(asked) : { updates: NaN, bytes: NaN };
    const got = countText(answers.got);
    fillFacts(this.facts, [
      ["updates now", updates === updates ? `${updates.toFixed(1)} a second` : "–"],
      ["newest data", ageText(traffic.age_s)],
      ["bytes a second", bytes === bytes ? bytesText(bytes) : "–"],
      ["messages", answers.got ? got : "–"],
      ["acknowledged", answers.got ? ackText(traffic.heard) : "–"],
    ]);
  }

  /** The tab is out of sight. */
  rest() {
    clearInterval(this.timer);
    this.timer = 0;
  }
}

/** What watching costs, beside its budget, and by lens. */
class CostCard {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.figure = h("b", { class: "mw-perf-figure", "data-testid": "mw-perf-figure" });
    this.budget = h("span", { class: "mw-perf-budget" });
    this.words = h("span", { class: "mw-perf-of" });
    const line = h("div", { class: "mw-perf-line" }, h("span", {}, "costs"), this.figure, this.words, this.budget);
    this.fill = h("i", {});
    this.mark = h("span", { class: "mw-perf-mark" });
    const meter = { class: "mw-perf-bar", role: "meter", "aria-label": "Cost beside its budget", "aria-valuemin": "0", "data-testid": "mw-perf-bar" };
    this.bar = h("div", meter, this.fill, this.mark);
    this.table = new CostTable("mw-perf-words");
    const head = h("header", { class: "mw-card-head" }, h("h3", {}, "What watching costs"));
    const given = { class: "mw-card", "data-testid": "mw-perf", "data-part": "cost", "aria-label": "What watching costs" };
    this.element = h("section", given, head, line, this.bar, this.table.element);
  }

  update() {
    const overhead = measured(this.board.status.overhead) ?? { fraction: null, max_fraction: null, every_steps: [0, 0], costs: [] };
    const { fraction, max_fraction: budget } = overhead;
    setText(this.figure, percentText(fraction));
    setText(this.words, fraction === null ? "not measured yet" : "of the training time");
    setText(this.budget, budget === null ? "" : `budget ${percentText(budget)}`);
    this.drawBar(fraction, budget);
    this.table.element.hidden = !overhead.costs.length;
    this.table.fill(/** @type {import('./types.js').Overhead} */ (overhead));
  }

  /** @param {number | null} fraction @param {number | null} budget */
  drawBar(fraction, budget) {
    const whole = budget === null ? Math.max(0.1, fraction ?? 0) : ROOM * budget;
    const share = (/** @type {number} */ part) => `${(100 * Math.min(part / whole, 1)).toFixed(1)}%`;
    this.fill.style.width = share(fraction ?? 0);
    this.mark.hidden = budget === null;
    this.mark.style.left = share(budget ?? 0);
    this.bar.toggleAttribute("data-over", budget !== null && (fraction ?? 0) > budget);
    this.bar.setAttribute("aria-valuemax", String(whole));
    this.bar.setAttribute("aria-valuenow", String(Math.min(fraction ?? 0, whole)));
    this.bar.setAttribute("aria-valuetext", budget === null ? percentText(fraction) : `${percentText(fraction)} of ${percentText(budget)}`);
  }
}

/** @param {number} heard */
function ackText(heard) {
  return heard ? `up to ${countText(heard)}` : "none yet";
}

/** @param {number} seconds */
function ageText(seconds) {
  if (seconds !== seconds) return "–";
  if (seconds < 99.5) return `${seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s ago`;
  return seconds < 5970 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}
