// @ts-check
// What lies behind the tabs: the cards of one tab at a time, each drawn by the view for its kind.
import { PANELS_TAB, PERFORMANCE_TAB } from "./cards.js";
import { Gallery } from "./gallery.js";
import { LrCurve } from "./lrcurve.js";
import { PerformancePane } from "./performancepane.js";
import { Report } from "./report.js";
import { Tensors } from "./tensors.js";
import { h } from "./dom.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./cards.js').Card} Card */
/** @typedef {Report | Gallery | LrCurve} CardView */

/** @type {Record<string, (board: Board, key: string) => CardView>} */
const VIEWS = {
  report: (board, key) => new Report(board, key),
  gallery: (board, key) => new Gallery(board, key),
  lr: (board, key) => new LrCurve(board, key),
};
const HISTOGRAM = "histogram";

export class Panes {
  /** @param {Board} board @param {string} id */
  constructor(board, id) {
    this.board = board;
    /** @type {Map<string, {view: CardView, kind: string, version: number}>} */ this.views = new Map();
    this.tensors = new Tensors(board);
    this.performance = new PerformancePane(board);
    this.grid = h("div", { class: "mw-cards" });
    this.element = h("div", { id, class: "mw-pane", role: "tabpanel", "data-testid": "mw-pane", hidden: true }, this.tensors.element, this.grid);
  }

  /** Draw the cards of the tab in sight, where they are new. */
  draw() {
    const { tab, cards } = this.board;
    this.element.hidden = tab === PANELS_TAB;
    this.element.dataset.tab = tab;
    this.element.ariaLabel = tab;
    this.forget();
    if (tab !== PERFORMANCE_TAB) this.performance.rest();
    if (this.element.hidden) return;
    const here = cards.inTab(tab);
    const tensors = here.filter(({ kind }) => kind === HISTOGRAM);
    const others = here.filter(({ kind }) => kind !== HISTOGRAM && kind in VIEWS);
    this.tensors.element.hidden = !tensors.length;
    this.grid.hidden = !others.length && tab !== PERFORMANCE_TAB;
    if (tensors.length) this.tensors.draw(tensors);
    this.arrange(others);
    for (const card of others) this.drawCard(card);
    if (tab === PERFORMANCE_TAB) this.performance.draw();
  }

  /** @param {Card[]} cards */
  arrange(cards) {
    const own = new Map(cards.map((card) => [card.key, this.viewOf(card).view.element]));
    const elements = this.board.tab === PERFORMANCE_TAB ? this.performance.arranged(own) : [...own.values()];
    const same = elements.length === this.grid.childElementCount && elements.every((element, i) => this.grid.children[i] === element);
    if (!same) this.grid.replaceChildren(...elements);
  }

  /** @param {Card} card */
  drawCard(card) {
    const shown = this.viewOf(card);
    if (shown.version === card.version && !shown.view.stale) return;
    shown.version = card.version;
    shown.view.stale = false;
    shown.view.draw(card);
  }

  /** @param {Card} card */
  viewOf({ key, kind }) {
    let shown = this.views.get(key);
    if (shown && shown.kind !== kind) this.close(key);
    shown = this.views.get(key);
    if (!shown) this.views.set(key, (shown = { view: VIEWS[kind](this.board, key), kind, version: -1 }));
    return shown;
  }

  /** Let go of what is gone. */
  forget() {
    for (const key of this.views.keys()) if (!this.board.cards.all.has(key)) this.close(key);
  }

  /** Whether something can be asked for now. */
  look() {
    if (this.element.hidden) return;
    this.tensors.look();
    if (this.board.tab === PERFORMANCE_TAB) this.performance.look();
    for (const { view } of this.views.values()) if ("acts" in view) view.acts.look();
  }

  /** @param {string} key */
  close(key) {
    const shown = this.views.get(key);
    shown?.view.close();
    shown?.view.element.remove();
    this.views.delete(key);
  }

  closeAll() {
    this.tensors.close();
    this.performance.rest();
    for (const key of [...this.views.keys()]) this.close(key);
  }
}
