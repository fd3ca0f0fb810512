// @ts-check
// The lenses in use: each can be set and taken away, and others added.
import { h, icon, setText } from "./dom.js";
import { Field, chooser, drawerSection, setOptions, smallButton, withButton } from "./fields.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./types.js').Instrument} Instrument */
/** @typedef {import('./types.js').LensInfo} LensInfo */
/** @typedef {import('./types.js').Setting} Setting */

export class Lenses {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    /** @type {Map<string, LensCard>} */ this.cards = new Map();
    this.list = h("div", { class: "mw-lens-list" });
    this.offered = chooser("Lens to add", "mw-lens-offered");
    const add = smallButton("add", "mw-lens-add", () => this.add(), "Add the chosen lens with its defaults");
    this.element = drawerSection("Lenses", this.list, withButton(this.offered, add));
  }

  add() {
    if (this.offered.value) this.board.commands.send("add", { name: this.offered.value, arguments: {} });
  }

  /** @param {Instrument} instrument */
  update({ lenses, offered, types }) {
    const keys = keysOf(lenses);
    lenses.forEach((lens, i) => {
      const key = keys[i];
      const card = this.cards.get(key) ?? new LensCard(this.board);
      this.cards.set(key, card);
      card.update(lens, types);
      if (this.list.children[i] !== card.element) this.list.insertBefore(card.element, this.list.children[i] ?? null);
    });
    for (const key of [...this.cards.keys()].filter((known) => !keys.includes(known))) {
      this.cards.get(key)?.element.remove();
      this.cards.delete(key);
    }
    const used = new Set(lenses.map(({ name }) => name));
    setOptions(
      this.offered,
      offered.map(({ name }) => [name, used.has(name) ? `${name} (in use)` : name]),
    );
  }
}

/** The same lens has the same key while others come and go. @param {LensInfo[]} lenses */
function keysOf(lenses) {
  /** @type {Map<string, number>} */
  const seen = new Map();
  return lenses.map(({ name, tags }) => {
    const own = name === "Expression" ? `${name} ${tags[0]}` : name;
    const count = (seen.get(own) ?? 0) + 1;
    seen.set(own, count);
    return `${own} ${count}`;
  });
}

class LensCard {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.tag = "";
    /** @type {Map<string, Field>} */ this.fields = new Map();
    this.shape = "";
    this.name = h("b", {});
    this.panels = h("span", { class: "mw-lens-panels" });
    this.body = h("div", { class: "mw-lens-fields", hidden: true });
    this.head = h(
      "button",
      { type: "button", class: "mw-lens-head", "data-testid": "mw-lens-head", "aria-expanded": "false", onclick: () => this.flip() },
      icon("open"),
      h("span", { class: "mw-lens-words" }, this.name, this.panels),
    );
    this.remove = smallButton("remove", "mw-lens-remove", () => this.board.commands.send("remove", { tag: this.tag }));
    const top = h("div", { class: "mw-lens-top" }, this.head, this.remove);
    this.element = h("div", { class: "mw-lens", "data-testid": "mw-lens" }, top, this.body);
  }

  flip() {
    this.body.hidden = !this.body.hidden;
    this.head.setAttribute("aria-expanded", String(!this.body.hidden));
  }

  /** @param {LensInfo} lens @param {string[]} types */
  update({ name, tags, settings }, types) {
    this.tag = tags[0] ?? "";
    this.element.dataset.name = name;
    setText(this.name, name);
    const panels = tags.map((tag) => this.board.spec.panels.find((panel) => panel.tag === tag)?.title ?? tag).join(", ");
    setText(this.panels, panels);
    this.head.title = panels ? `${name}: ${panels}` : name;
    this.remove.hidden = !this.tag;
    this.remove.setAttribute("aria-label", `remove ${name}`);
    this.remove.title = "Take the lens away; what it has read stays in the history";
    this.setShape(settings.map(withKind), types);
    for (const { name: key, value } of settings) this.fields.get(key)?.update(value);
  }

  /** New fields only where other ones are needed: what is typed in the others stays. @param {Setting[]} settings @param {string[]} types */
  setShape(settings, types) {
    const shape = JSON.stringify([settings.map(({ name, kind }) => [name, kind]), types]);
    if (shape === this.shape) return;
    this.shape = shape;
    this.fields = new Map(settings.map(({ name, kind }) => [name, this.field(name, kind, types)]));
    const rank = (/** @type {Field} */ { kind }) => ["switch", "number", "text", "types", ""].indexOf(kind);
    const fields = [...this.fields.values()].sort((a, b) => rank(a) - rank(b));
    this.body.replaceChildren(...(fields.length ? fields.map(({ element }) => element) : ["Nothing to set from here."]));
  }

  /** @param {string} name @param {Setting['kind']} kind @param {string[]} types */
  field(name, kind, types) {
    const hint = name === "every" ? "as all lenses" : "";
    return new Field(
      name,
      kind,
      (value, settled) => this.board.commands.send("set", { tag: this.tag, arguments: { [name]: value } }, settled),
      { hint, types },
    );
  }
}

/** A stride is a number or a word, whatever it is now. @param {Setting} setting @returns {Setting} */
function withKind(setting) {
  return setting.name === "every" ? { ...setting, kind: "text" } : setting;
}
