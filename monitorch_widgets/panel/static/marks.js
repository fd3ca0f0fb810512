// @ts-check
// What stands on the time axis as a hairline: ends of epochs, and what happened between readings.
import { countText, counted } from "./format.js";
import { epochOf } from "./frame.js";

/** @typedef {import('./types.js').Status} Status */
/** @typedef {import('./types.js').Mark} Mark */
/** @typedef {import('./types.js').TrainingEvent} TrainingEvent */
/** @typedef {{px: number, marks: Mark[]}} Hairline */

/** Hairlines of one kind are no closer; what would be is told by the one before. @type {Record<Mark['kind'], number>} */
const APART_PX = { epoch: 8, event: 28, command: 20 };
const MOST_TOLD = 3; // marks that the tooltip of one hairline tells in full

/**
 * @param {Status} status
 * @param {'step' | 'epoch' | 'seconds'} x
 * @param {{first: number, last: number}} steps that were read; what happened before stands where the axis begins
 * @param {(step: number) => number} secondsAt
 * @returns {Mark[]} NaN where one has no place
 */
export function marksOf(status, x, { first, last }, secondsAt) {
  const ends = status.epoch_marks ?? [];
  const epochAt = epochOf(ends, last);
  /** Where `count` steps are finished. @param {number} count */
  const place = (count) => {
    if (x === "step") return Math.max(count - 1, first);
    if (x === "epoch") return epochAt(Math.max(count, first) - 1);
    return count > first || first > 0 ? secondsAt(Math.max(count - 1, first)) : 0;
  };
  const epochs = ends.map(([epoch, end]) => ({
    x: place(end),
    kind: /** @type {const} */ ("epoch"),
    text: `epoch ${epoch} ends after step ${countText(end - 1)}`,
    facts: [],
  }));
  const events = (status.events ?? []).map((event) => ({
    x: place(event.step),
    kind: /** @type {'event' | 'command'} */ (event.kind === "command" ? "command" : "event"),
    text: event.words,
    facts: factsOf(event),
  }));
  return [...epochs, ...events];
}

/** @param {TrainingEvent} event @returns {[string, string][]} */
function factsOf({ step, last_step: last, count }) {
  /** @type {[string, string]} */
  const where =
    last > step ? ["before steps", `${countText(step)}–${countText(last)}`] : ["before step", countText(step)];
  return count > 1 ? [["how often", counted(count, "time")], where] : [where];
}

/**
 * Hairlines with a place on the plot, thinned where they would crowd.
 * @param {Mark[]} marks @param {import('./overlay.js').Area} area @param {Mark['kind']} kind
 * @returns {Hairline[]}
 */
export function hairlines(marks, area, kind) {
  /** @type {Hairline[]} */
  const lines = [];
  const own = marks.filter((mark) => mark.kind === kind && mark.x === mark.x).sort((a, b) => a.x - b.x);
  for (const mark of own) {
    const exact = area.px(mark.x);
    const from = area.left + (kind === "epoch" ? 1 : -0.5); // an epoch that ends where the axis begins is no news
    if (exact < from || exact > area.left + area.width + 0.5) continue;
    const px = Math.round(exact) + 0.5;
    const last = lines.at(-1);
    if (!last || px - last.px >= APART_PX[kind]) lines.push({ px, marks: [mark] });
    else if (kind !== "epoch") last.marks.push(mark);
  }
  return lines;
}

/**
 * Marks near the pointer, as much of them as a tooltip can hold: each a sentence with its facts.
 * @param {Mark[]} marks @param {import('./overlay.js').Area} area @param {number} px @param {number} reach
 * @returns {{text: string, facts: [string, string][]}[]}
 */
export function marksUnder(marks, area, px, reach) {
  const near = /** @type {const} */ (["command", "event", "epoch"])
    .flatMap((kind) => hairlines(marks, area, kind))
    .filter((line) => Math.abs(line.px - px) <= reach)
    .flatMap((line) => line.marks);
  const more = near.length - MOST_TOLD;
  if (more <= 0) return near;
  return [...near.slice(0, MOST_TOLD), { text: `and ${countText(more)} more nearby`, facts: [] }];
}
