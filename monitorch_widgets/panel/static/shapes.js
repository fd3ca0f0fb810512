// @ts-check
// A reading between two gaps: a line through it has no length and a band no width, so that it would not be seen.

/** A ring so small that it is a dot, from the point that the path has come to; dashes leave enough of it. */
export const DOT = "m-0.9,0a0.9,0.9 0 1,0 1.8,0a0.9,0.9 0 1,0 -1.8,0";
/** The same, larger, for a line that has no other point. */
const LARGE_DOT = `${DOT}m-1,0a1.9,1.9 0 1,0 3.8,0a1.9,1.9 0 1,0 -3.8,0`;
const SLIVER_PX = 2;

const LONE_POINT = /M([^MLZ]+)Z/g;
const ONLY_POINT = /^M([^MLZ]+)Z$/;
const LONE_EDGES = /M([^MLZ,]+),([^MLZ]+)L\1,([^MLZ]+)Z/g;

/**
 * The path of a line with a dot for each point that stands alone, which d3 writes as 'Mx,yZ'.
 * @param {string | null} d
 */
export function withDots(d) {
  if (!d?.includes("Z")) return d;
  return d.replace(ONLY_POINT, `M$1${LARGE_DOT}`).replace(LONE_POINT, `M$1${DOT}`);
}

/**
 * The path of a band with a sliver for each window that stands alone, which d3 writes as 'Mx,topLx,bottomZ'.
 * @param {string | null} d
 */
export function withSlivers(d) {
  return d && d.replace(LONE_EDGES, (_, x, from, to) => sliver(Number(x), from, to));
}

/** @param {number} x @param {string | number} from @param {string | number} to */
export function sliver(x, from, to) {
  return `M${x - SLIVER_PX / 2},${from}h${SLIVER_PX}V${to}h${-SLIVER_PX}Z`;
}
