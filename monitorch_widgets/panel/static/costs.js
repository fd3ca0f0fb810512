// @ts-check
// What watching costs: one figure in the strip, and behind it a table with what each lens takes of the time.
import { PERFORMANCE_TAB } from "./cards.js";
import { CostTable, strideText } from "./costtable.js";
import { h, setText } from "./dom.js";
import { percentText } from "./format.js";
import { Popover } from "./popover.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./types.js').Overhead} Overhead */

export class Costs {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    /** @type {Overhead | null} */ this.overhead = null;
    this.share = h("b", {});
    this.stride = h("span", { class: "mw-stride" });
    this.button = h(
      "button",
      { type: "button", class: "mw-costs", "data-testid": "mw-costs", title: "" },
      h("span", {}, "costs "),
      this.share,
      this.stride,
    );
    this.table = new CostTable("mw-cost-words");
    const given = { type: "button", class: "mw-link", "data-testid": "mw-costs-more", onclick: () => this.more() };
    this.link = h("button", given, "change it");
    this.popover = new Popover(this.button, () => this.fill(), { label: "What watching costs", testid: "mw-costs-box" });
    this.element = this.popover.element;
    this.element.classList.add("mw-costs-anchor");
    this.element.hidden = true;
  }

  /** @param {Overhead | null | undefined} overhead none where nobody measures */
  update(overhead) {
    const known = measured(overhead);
    this.element.hidden = !known;
    if (known === this.overhead) return;
    this.overhead = known;
    if (!known) return this.popover.close();
    setText(this.share, percentText(known.fraction));
    const stride = strideText(known.every_steps);
    setText(this.stride, stride ? ` · ${stride}` : "");
    this.button.title = titleOf(known);
    if (!this.popover.box.hidden) this.table.fill(known);
  }

  fill() {
    if (this.overhead) this.table.fill(this.overhead);
    this.link.hidden = !this.board.tabs.includes(PERFORMANCE_TAB);
    return [this.table.element, this.link];
  }

  more() {
    this.popover.close();
    this.button.focus();
    this.board.chooseTab(PERFORMANCE_TAB);
  }

  close() {
    this.popover.close();
  }
}

/** What is known of the costs; null where nobody measures. @param {Overhead | null | undefined} overhead */
export function measured(overhead) {
  return overhead && (overhead.costs.length > 0 || overhead.fraction !== null) ? overhead : null;
}

/** @param {Overhead} overhead */
function titleOf({ fraction, max_fraction: budget }) {
  if (fraction === null) return "What watching costs is being measured";
  const kept = budget === null ? "strides are fixed" : `the budget is ${percentText(budget)}`;
  return `Time that watching adds to training, ${kept}; click for what each lens takes`;
}
