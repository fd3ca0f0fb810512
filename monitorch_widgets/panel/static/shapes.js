// @ts-check
// A reading between two gaps: a line through it has no length and a band no width, so that it would not be seen.

/** A ring so small that it is a dot, from the point that the path has come to; dashes leave enough of it. */
export const DOT = "m-0.9,0a0.9,0.9 0 1,0 1.8,0a0.9,0.9 0 1,0 -1.8,0";
/** The same, larger, for a line that has no other point. */
export const LARGE_DOT = `${DOT}m-1,0a1.9,1.9 0 1,0 3.8,0a1.9,1.9 0 1,0 -3.8,0`;
const SLIVER_PX = 2;

/** @param {number} x @param {string | number} from @param {string | number} to */
export function sliver(x, from, to) {
  return `M${x - SLIVER_PX / 2},${from}h${SLIVER_PX}V${to}h${-SLIVER_PX}Z`;
}
