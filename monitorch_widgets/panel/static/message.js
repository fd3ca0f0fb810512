// @ts-check
// What stands in a panel while it has no picture: what will come, and why nothing is there yet.
import { h } from "./dom.js";
import { atFirst } from "./view.js";

/** @typedef {import('./board.js').Board} Board */

/**
 * @param {Board} board
 * @param {number} i of the panel
 * @returns {(Node | string)[] | null} nothing where there is a picture
 */
export function messageOf(board, i) {
  if (!board.stores[i].rows) return beforeReadings(board, i);
  const frame = board.charts[i].frame;
  if (!frame?.rows.length) return nothingChosen(board);
  if (frame.windows.stats.every((stats) => stats.count.every((count) => count === 0))) {
    return saying("Only gaps", board.spec.panels[i].empty || "No reading of the chosen modules was a finite number.");
  }
  if (board.charts[i].log && !frame.windows.stats.some((stats) => stats.max.some((value) => value > 0))) {
    return saying("Nothing above zero", "A logarithmic axis has no place for these values.");
  }
  return null;
}

/** @param {Board} board @param {number} i */
function beforeReadings(board, i) {
  const { empty, tag } = board.spec.panels[i];
  if (board.status.faults.some((fault) => fault.tag === tag)) {
    return saying("No readings", "The lens failed before its first one.");
  }
  if (board.stores[i].series.length === 0 && empty) return saying("Nothing to show", empty);
  if (board.status.state === "waiting") {
    return saying("Waiting for the first step", empty || "Lines appear here as soon as training begins.");
  }
  return saying("No readings yet", empty || "Nothing was read for this panel so far.");
}

/** @param {Board} board */
function nothingChosen(board) {
  const { solo, shown } = board.view.now;
  if (solo !== null) return saying(solo, "has no numbers in this panel.");
  const some = h("button", {
    type: "button",
    class: "mw-button",
    "data-testid": "mw-show-some",
    onclick: () => board.view.change({ shown: atFirst(board.names.all) }),
  });
  some.append("show some");
  const why = shown.length ? "The chosen modules have no numbers in this panel." : "Choose modules in the list.";
  return [...saying("Nothing selected", why), some];
}

/** @param {string} head @param {string} text */
function saying(head, text) {
  return [h("b", {}, head), h("span", {}, text)];
}
