// @ts-check
// The curves of bqplot's lines and bands: their data, and their shapes as SVG paths. bqplot would make an object of every
// point, and would change paths through a transition, which writes them a frame later, character by character, with every
// digit that a number has.
import { DOT, LARGE_DOT, sliver } from "./shapes.js";

/** @typedef {import('./types.js').WidgetModel} WidgetModel */
/** @typedef {(value: number) => number} Place */

/** What the looks of a curve follow from; bqplot would set them anew at each drawing. */
const STYLES = ["colors", "fill_colors", "opacities", "fill_opacities", "stroke_width", "line_style", "fill"];

/** One row of a mark, as bqplot has it; the points themselves are made only where bqplot asks for them. */
class Curve {
  /**
   * @param {string} name @param {number} index @param {Float64Array} x @param {Float64Array} y
   * @param {Float64Array} y0 the row that a band reaches to
   */
  constructor(name, index, x, y, y0) {
    this.name = name;
    this.index = index;
    this.x = x;
    this.y = y;
    this.y0 = y0;
  }

  get values() {
    return Array.from(this.y, (y, i) => ({ x: this.x[i], y, y0: this.y0[i], sub_index: i }));
  }
}

/**
 * Give a mark new data, and draw it.
 * @param {WidgetModel} model @param {Float64Array} x the same for all rows @param {Float64Array[]} y
 */
export function giveData(model, x, y) {
  Object.assign(model.attributes, { x, y }); // no event: what would follow is done here
  model.x_data = [x];
  model.y_data = y;
  /** @type {string[]} */
  const names = model.get_labels();
  model.mark_data = y.map((row, i) => new Curve(names[i], i, x, row, y[Math.min(i + 1, y.length - 1)]));
  model.dirty = false;
  model.trigger("data_updated");
}

/**
 * Let a view of a mark draw its curves by our shapes whenever it would by its own.
 * @param {any} view @param {boolean} isBand
 */
export function drawOwnPaths(view, isBand) {
  view.update_line_xy = () => writePaths(view, isBand);
  const style = view.update_style.bind(view);
  let known = "";
  view.update_style = () => {
    const now = [view.el.childElementCount, ...STYLES.map((key) => identity(view.model.get(key)))].join();
    if (now !== known) style();
    known = now;
  };
}

/** @type {WeakMap<object, number>} */
const identities = new WeakMap();
let lastIdentity = 0;

/** A number for an array, another one for each that is set. @param {unknown} value */
function identity(value) {
  if (typeof value !== "object" || value === null) return String(value);
  const known = identities.get(value) ?? ++lastIdentity;
  identities.set(value, known);
  return known;
}

/** @param {any} view @param {boolean} isBand */
function writePaths(view, isBand) {
  const [x, y] = [placeOn(view.scales.x), placeOn(view.scales.y)];
  /** @type {Curve[]} */
  const drawn = view.model.mark_data;
  const xs = Array.from(drawn[0]?.x ?? [], x);
  view.el.querySelectorAll(".curve").forEach((/** @type {Element} */ element, /** @type {number} */ i) => {
    const curve = drawn[i];
    const [line, area, label] = element.children;
    label?.remove(); // bqplot would log an error for each that stands at a gap
    if (!curve?.y || (isBand && i % 2)) return area.removeAttribute("d"); // a band lies between its row and the next
    if (isBand) setPath(area, areaPath(xs, curve.y, curve.y0, y));
    else setPath(line, linePath(xs, curve.y, y));
    if (element.getAttribute("data-name") !== curve.name) element.setAttribute("data-name", curve.name);
  });
}

/** @param {Element} path @param {string} shape */
function setPath(path, shape) {
  if (shape) path.setAttribute("d", shape);
  else path.removeAttribute("d");
}

/** Pixels of a value on a linear scale, to a tenth. @param {any} scale @returns {Place} */
function placeOn({ scale, offset }) {
  const [low, high] = scale.domain();
  const [from, to] = scale.range();
  const each = (to - from) / (high - low || 1);
  return (value) => Math.round(10 * (from + (value - low) * each + offset)) / 10;
}

/**
 * A line through points, with gaps where there is no number; a point between two gaps is a dot.
 * @param {ArrayLike<number>} xs pixels @param {ArrayLike<number>} values @param {Place} y
 */
export function linePath(xs, values, y) {
  let d = "";
  let run = 0; // points since the last gap
  let total = 0;
  for (let i = 0; i <= values.length; i++) {
    const py = i < values.length ? y(values[i]) : NaN;
    if (py - py === 0) {
      d += `${run++ ? "L" : "M"}${xs[i]},${py}`;
      total++;
    } else {
      if (run === 1) d += DOT;
      run = 0;
    }
  }
  return total === 1 ? d.replace(DOT, LARGE_DOT) : d;
}

/**
 * A band between two rows; where it is one window wide it gets some width.
 * @param {ArrayLike<number>} xs pixels @param {ArrayLike<number>} from @param {ArrayLike<number>} to @param {Place} y
 */
export function areaPath(xs, from, to, y) {
  let d = "";
  for (let begin = 0, end; begin < from.length; begin = end + 1) {
    const before = d;
    for (end = begin; end < from.length; end++) {
      const py = y(from[end]);
      if (py - py !== 0) break;
      d += `${end > begin ? "L" : "M"}${xs[end]},${py}`;
    }
    if (end - begin === 1) d = before + sliver(xs[begin], y(from[begin]), y(to[begin]));
    if (end - begin <= 1) continue;
    for (let i = end - 1; i >= begin; i--) d += `L${xs[i]},${y(to[i])}`;
    d += "Z";
  }
  return d;
}
