// @ts-check
// Fields of the instrument: each sends its value when it is done with, not at each key, and keeps what is being typed
// whatever the status says meanwhile.
import { h, setText } from "./dom.js";

/** @typedef {import('./types.js').Answer} Answer */
/** @typedef {import('./types.js').Setting['value']} Value */
/** @typedef {'switch' | 'number' | 'text' | 'types' | ''} Kind */
/** @typedef {(value: any, settled: (answer: Answer) => void) => void} Commit */
/** @typedef {{hint?: string, unit?: string, step?: string, min?: string, title?: string, types?: string[]}} FieldOptions */

export class Field {
  /** @param {string} label @param {Kind} kind @param {Commit} commit @param {FieldOptions} [options] */
  constructor(label, kind, commit, options = {}) {
    this.label = label;
    this.kind = kind;
    this.commit = commit;
    this.options = options;
    this.known = "null"; // what Python said last, as JSON
    this.typing = this.waiting = false;
    /** @type {HTMLInputElement[]} */ this.inputs = [];
    this.element = this.build();
    this.element.dataset.name = label;
    this.element.dataset.testid = "mw-field";
    if (options.title) this.element.title = options.title;
  }

  /** @returns {HTMLElement} */
  build() {
    if (this.kind === "types") return this.checklist();
    const name = h("span", { class: "mw-field-name" }, this.label);
    if (!this.kind) return h("div", { class: "mw-field" }, name, h("span", { class: "mw-field-fixed" }, "set in Python"));
    const { hint, unit, step, min } = this.options;
    const type = { switch: "checkbox", number: "number", text: "text" }[this.kind];
    const input = this.input({ type, placeholder: hint, step: step ?? (type === "number" ? "any" : null), min });
    if (type !== "checkbox") {
      input.addEventListener("input", () => (this.typing = true));
      input.addEventListener("keydown", (event) => (event.key === "Enter" ? this.done() : this.escape(event)));
    }
    const unitWord = unit ? h("span", { class: "mw-field-unit" }, unit) : null;
    return h("label", { class: `mw-field mw-field-${type}` }, name, h("span", { class: "mw-field-value" }, input, unitWord));
  }

  checklist() {
    const boxes = (this.options.types ?? []).map((type) =>
      h("label", { class: "mw-type-choice" }, this.input({ type: "checkbox", value: type }), type),
    );
    const list = h("div", { class: "mw-types" }, ...boxes);
    return h("fieldset", { class: "mw-field mw-field-types" }, h("legend", { class: "mw-field-name" }, this.label), list);
  }

  /** @param {Record<string, any>} attributes */
  input(attributes) {
    const given = { class: attributes.type === "checkbox" ? null : "mw-input", spellcheck: "false", autocomplete: "off", ...attributes };
    const input = /** @type {HTMLInputElement} */ (h("input", { ...given, onchange: () => this.done() }));
    this.inputs.push(input);
    return input;
  }

  /** What was typed is given up; a second Escape closes what is around. @param {KeyboardEvent} event */
  escape(event) {
    if (event.key !== "Escape" || !this.typing) return;
    event.stopPropagation();
    this.typing = false;
    this.show();
  }

  done() {
    if (!this.typing && ["number", "text"].includes(this.kind)) return; // Enter was first
    this.typing = false;
    const value = this.value;
    if (value === undefined) return this.show();
    this.waiting = true;
    this.commit(value, (answer) => {
      this.waiting = false;
      if (answer.refused && !this.typing) this.show();
    });
  }

  /** What the field says now; undefined for what is no value. */
  get value() {
    const [input] = this.inputs;
    if (this.kind === "switch") return input.checked;
    if (this.kind === "types") return this.inputs.filter(({ checked }) => checked).map(({ value }) => value);
    if (this.kind === "number") return Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : undefined;
    return input.value;
  }

  /** @param {Value} value as Python has it now */
  update(value) {
    const said = JSON.stringify(value ?? null);
    if (said === this.known) return;
    this.known = said;
    if (!this.typing && !this.waiting) this.show();
  }

  show() {
    const value = JSON.parse(this.known);
    const [input] = this.inputs;
    if (this.kind === "switch") input.checked = value === true;
    else if (this.kind === "types") for (const box of this.inputs) box.checked = (value ?? []).includes(box.value);
    else if (this.kind) input.value = value === null ? "" : String(value);
  }
}

/**
 * Something to choose, or to type, and a button that sends it.
 * @param {HTMLInputElement | HTMLSelectElement} input @param {HTMLElement} button
 */
export function withButton(input, button) {
  return h("div", { class: "mw-with-button" }, input, button);
}

/** @param {string} label @param {string} testid */
export function chooser(label, testid) {
  return /** @type {HTMLSelectElement} */ (
    h("select", { class: "mw-select mw-wide", "aria-label": label, "data-testid": testid })
  );
}

/** Other options; what was chosen stays where it is still there. @param {HTMLSelectElement} select @param {[string, string][]} options value and words */
export function setOptions(select, options) {
  const key = JSON.stringify(options);
  if (select.dataset.options === key) return;
  select.dataset.options = key;
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, words]) => h("option", { value }, words)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

/** @param {string} words @param {string} testid @param {() => void} onclick @param {string} [title] */
export function smallButton(words, testid, onclick, title) {
  return h("button", { type: "button", class: "mw-button mw-small", "data-testid": testid, title, onclick }, words);
}

/** A button that says why it can't be pressed, without losing the focus. @param {HTMLElement} button @param {string} why @param {string} title else */
export function forbid(button, why, title) {
  button.ariaDisabled = why ? "true" : "false";
  if (button.title !== (why || title)) button.title = why || title;
}

/** A part of the drawer with a heading. @param {string} heading @param {...(Node | null)} children */
export function drawerSection(heading, ...children) {
  const head = h("h4", { class: "mw-section-head" }, heading);
  return h("section", { class: "mw-section", "aria-label": heading }, head, ...children);
}

/** @param {HTMLElement} element @param {string} words */
export function noteIn(element, words) {
  setText(element, words);
  element.hidden = !words;
}
