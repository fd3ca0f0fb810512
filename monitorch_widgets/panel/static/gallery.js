// @ts-check
// Pictures of one name: the newest large, older ones a step back. Each is a Blob with a URL as long as it is on display.
import { StateChip, cardBox } from "./acts.js";
import { h, icon, setText } from "./dom.js";
import { countText, counted } from "./format.js";
import { saveBlob } from "./export.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./cards.js').Card} Card */

/**
 * @typedef {{
 *   step: number, epoch: number, mime: string, buffer: number, width: number, height: number, caption: string,
 * }} GalleryItem
 */

const SMALL_PX = 160; // below that it is shown larger than it is, pixel by pixel

export class Gallery {
  /** @param {Board} board @param {string} key */
  constructor(board, key) {
    this.board = board;
    this.stale = false;
    /** @type {Card | null} */ this.card = null;
    /** @type {GalleryItem[]} */ this.items = [];
    /** Step of what is on display; null for the newest. @type {number | null} */ this.chosen = null;
    this.shown = ""; // name of the picture on display
    this.url = "";
    this.title = h("h3", {});
    this.image = /** @type {HTMLImageElement} */ (h("img", { class: "mw-picture", "data-testid": "mw-picture", alt: "" }));
    this.frame = h("div", { class: "mw-picture-frame" }, this.image);
    this.caption = h("p", { class: "mw-card-words", "data-testid": "mw-picture-caption" });
    this.where = h("p", { class: "mw-picture-where", "data-testid": "mw-picture-step" });
    this.slider = /** @type {HTMLInputElement} */ (
      h("input", {
        type: "range",
        class: "mw-range",
        min: "0",
        step: "1",
        "data-testid": "mw-picture-slider",
        "aria-label": "Step",
        oninput: () => this.go(Number(this.slider.value)),
      })
    );
    this.back = this.button("Older", "mw-picture-older", "closed", () => this.go(this.at - 1));
    this.forth = this.button("Newer", "mw-picture-newer", "closed", () => this.go(this.at + 1));
    this.back.classList.add("mw-turned");
    this.save = h("button", { type: "button", class: "mw-button", "data-testid": "mw-picture-save", onclick: () => this.keep() }, "save PNG");
    const bar = h("div", { class: "mw-picture-bar" }, this.back, this.slider, this.forth, this.save);
    this.element = cardBox(key, new StateChip(), this.title, this.frame, bar, this.where, this.caption);
  }

  /** @param {string} name @param {string} testid @param {'closed'} shape @param {() => void} onclick */
  button(name, testid, shape, onclick) {
    const given = { type: "button", class: "mw-icon-button", "data-testid": testid, "aria-label": name, title: name, onclick };
    return h("button", given, icon(shape));
  }

  /** Place of what is on display. */
  get at() {
    if (this.chosen === null) return this.items.length - 1;
    const found = this.items.findIndex(({ step }) => step >= /** @type {number} */ (this.chosen));
    return found < 0 ? this.items.length - 1 : found;
  }

  /** @param {number} place */
  go(place) {
    const at = Math.min(Math.max(place, 0), this.items.length - 1);
    this.chosen = at === this.items.length - 1 ? null : this.items[at].step;
    this.show();
  }

  /** @param {Card} card */
  draw(card) {
    this.card = card;
    /** @type {GalleryItem[]} */
    const all = [...(card.content.items ?? [])].sort((a, b) => a.step - b.step);
    this.items = all.filter(({ buffer }) => card.buffers[buffer]);
    this.missing = all.length - this.items.length;
    setText(this.title, card.title);
    this.element.ariaLabel = card.title;
    this.show();
  }

  show() {
    const item = this.items[this.at];
    this.frame.classList.toggle("mw-no-picture", !item);
    this.image.hidden = !item;
    this.slider.max = String(Math.max(this.items.length - 1, 0));
    this.slider.value = String(this.at);
    for (const part of [this.back, this.slider, this.forth]) part.hidden = this.items.length < 2;
    this.back.ariaDisabled = String(this.at <= 0);
    this.forth.ariaDisabled = String(this.at >= this.items.length - 1);
    this.save.hidden = !item;
    if (!item) return setText(this.where, "No picture came with this copy of the notebook");
    this.place(item);
    const epoch = item.epoch > 0 ? ` · epoch ${countText(item.epoch)}` : "";
    const left = this.missing ? ` · ${counted(this.missing, "older one")} not kept here` : "";
    const words = `step ${countText(item.step)}${epoch}${this.chosen === null ? " · newest" : ""}${left}`;
    setText(this.where, words);
    this.slider.setAttribute("aria-valuetext", words);
    setText(this.caption, item.caption ?? "");
    this.caption.hidden = !item.caption;
  }

  /** @param {GalleryItem} item */
  place(item) {
    const id = this.card?.ids[item.buffer] ?? "";
    if (id === this.shown) return;
    this.shown = id;
    URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(this.blobOf(item));
    const scale = Math.max(1, Math.floor((2 * SMALL_PX) / Math.max(item.width, item.height, 1)));
    const small = Math.max(item.width, item.height) < SMALL_PX;
    this.image.classList.toggle("mw-pixels", small);
    this.image.width = item.width * (small ? scale : 1);
    this.image.height = item.height * (small ? scale : 1);
    this.image.src = this.url;
    this.image.alt = `${this.card?.title ?? ""}, step ${item.step}`;
  }

  /** @param {GalleryItem} item */
  blobOf(item) {
    const bytes = this.card?.buffers[item.buffer] ?? new Uint8Array();
    return new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (bytes)], { type: item.mime });
  }

  keep() {
    const item = this.items[this.at];
    const name = (this.card?.content.name ?? "picture").toLowerCase().replace(/[^a-z0-9]+/g, "-");
    if (item) saveBlob(this.blobOf(item), `${name}-${item.step}.png`);
  }

  close() {
    URL.revokeObjectURL(this.url);
  }
}
