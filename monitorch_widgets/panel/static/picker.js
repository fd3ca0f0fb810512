// @ts-check
// The module picker: the model's tree, a search box, kinds, all, none, invert.
import { h, icon, press, setText, toggle } from "./dom.js";
import { KINDS, SHOWN_AT_FIRST, allOrSome, grow, matcher } from "./tree.js";
import { Unwatched } from "./unwatched.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./tree.js').Branch} Branch */
/** @typedef {import('./types.js').ModuleInfo} ModuleInfo */

const ROW_PX = 22;
const LEAST_ROWS = 5; // of the tree stay in sight, whatever else is open

export class Picker {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.modules = board.spec.modules;
    /** @type {Map<string, HTMLElement>} name to its row */ this.rows = new Map();
    /** @type {{list: HTMLElement, open: HTMLElement}[]} */ this.folds = [];
    /** @type {Map<string, string[]>} name to all that its box shows and hides */ this.together = new Map();
    /** @type {Map<string, {element: HTMLElement, check: HTMLInputElement, names: string[]}>} */ this.groups =
      new Map();
    /** @type {Map<string, HTMLElement>} */ this.kinds = new Map();
    this.search = /** @type {HTMLInputElement} */ (
      h("input", {
        type: "search",
        class: "mw-search",
        "data-testid": "mw-search",
        placeholder: "Search: conv*, norm",
        "aria-label": "Search modules by name or type; Enter shows only the matches",
        autocomplete: "off",
        spellcheck: "false",
        title: "Part of a name or type, or a pattern with *; matching lines light up, Enter shows only them",
        oninput: () => this.onSearch(),
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.onKey(event),
      })
    );
    this.count = h("span", { class: "mw-count", "data-testid": "mw-count", role: "status" });
    this.list = h("div", { class: "mw-tree", "data-testid": "mw-tree", role: "group", "aria-label": "Modules" });
    this.nothing = h("div", { class: "mw-nothing", hidden: true }, "No module matches.");
    this.unwatched = new Unwatched(`${board.id}-unwatched`);
    this.element = h(
      "div",
      { class: "mw-picker", id: `${board.id}-picker`, role: "region", "aria-label": "Modules" },
      h("div", { class: "mw-search-box" }, icon("search"), this.search),
      this.kindChips(),
      this.list,
      this.unwatched.element,
      this.foot(),
    );
    const tree = grow(this.modules, (name) => board.names.base(name));
    this.list.style.minHeight = `${Math.min(this.modules.length + 1, LEAST_ROWS) * ROW_PX}px`;
    this.list.append(...tree.map((branch) => this.branch(branch, 0)), this.nothing);
    this.update();
    this.updateStatus();
  }

  kindChips() {
    const chips = KINDS.filter(([kind]) => this.modules.some((module) => module.kind === kind)).map(([kind, word]) => {
      const title = `Show or hide all ${word} modules`;
      const chip = toggle(word, { testid: `mw-kind-${kind}`, title, onclick: () => this.flipKind(kind) });
      this.kinds.set(kind, chip);
      return chip;
    });
    return h("div", { class: "mw-kinds", role: "group", "aria-label": "Kinds of modules" }, ...chips);
  }

  foot() {
    const act = (/** @type {string} */ label, /** @type {string} */ title, /** @type {() => void} */ onclick) =>
      h("button", { type: "button", class: "mw-link", "data-testid": `mw-${label}`, title, onclick }, label);
    return h(
      "div",
      { class: "mw-picker-foot" },
      this.count,
      h(
        "span",
        { class: "mw-acts" },
        act("all", "Show all modules of this list", () => this.show((names) => names)),
        act("none", "Hide all modules of this list", () => this.show(() => [])),
        act("invert", "Show what is hidden, hide what is shown", () =>
          this.show((names) => names.filter((name) => !this.shown.has(name))),
        ),
      ),
    );
  }

  /** @param {Branch} branch @param {number} level @returns {HTMLElement} */
  branch(branch, level) {
    const own = branch.module ? this.row(branch.module, branch.label, level, branch.further) : null;
    if (!branch.children.length && !branch.further.length && own) return own;
    const inner = h(
      "div",
      { class: "mw-branch-inner" },
      ...branch.children.map((child) => this.branch(child, level + 1)),
    );
    const head = own ?? this.group(branch, level, inner);
    const further = own && branch.further.length ? this.further(branch, level, own) : null;
    const whole = h("div", { class: "mw-branch" }, head, further, inner);
    this.groups.get(branch.path) ??
      this.groups.set(branch.path, { element: whole, check: document.createElement("input"), names: branch.modules });
    return whole;
  }

  /** @param {Branch} branch @param {number} level @param {HTMLElement} inner */
  group(branch, level, inner) {
    const check = checkbox(`Show all of ${branch.path}`, () => this.showThese(branch.modules, check.checked));
    const fold = h(
      "button",
      {
        type: "button",
        class: "mw-fold",
        "aria-expanded": "true",
        "aria-label": `Fold ${branch.path}`,
        onclick: () => {
          inner.hidden = !inner.hidden;
          fold.setAttribute("aria-expanded", String(!inner.hidden));
        },
      },
      icon("open"),
    );
    const name = h(
      "button",
      { type: "button", class: "mw-group-name", tabindex: "-1", title: branch.path, onclick: () => fold.click() },
      branch.label,
    );
    const head = h(
      "div",
      { class: "mw-group", "data-testid": "mw-group", "data-path": branch.path, style: indent(level) },
      fold,
      check,
      name,
    );
    head.addEventListener("pointerenter", () => this.board.light(branch.modules));
    head.addEventListener("pointerleave", () => this.board.light(this.found()));
    this.groups.set(branch.path, { element: head, check, names: branch.modules });
    return head;
  }

  /**
   * Later calls and further outputs of a module: folded away behind their number, at the end of its row.
   * @param {Branch} branch @param {number} level @param {HTMLElement} row
   */
  further(branch, level, row) {
    const list = h(
      "div",
      { class: "mw-branch-inner", hidden: true },
      ...branch.further.map(({ module, label }) => this.row(/** @type {ModuleInfo} */ (module), label, level + 1, [])),
    );
    const what = `${branch.further.length} more calls and outputs of ${branch.path}`;
    const open = h(
      "button",
      {
        type: "button",
        class: "mw-further",
        "data-testid": "mw-further",
        "aria-expanded": "false",
        "aria-label": what,
        title: what,
        onclick: () => {
          list.hidden = !list.hidden;
          open.setAttribute("aria-expanded", String(!list.hidden));
        },
      },
      `+${branch.further.length}`,
    );
    row.append(open);
    this.folds.push({ list, open });
    return list;
  }

  /** @param {ModuleInfo} module @param {string} label @param {number} level @param {Branch[]} further its calls and outputs */
  row(module, label, level, further) {
    const names = [module.name, ...further.map(({ path }) => path)];
    const check = checkbox(`Show ${module.name}`, () => this.showThese(names, check.checked));
    check.setAttribute("data-testid", "mw-check");
    const name = h(
      "button",
      {
        type: "button",
        class: "mw-name",
        "data-testid": "mw-name",
        "aria-pressed": "false",
        title: `${module.name}: ${module.type}${module.note ? `\n${module.note}` : ""}\nClick to see it alone`,
        onclick: () => this.board.solo(module.name),
        onfocus: () => this.board.light(names),
        onblur: () => this.board.light(this.found()),
      },
      h("span", { class: "mw-name-text" }, label),
      h("span", { class: "mw-type" }, module.type),
    );
    const swatch = h("i", { class: "mw-swatch", style: `background:${this.board.names.colourOf(module.name)}` });
    const row = h(
      "div",
      { class: "mw-module", "data-testid": "mw-module", "data-name": module.name, style: indent(level) },
      check,
      swatch,
      name,
    );
    row.addEventListener("pointerenter", () => this.board.light(names));
    row.addEventListener("pointerleave", () => this.board.light(this.found()));
    this.rows.set(module.name, row);
    this.together.set(module.name, names);
    return row;
  }

  get shown() {
    return new Set(this.board.view.now.shown);
  }

  /** Modules of the list as it is searched now. */
  listed() {
    return this.modules.filter(matcher(this.search.value)).map((module) => module.name);
  }

  /** What the search has found and lights; nothing without a search. */
  found() {
    return this.search.value.trim() ? this.listed() : [];
  }

  onSearch() {
    const listed = new Set(this.listed());
    for (const [name, row] of this.rows) row.hidden = !listed.has(name);
    for (const { element, names } of this.groups.values()) element.hidden = !names.some((name) => listed.has(name));
    const speaksOfCalls = /[#[]/.test(this.search.value);
    for (const { list, open } of this.folds)
      list.hidden = open.getAttribute("aria-expanded") !== "true" && !speaksOfCalls;
    this.nothing.hidden = listed.size > 0;
    this.unwatched.filter(matcher(this.search.value));
    this.board.light(this.found());
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    event.stopPropagation(); // JupyterLab has shortcuts of its own
    if (event.key === "Escape") this.search.value = "";
    if (event.key === "Escape") this.onSearch();
    if (event.key === "Enter" && this.search.value.trim()) this.setShown(this.listed());
  }

  /** @param {(names: string[]) => string[]} choose among the listed names */
  show(choose) {
    const listed = this.listed();
    const others = [...this.shown].filter((name) => !listed.includes(name));
    this.setShown([...others, ...choose(listed)]);
  }

  /** @param {string[]} names @param {boolean} on */
  showThese(names, on) {
    const shown = this.shown;
    for (const name of names) on ? shown.add(name) : shown.delete(name);
    this.setShown([...shown]);
  }

  /** @param {string} kind */
  flipKind(kind) {
    const listed = new Set(this.listed());
    const names = this.modules
      .filter((module) => module.kind === kind && listed.has(module.name))
      .map((module) => module.name);
    this.showThese(names, allOrSome(names, this.shown) !== true);
  }

  /** Always in model order; what a person asks for by a set is not seen alone any more. @param {string[]} names */
  setShown(names) {
    const wanted = new Set(names);
    this.board.view.change({
      shown: this.modules.map((module) => module.name).filter((name) => wanted.has(name)),
      solo: null,
    });
  }

  update() {
    const { shown, solo } = this.board.view.now;
    const set = new Set(shown);
    for (const [name, row] of this.rows) {
      const check = /** @type {HTMLInputElement} */ (row.querySelector("input"));
      const state = allOrSome(this.together.get(name) ?? [name], set);
      check.checked = state === true;
      check.indeterminate = state === "mixed";
      row.classList.toggle("mw-off", !set.has(name));
      row.classList.toggle("mw-solo", solo === name);
      press(/** @type {Element} */ (row.querySelector(".mw-name")), solo === name);
    }
    for (const { check, names } of this.groups.values()) {
      const state = allOrSome(names, set);
      check.checked = state === true;
      check.indeterminate = state === "mixed";
    }
    for (const [kind, chip] of this.kinds) {
      press(
        chip,
        allOrSome(
          this.modules.filter((module) => module.kind === kind).map((module) => module.name),
          set,
        ),
      );
    }
    this.updateCount(shown);
  }

  updateStatus() {
    this.unwatched.update(this.board.status.unwatched);
  }

  /** @param {string[]} shown */
  updateCount(shown) {
    const first = this.board.isFirstChoice && shown.length < this.modules.length;
    const some = shown.length === SHOWN_AT_FIRST; // else every module, and only further calls and outputs are left out
    setText(this.count, `${shown.length} of ${this.modules.length}`);
    this.count.title = !first
      ? "modules shown"
      : some
        ? `${SHOWN_AT_FIRST} modules spread over the depth are shown at first`
        : "Every module is shown at first, without its further calls and outputs";
    this.count.classList.toggle("mw-first", first);
    if (first) this.count.append(h("small", {}, some ? ", spread over depth" : ", first calls"));
  }
}

/** @param {number} level */
function indent(level) {
  return `padding-left:${level * 12}px`;
}

/** @param {string} label @param {() => void} onchange @returns {HTMLInputElement} */
function checkbox(label, onchange) {
  return /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", "aria-label": label, onchange }));
}
