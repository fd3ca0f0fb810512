// @ts-check
// Keys that stand for buttons while the focus is in the panel. What they are taken for goes no further: the notebook around
// has keys of its own for its cells.
import { ACTS, ask } from "./loop.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./loop.js').Act} Act */

/** @type {Map<string, Act>} */
const BY_KEY = new Map(Object.entries(ACTS).map(([act, { key }]) => [key.toLowerCase(), /** @type {Act} */ (act)]));
const PRESSES = ["Enter", " "]; // what a button is pressed with
const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]; // and a slider moved

/** @param {Board} board @param {HTMLElement} root @param {() => void} help */
export function listenToKeys(board, root, help) {
  root.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    if (takesKeys(target)) return;
    if (MOVES.includes(event.key) && target.matches("input[type=range]")) return event.stopPropagation();
    if (PRESSES.includes(event.key) && target.closest("button, summary, input")) return event.stopPropagation();
    const act = BY_KEY.get(`${event.shiftKey ? "shift+" : ""}${event.key.toLowerCase()}`);
    if (!act && event.key !== "?") return;
    event.stopPropagation();
    event.preventDefault();
    if (event.repeat) return;
    if (act) ask(board, act);
    else help();
  });
}

/** Whether something is typed there. @param {HTMLElement} target */
function takesKeys(target) {
  if (target.isContentEditable || ["SELECT", "TEXTAREA"].includes(target.tagName)) return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "range", "button"].includes(target.type);
}
