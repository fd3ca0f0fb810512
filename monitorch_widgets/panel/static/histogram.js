// @ts-check
// One tensor: how its values are spread at the newest step, and how that has changed over the run.
import { FIGURE_MARGIN, Figure } from "./axes.js";
import { colourGradient, colourTable } from "./colours.js";
import { fillFacts } from "./acts.js";
import { h, setText, svg } from "./dom.js";
import { countText, percentText, valueText } from "./format.js";

/** @typedef {import('./cards.js').Card} Card */

/** @typedef {{steps: number[], bins: number, low: number, high: number, bad: number[], below?: number[], above?: number[],
 *   buffer: number}} HistoryMap */

const BARS_HEIGHT = 216;
const MAP_HEIGHT = 226;
const MOST_PX = 600; // columns of the picture
const BEYOND = "▲▼ steps with values far beyond most others: these are counted at the edge of the map.";

export class Histogram {
  /** @param {() => void} onresize */
  constructor(onresize) {
    this.group = h("span", { class: "mw-tensor-group" });
    this.title = h("h3", { "data-testid": "mw-tensor-title" });
    this.badges = h("span", { class: "mw-badges" });
    this.facts = h("dl", { class: "mw-card-facts", "data-testid": "mw-tensor-facts" });
    this.bars = new Figure({ name: "Histogram", testid: "mw-histogram", height: BARS_HEIGHT, onresize });
    this.bars.listen({ move: (x, _, px, py) => this.pointBar(x, px, py) });
    this.map = new Figure({ name: "Histograms over steps", testid: "mw-histogram-map", height: MAP_HEIGHT, onresize });
    this.map.listen({ move: (x, y, px, py) => this.pointCell(x, y, px, py) });
    this.empty = h("p", { class: "mw-card-none", hidden: true });
    this.barsHead = h("h4", {}, "Newest step");
    this.beyond = h("p", { class: "mw-map-beyond", "data-testid": "mw-map-beyond", hidden: true }, BEYOND);
    this.mapHead = h("h4", {}, "Over the run", mapKey());
    this.element = h(
      "div",
      { class: "mw-tensor" },
      h("header", { class: "mw-card-head" }, this.title, this.group, this.badges),
      this.facts,
      this.barsHead,
      this.bars.element,
      this.empty,
      this.mapHead,
      this.map.element,
      this.beyond,
    );
    this.table = colourTable(false);
    /** @type {Card | null} */ this.card = null;
    /** @type {number[]} ends of the map's columns, one more than there are */ this.edges = [];
  }

  /** @param {Card} card */
  draw(card) {
    this.card = card;
    const { content } = card;
    setText(this.title, nameOfTensor(content));
    this.title.title = content.name;
    setText(this.group, content.group);
    this.badges.replaceChildren(...badgesOf(content));
    fillFacts(this.facts, tensorFacts(content));
    setText(/** @type {Element} */ (this.barsHead), `Step ${countText(content.step)}`);
    this.drawBars();
    this.drawMap();
  }

  drawBars() {
    const { counts, low, high } = this.card?.content;
    const most = Math.max(0, ...counts);
    this.bars.element.hidden = !most;
    this.empty.hidden = Boolean(most);
    setText(this.empty, "None of its values is a finite number, so there is nothing to count.");
    if (!most || !this.bars.ready) return;
    const x = { ...withRoom(low, high), label: "value" };
    this.bars.frame(x, { min: 0, max: 1.06 * most, label: "values", whole: true });
    const d = counts.map((/** @type {number} */ count, /** @type {number} */ i) => this.barPath(count, i)).join("");
    this.bars.marks.replaceChildren(svg("path", { class: "mw-bar", d }));
  }

  /** @param {number} count @param {number} i */
  barPath(count, i) {
    if (!count) return "";
    const [from, to] = this.binAt(i);
    const [left, right] = [this.bars.px(from), this.bars.px(to)];
    const bottom = this.bars.py(0);
    const top = Math.min(this.bars.py(count), bottom - 1.5); // a few values among millions are still there
    const gap = right - left > 5 ? 1 : 0;
    return `M${left.toFixed(1)},${bottom.toFixed(1)}V${top.toFixed(1)}H${(right - gap).toFixed(1)}V${bottom.toFixed(1)}Z`;
  }

  /** Limits of a bin. @param {number} i @returns {[number, number]} */
  binAt(i) {
    const { counts, low, high } = this.card?.content;
    const { min, max } = withRoom(low, high);
    return [min + (i / counts.length) * (max - min), min + ((i + 1) / counts.length) * (max - min)];
  }

  /** @param {number} x @param {number} px @param {number} py */
  pointBar(x, px, py) {
    const { counts, low, high } = this.card?.content;
    const { min, max } = withRoom(low, high);
    const i = Math.min(counts.length - 1, Math.floor(((x - min) / (max - min)) * counts.length));
    const all = counts.reduce((/** @type {number} */ sum, /** @type {number} */ count) => sum + count, 0);
    const [from, to] = this.binAt(i);
    this.bars.over.replaceChildren(svg("path", { class: "mw-bar-pointed", d: this.barPath(counts[i], i) }));
    /** @type {[string, string][]} */
    const facts = [["values", countText(counts[i])], ["share", percentText(counts[i] / all)]];
    this.bars.say(`${valueText(from)} to ${valueText(to)}`, facts, px, py);
  }

  drawMap() {
    /** @type {HistoryMap | undefined} */
    const map = this.card?.content.map;
    const bytes = map && this.card?.buffers[map.buffer];
    const some = Boolean(map?.steps.length && bytes);
    this.map.element.hidden = this.mapHead.hidden = !some;
    this.beyond.hidden = !some || ![...(map?.below ?? []), ...(map?.above ?? [])].some((count) => count > 0);
    if (!map || !bytes || !some || !this.map.ready) return;
    this.edges = columnEdges(map.steps);
    const x = { min: this.edges[0], max: this.edges[map.steps.length], label: "step", whole: true };
    this.map.frame(x, { ...withRoom(map.low, map.high), label: "value", grid: false });
    this.map.canvas.hidden = false;
    this.paint(map, bytes);
    this.map.marks.replaceChildren(
      svg("path", { class: "mw-bad-mark", d: this.badPath(map) }),
      svg("path", { class: "mw-beyond-mark", d: this.beyondPath(map) }),
    );
  }

  /** One row of pixels a bin; a bin without values stays clear. @param {HistoryMap} map @param {Uint8Array} bytes */
  paint({ bins }, bytes) {
    const columns = Math.max(1, Math.min(MOST_PX, Math.round(this.map.width)));
    const { canvas } = this.map;
    [canvas.width, canvas.height] = [columns, bins];
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const picture = context.createImageData(columns, bins);
    for (let c = 0; c < columns; c++) {
      const column = this.columnAt(this.map.x.min + ((c + 0.5) / columns) * (this.map.x.max - this.map.x.min));
      for (let bin = 0; bin < bins; bin++) {
        const value = bytes[column * bins + bin];
        if (!value) continue;
        const shade = Math.round(Math.sqrt(value / 255) * 255); // tails are seen beside the middle
        const pixel = 4 * ((bins - 1 - bin) * columns + c);
        for (let k = 0; k < 3; k++) picture.data[pixel + k] = this.table[3 * shade + k];
        picture.data[pixel + 3] = 255;
      }
    }
    context.putImageData(picture, 0, 0);
  }

  /** @param {number} x */
  columnAt(x) {
    let [low, high] = [0, this.edges.length - 2];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.edges[middle] <= x) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Flags above the columns in which something was not finite. @param {HistoryMap} map */
  badPath({ bad }) {
    return bad.map((count, i) => {
      if (!count) return "";
      const left = this.map.px(this.edges[i]);
      return `M${left.toFixed(1)},${FIGURE_MARGIN.top}H${Math.max(this.map.px(this.edges[i + 1]), left + 2).toFixed(1)}v5H${left.toFixed(1)}Z`;
    }).join("");
  }

  /** Arrows at the edges beyond which a column has values. @param {HistoryMap} map */
  beyondPath({ above = [], below = [], steps }) {
    const top = this.map.py(this.map.y.max);
    const bottom = this.map.py(this.map.y.min);
    return steps.map((_, i) => {
      const middle = (this.map.px(this.edges[i]) + this.map.px(this.edges[i + 1])) / 2;
      const arrow = (/** @type {number} */ y, /** @type {number} */ way) => `M${(middle - 4).toFixed(1)},${y + 7 * way}h8l-4,${-7 * way}Z`;
      return (above[i] ? arrow(top + 1, 1) : "") + (below[i] ? arrow(bottom - 1, -1) : "");
    }).join("");
  }

  /** @param {number} x @param {number} y @param {number} px @param {number} py */
  pointCell(x, y, px, py) {
    /** @type {HistoryMap} */
    const map = this.card?.content.map;
    const bytes = this.card?.buffers[map.buffer];
    if (!bytes) return;
    const i = this.columnAt(x);
    const { min, max } = withRoom(map.low, map.high);
    const width = (max - min) / map.bins;
    const bin = Math.min(map.bins - 1, Math.max(0, Math.floor((y - min) / width)));
    /** @type {[string, string][]} */
    const facts = [["of its fullest bin", percentText(bytes[i * map.bins + bin] / 255)]];
    if (map.bad[i]) facts.push(["NaN or infinity", countText(map.bad[i])]);
    if (map.above?.[i]) facts.push(["above the map", countText(map.above[i])]);
    if (map.below?.[i]) facts.push(["below the map", countText(map.below[i])]);
    const step = `step ${countText(map.steps[i])}`;
    this.map.say(`${step}: ${valueText(min + bin * width)} to ${valueText(min + (bin + 1) * width)}`, facts, px, py);
  }

  close() {
    this.bars.close();
    this.map.close();
  }
}

/** The name without the shape that it may end with: a badge says that. @param {{name: string, shape: string}} content */
export function nameOfTensor({ name, shape }) {
  const end = `/${shape}`;
  return name.endsWith(end) ? name.slice(0, -end.length) : name;
}

/** @param {{shape: string, nan: number, inf: number}} content */
export function badgesOf({ shape, nan, inf }) {
  const bad = (/** @type {number} */ count, /** @type {string} */ word) =>
    count > 0 ? [h("span", { class: "mw-badge mw-badge-bad", title: `${countText(count)} values are ${word} in the newest one` }, word)] : [];
  return [h("span", { class: "mw-badge" }, shape), ...bad(nan, "NaN"), ...bad(inf, "Inf")];
}

/** @param {any} content @returns {[string, string][]} */
function tensorFacts({ dtype, count, min, max, mean, std, nan, inf }) {
  const text = (/** @type {number | null} */ value) => (value === null ? "–" : valueText(value, 4));
  return [
    ["dtype", dtype],
    ["values", countText(count)],
    ["min", text(min)],
    ["max", text(max)],
    ["mean", text(mean)],
    ["std", text(std)],
    ["NaN", countText(nan)],
    ["Inf", countText(inf)],
  ];
}

/** Limits with some room between them. @param {number | null} low @param {number | null} high */
function withRoom(low, high) {
  if (low === null || high === null) return { min: -0.5, max: 0.5 };
  return high > low ? { min: low, max: high } : { min: low - 0.5, max: low + 0.5 };
}

/** Where columns begin, and where the last one ends: as wide as the one before. @param {number[]} steps the first of each */
function columnEdges(steps) {
  const n = steps.length;
  return [...steps, steps[n - 1] + (n > 1 ? steps[n - 1] - steps[n - 2] : 1)];
}

function mapKey() {
  const ramp = h("i", { class: "mw-colour-scale", style: `background:${colourGradient(false)}` });
  return h("span", { class: "mw-map-key" }, "few", ramp, "fullest bin of the step");
}
