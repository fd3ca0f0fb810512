// @ts-check
// Learning rates, one row a parameter group, each with buttons that halve and double it.
import { h, setText } from "./dom.js";
import { drawerSection, forbid, noteIn, smallButton } from "./fields.js";
import { valueText } from "./format.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./types.js').LearningRate} LearningRate */

const FACTORS = /** @type {const} */ ([
  [0.5, "×0.5", "Halve"],
  [2, "×2", "Double"],
]);
const NOT_ALLOWED = "Learning rates can be changed from here with PyTorchInspector(control=True)";

export class Rates {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.shape = "";
    /** @type {{value: HTMLElement, buttons: [HTMLElement, string][]}[]} */ this.rows = [];
    this.list = h("div", { class: "mw-rates" });
    this.note = h("p", { class: "mw-note", "data-testid": "mw-rates-note" });
    this.element = drawerSection("Learning rates", this.list, this.note);
  }

  /** @param {LearningRate[]} rates @param {boolean} allowed */
  update(rates, allowed) {
    const shape = JSON.stringify(rates.map(({ optimizer, kind, group }) => [optimizer, kind, group]));
    if (shape !== this.shape) this.build(rates, shape);
    rates.forEach(({ value }, i) => setText(this.rows[i].value, valueText(value)));
    for (const { buttons } of this.rows)
      for (const [button, title] of buttons) forbid(button, allowed ? "" : NOT_ALLOWED, title);
    noteIn(this.note, rates.length === 0 ? "No optimizer was seen stepping the model yet." : allowed ? "" : `${NOT_ALLOWED}.`);
  }

  /** @param {LearningRate[]} rates @param {string} shape */
  build(rates, shape) {
    this.shape = shape;
    this.rows = rates.map((rate) => {
      const name = nameOf(rate, rates);
      const buttons = FACTORS.map(([factor, words, verb]) => {
        const title = `${verb} the learning rate of ${name}`;
        const button = smallButton(words, "mw-rate-factor", () => this.scale(button, factor, rate), title);
        button.setAttribute("aria-label", title);
        button.dataset.factor = String(factor);
        return /** @type {[HTMLElement, string]} */ ([button, title]);
      });
      return { name, value: h("b", { class: "mw-rate-value", "data-testid": "mw-rate-value" }), buttons };
    });
    this.list.replaceChildren(
      ...rates.map((rate, i) => {
        const { value, buttons } = this.rows[i];
        const parts = [h("span", { class: "mw-field-name" }, nameOf(rate, rates)), value, ...buttons.map(([button]) => button)];
        return h("div", { class: "mw-rate", "data-testid": "mw-rate" }, ...parts);
      }),
    );
  }

  /** @param {HTMLElement} button @param {number} factor @param {LearningRate} rate */
  scale(button, factor, { group, optimizer }) {
    if (button.ariaDisabled === "true") return this.board.commands.say("refused", `${NOT_ALLOWED}.`);
    this.board.commands.send("scale_lr", { factor, group, optimizer });
  }
}

/** @param {LearningRate} rate @param {LearningRate[]} all */
function nameOf({ kind, optimizer, group }, all) {
  const several = all.some((other) => other.optimizer !== optimizer);
  const groups = all.some((other) => other.optimizer === optimizer && other.group !== group);
  return [kind, several ? `(${optimizer + 1})` : "", groups ? `group ${group}` : ""].filter(Boolean).join(" ");
}
