// @ts-check
// The drawer with the instrument: what is collected and how, to be changed while training goes on. It stays as it is, with
// what is being typed, while the panels beside it come and go.
import { CollectBox, WatchBox } from "./collecting.js";
import { h, icon } from "./dom.js";
import { drawerSection, noteIn } from "./fields.js";
import { Lenses } from "./lenses.js";
import { whyDeaf } from "./loop.js";
import { PaceFields, RefreshField } from "./pacing.js";
import { Rates } from "./rates.js";

/** @typedef {import('./board.js').Board} Board */

export class Drawer {
  /** @param {Board} board @param {string} id */
  constructor(board, id) {
    this.board = board;
    this.button = h(
      "button",
      {
        type: "button",
        class: "mw-button",
        "data-testid": "mw-instrument",
        "aria-haspopup": "dialog",
        "aria-expanded": "false",
        "aria-controls": id,
        "aria-label": "instrument",
        title: "What is collected, and how",
        onclick: () => (this.box.hidden ? this.open() : this.close()),
      },
      icon("instrument"),
      h("span", { class: "mw-button-word" }, "instrument"),
    );
    this.lenses = new Lenses(board);
    this.watch = new WatchBox(board);
    this.collect = new CollectBox(board);
    this.pace = new PaceFields(board);
    this.refresh = new RefreshField(board);
    this.rates = new Rates(board);
    this.note = h("p", { class: "mw-note mw-deaf", hidden: true });
    const often = drawerSection("How often", ...this.pace.elements, this.refresh.element);
    const [lenses, watch, collect, rates] = [this.lenses, this.watch, this.collect, this.rates].map(({ element }) => element);
    const parts = [lenses, watch, collect, often, rates];
    this.fields = /** @type {HTMLFieldSetElement} */ (h("fieldset", { class: "mw-drawer-fields" }, ...parts));
    this.box = this.makeBox(id);
    this.element = h("div", { class: "mw-drawer-layer" }, this.box);
    this.elsewhere = (/** @type {Event} */ event) => {
      if (!event.composedPath().some((place) => this.keepsOpen(place))) this.close();
    };
  }

  /** @param {string} id */
  makeBox(id) {
    const shut = h(
      "button",
      { type: "button", class: "mw-icon-button", "data-testid": "mw-drawer-close", "aria-label": "Close", title: "Close (Esc)", onclick: () => this.leave() },
      icon("close"),
    );
    const head = h("div", { class: "mw-drawer-head" }, h("h3", {}, "Instrument"), shut);
    const box = h(
      "div",
      { id, class: "mw-drawer", role: "dialog", "aria-label": "Instrument", "data-testid": "mw-drawer", tabindex: "-1", hidden: true },
      head,
      h("div", { class: "mw-drawer-body" }, this.note, this.fields),
    );
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.leave();
    });
    return box;
  }

  /** The strip says what has come of a change, the list what can be collected. @param {EventTarget} place */
  keepsOpen(place) {
    if (place === this.box || place === this.button) return true;
    return place instanceof Element && place.matches(".mw-strip, .mw-side") && this.element.parentElement?.contains(place) === true;
  }

  open() {
    this.box.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", this.elsewhere, true);
    this.update();
    this.box.focus({ preventScroll: true }); // the next Tab goes into it
  }

  close() {
    this.box.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", this.elsewhere, true);
  }

  /** Close, and give the focus back. */
  leave() {
    this.close();
    this.button.focus();
  }

  update() {
    const { instrument, learning_rates: rates } = this.board.status;
    this.button.hidden = !instrument;
    if (this.box.hidden || !instrument) return;
    const why = whyDeaf(this.board);
    this.fields.disabled = Boolean(why);
    noteIn(this.note, why && `${why}: nothing can be changed here.`);
    for (const part of [this.lenses, this.watch, this.collect, this.pace, this.refresh]) part.update(instrument);
    this.rates.update(rates, instrument.nudges);
  }
}
