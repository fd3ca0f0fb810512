// @ts-check
// What watching costs: one figure in the strip, and behind it a table with what each lens takes of the time.
import { h, setText } from "./dom.js";
import { countText, durationText, percentText } from "./format.js";
import { Popover } from "./popover.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./types.js').Cost} Cost */
/** @typedef {import('./types.js').Overhead} Overhead */

const COLUMNS = ["lens", "listens", "ms a step", "share"];
const TITLES = [
  "",
  "Which steps the lens listens to",
  "Time that it adds to a step that it listens to",
  "Share of the training time, over the steps that were looked at",
];

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
    this.body = h("tbody", {});
    this.words = h("p", { class: "mw-cost-words", "data-testid": "mw-cost-words" });
    this.popover = new Popover(this.button, () => this.table(), { label: "What watching costs", testid: "mw-costs-box" });
    this.element = this.popover.element;
    this.element.classList.add("mw-costs-anchor");
    this.element.hidden = true;
  }

  /** @param {Overhead | null | undefined} overhead none where nobody measures */
  update(overhead) {
    const measured = overhead && (overhead.costs.length > 0 || overhead.fraction !== null);
    const known = measured ? overhead : null;
    this.element.hidden = !known;
    if (known === this.overhead) return;
    this.overhead = known;
    if (!known) return this.popover.close();
    setText(this.share, percentText(known.fraction));
    const stride = strideText(known.every_steps);
    setText(this.stride, stride ? ` · ${stride}` : "");
    this.button.title = titleOf(known);
    if (!this.popover.box.hidden) this.fill(known);
  }

  table() {
    if (this.overhead) this.fill(this.overhead);
    const head = COLUMNS.map((word, i) => h("th", { scope: "col", title: TITLES[i] }, word));
    return [
      h("table", { class: "mw-cost-table" }, h("thead", {}, h("tr", {}, ...head)), this.body),
      this.words,
    ];
  }

  /** Rows are changed in place, so that nothing moves while it is read. @param {Overhead} overhead */
  fill(overhead) {
    const rows = [...rowsOf(overhead.costs), ["total", "", "", percentText(overhead.fraction)]];
    while (this.body.childElementCount > rows.length) this.body.lastElementChild?.remove();
    while (this.body.childElementCount < rows.length)
      this.body.append(h("tr", {}, h("th", { scope: "row" }), h("td", {}), h("td", {}), h("td", {})));
    rows.forEach((cells, r) => {
      const row = this.body.children[r];
      const shared = r >= overhead.costs.findIndex(isShared) && overhead.costs.some(isShared);
      row.className = r === rows.length - 1 ? "mw-cost-total" : shared ? "mw-cost-shared" : "";
      cells.forEach((text, c) => setText(row.children[c], text));
      row.setAttribute("title", overhead.costs[r]?.tags.join(", ") ?? "");
    });
    setText(this.words, budgetText(overhead.max_fraction));
  }

  close() {
    this.popover.close();
  }
}

/** Of no lens of its own. @param {Cost} cost */
function isShared({ tags, every_steps: every }) {
  return tags.length === 0 && every === 0;
}

/** @param {Cost[]} costs @returns {string[][]} */
function rowsOf(costs) {
  return costs.map((cost) => [
    cost.name,
    isShared(cost) ? "" : listensText(cost),
    isShared(cost) ? "" : durationText(cost.once_s),
    percentText(cost.fraction),
  ]);
}

/** @param {Cost} cost */
export function listensText({ every_steps: every, pairs }) {
  if (every < 1) return "–";
  return `${everyText(every)}${pairs && every > 1 ? ", in pairs" : ""}`;
}

/** @param {number} every */
function everyText(every) {
  return every === 1 ? "every step" : `every ${countText(every)} steps`;
}

/** The strides of all lenses together; '' while none listens. @param {[number, number]} every */
export function strideText([low, high]) {
  if (high < 1) return "";
  return low === high ? everyText(low) : `every ${countText(low)}–${countText(high)} steps`;
}

/** @param {number | null} budget */
function budgetText(budget) {
  if (budget === null) return "Each lens has a fixed stride, whatever it costs.";
  return (
    `Budget: strides that nobody has set are chosen for a budget of ${percentText(budget)} of the training ` +
    "time. Lenses get a fifth of it even where losses and counting steps take it all."
  );
}

/** @param {Overhead} overhead */
function titleOf({ fraction, max_fraction: budget }) {
  if (fraction === null) return "What watching costs is being measured";
  const kept = budget === null ? "strides are fixed" : `the budget is ${percentText(budget)}`;
  return `Time that watching adds to training, ${kept}; click for what each lens takes`;
}
