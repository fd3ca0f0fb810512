// @ts-check
// What is not watched: below the list of modules, folded until somebody asks, in groups of one reason.
import { h, icon, setText } from "./dom.js";
import { countText } from "./format.js";

/** @typedef {import('./types.js').ModuleInfo} ModuleInfo */

export class Unwatched {
  /** @param {string} id of the list */
  constructor(id) {
    /** @type {ModuleInfo[]} */ this.modules = [];
    this.key = "[]";
    /** @type {(module: ModuleInfo) => boolean} */ this.matches = () => true;
    this.word = h("span", {});
    this.head = h(
      "button",
      {
        type: "button",
        class: "mw-unwatched-head",
        "data-testid": "mw-unwatched-head",
        "aria-expanded": "false",
        "aria-controls": id,
        title: "Modules of which nothing is read, and why",
        onclick: () => this.flip(),
      },
      h("span", { class: "mw-unwatched-fold" }, icon("open")),
      this.word,
    );
    this.list = h("div", {
      id,
      class: "mw-unwatched-list",
      "data-testid": "mw-unwatched-list",
      role: "region",
      "aria-label": "Modules that are not watched, and why",
      tabindex: "0", // so that the keyboard can scroll it
      hidden: true,
    });
    this.element = h("div", { class: "mw-unwatched", "data-testid": "mw-unwatched", hidden: true }, this.head, this.list);
  }

  flip() {
    this.list.hidden = !this.list.hidden;
    this.head.setAttribute("aria-expanded", String(!this.list.hidden));
  }

  /** @param {ModuleInfo[]} modules as the status has them now */
  update(modules) {
    if (modules === this.modules) return;
    const key = JSON.stringify(modules);
    this.modules = modules;
    if (key === this.key) return; // the whole state was sent again: stay where it was scrolled to
    this.key = key;
    this.fill();
  }

  /** Only those that a search finds. @param {(module: ModuleInfo) => boolean} matches */
  filter(matches) {
    this.matches = matches;
    this.fill();
  }

  fill() {
    const found = this.modules.filter(this.matches);
    const count = countText(this.modules.length);
    const some = found.length < this.modules.length ? `${countText(found.length)} of ${count}` : count;
    setText(this.word, `Not watched (${some})`);
    this.element.hidden = this.modules.length === 0;
    this.list.replaceChildren(...byReason(found).flatMap(([reason, modules]) => section(reason, modules)));
  }
}

/** In the order in which reasons first come. @param {ModuleInfo[]} modules @returns {[string, ModuleInfo[]][]} */
function byReason(modules) {
  /** @type {Map<string, ModuleInfo[]>} */
  const groups = new Map();
  for (const module of modules) groups.set(module.note, [...(groups.get(module.note) ?? []), module]);
  return [...groups];
}

/** A name that may go on in the next line after a dot. @param {string} name @returns {(Node | string)[]} */
function breakable(name) {
  return name.split(/(?<=\.)/).flatMap((part, i) => (i ? [document.createElement("wbr"), part] : [part]));
}

/** @param {string} reason @param {ModuleInfo[]} modules */
function section(reason, modules) {
  const items = modules.map(({ name, type }) =>
    h(
      "li",
      { class: "mw-unwatched-item", "data-testid": "mw-unwatched-item", "data-name": name, title: `${name}: ${type}\n${reason}` },
      h("span", {}, ...breakable(name)),
      " ",
      h("small", {}, type),
    ),
  );
  return [h("p", { class: "mw-reason" }, reason || "no reason given"), h("ul", {}, ...items)];
}
