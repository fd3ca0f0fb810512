// @ts-check
// The table with what each lens takes of the time. The strip shows it when it is clicked, the tab "Performance" always.
import { h, setText } from "./dom.js";
import { countText, durationText, percentText } from "./format.js";

/** @typedef {import('./types.js').Cost} Cost */
/** @typedef {import('./types.js').Overhead} Overhead */

const COLUMNS = ["lens", "listens", "ms a step", "share"];
const TITLES = [
  "",
  "Which steps the lens listens to",
  "Time that it adds to a step that it listens to",
  "Share of the training time, over the steps that were looked at",
];

export class CostTable {
  /** @param {string} testid of the words below it */
  constructor(testid) {
    const head = COLUMNS.map((word, i) => h("th", { scope: "col", title: TITLES[i] }, word));
    this.body = h("tbody", {});
    this.words = h("p", { class: "mw-cost-words", "data-testid": testid });
    const table = h("table", { class: "mw-cost-table" }, h("thead", {}, h("tr", {}, ...head)), this.body);
    this.element = h("div", { class: "mw-cost-box" }, table, this.words);
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
      row.setAttribute("title", [cells[0], ...(overhead.costs[r]?.tags ?? [])].join(", "));
    });
    setText(this.words, budgetText(overhead.max_fraction));
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
