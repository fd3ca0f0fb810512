// @ts-check
// A small figure of our own: two axes with ticks, room for marks, and a tooltip. Cards draw with it what has no place in
// bqplot's models, of which there would be some for each tensor.
import { h, setAttributes, svg } from "./dom.js";
import { linearTicks, logTicks } from "./scales.js";
import { Tooltip } from "./tooltip.js";

/**
 * What an axis shows: from `min` to `max`, in powers of ten where it is logarithmic.
 * @typedef {{min: number, max: number, label: string, log?: boolean, whole?: boolean, grid?: boolean}} Scale
 */

const TICK_X_PX = 80;
const TICK_Y_PX = 34;
export const FIGURE_MARGIN = { top: 8, right: 14, bottom: 36, left: 62 };

export class Figure {
  /** @param {{name: string, testid: string, height: number, onresize: () => void}} options */
  constructor({ name, testid, height, onresize }) {
    this.canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { class: "mw-fig-canvas", hidden: true }));
    this.axes = svg("g", { class: "mw-fig-axes" });
    this.marks = svg("g", {});
    this.over = svg("g", {});
    this.clip = svg("rect", {});
    const clipId = `mw-clip-${Math.random().toString(36).slice(2)}`;
    const inside = svg("g", { "clip-path": `url(#${clipId})` }, this.marks);
    this.picture = svg("svg", { class: "mw-fig-picture" }, svg("clipPath", { id: clipId }, this.clip), this.axes, inside, this.over);
    this.tooltip = new Tooltip();
    const given = { class: "mw-fig", "data-testid": testid, role: "img", "aria-label": name, style: `height:${height}px` };
    this.element = h("div", given, this.canvas, this.picture, this.tooltip.element);
    this.size = { width: 0, height };
    /** @type {Scale} */ this.x = { min: 0, max: 1, label: "" };
    /** @type {Scale} */ this.y = { min: 0, max: 1, label: "" };
    this.resize = new ResizeObserver(() => {
      this.size = { width: this.element.clientWidth, height: this.element.clientHeight };
      onresize();
    });
    this.resize.observe(this.element);
  }

  get ready() {
    return this.size.width > FIGURE_MARGIN.left + FIGURE_MARGIN.right + 20;
  }

  get width() {
    return this.size.width - FIGURE_MARGIN.left - FIGURE_MARGIN.right;
  }

  get height() {
    return this.size.height - FIGURE_MARGIN.top - FIGURE_MARGIN.bottom;
  }

  /** Axes for what will be drawn. @param {Scale} x @param {Scale} y */
  frame(x, y) {
    this.x = x;
    this.y = y;
    const { left, top } = FIGURE_MARGIN;
    setAttributes(this.picture, { viewBox: `0 0 ${this.size.width} ${this.size.height}` });
    setAttributes(this.clip, { x: left - 1, y: top - 1, width: this.width + 2, height: this.height + 2 });
    Object.assign(this.canvas.style, { left: `${left}px`, top: `${top}px`, width: `${this.width}px`, height: `${this.height}px` });
    this.axes.replaceChildren(...this.horizontal(), ...this.vertical());
  }

  /** @returns {SVGElement[]} */
  horizontal() {
    const { left, top } = FIGURE_MARGIN;
    const bottom = top + this.height;
    const ticks = ticksOf(this.x, this.width / TICK_X_PX);
    const parts = ticks.values.map((value) => {
      const px = this.onX(value);
      const text = svg("text", { x: px, y: bottom + 15, "text-anchor": "middle" }, ticks.labels[String(value)]);
      return svg("g", {}, svg("path", { class: "mw-fig-tick", d: `M${px},${bottom}v4` }), text);
    });
    const name = { class: "mw-fig-name", x: left + this.width / 2, y: bottom + 31, "text-anchor": "middle" };
    const line = svg("path", { class: "mw-fig-line", d: `M${left},${bottom}h${this.width}` });
    return [line, ...parts, svg("text", name, this.x.label)];
  }

  /** @returns {SVGElement[]} */
  vertical() {
    const { left, top } = FIGURE_MARGIN;
    const ticks = ticksOf(this.y, this.height / TICK_Y_PX);
    const parts = ticks.values.map((value) => {
      const py = this.onY(value);
      const text = svg("text", { x: left - 7, y: py + 4, "text-anchor": "end" }, ticks.labels[String(value)]);
      const line = this.y.grid === false ? "h-4" : `h${this.width}`;
      return svg("g", {}, svg("path", { class: "mw-fig-grid", d: `M${left},${py}${line}` }), text);
    });
    const middle = top + this.height / 2;
    const name = { class: "mw-fig-name", transform: `translate(12,${middle}) rotate(-90)`, "text-anchor": "middle" };
    return [...parts, svg("text", name, this.y.label)];
  }

  /** Place on an axis, in powers of ten where it has them. @param {number} value */
  onX(value) {
    return FIGURE_MARGIN.left + ((value - this.x.min) / (this.x.max - this.x.min)) * this.width;
  }

  /** @param {number} value */
  onY(value) {
    return FIGURE_MARGIN.top + (1 - (value - this.y.min) / (this.y.max - this.y.min)) * this.height;
  }

  /** Place of a value. @param {number} value */
  px(value) {
    return this.onX(this.x.log ? Math.log10(value) : value);
  }

  /** @param {number} value */
  py(value) {
    return this.onY(this.y.log ? Math.log10(value) : value);
  }

  /** The value at a place; NaN outside the axes. @param {number} px @param {number} py @returns {[number, number]} */
  at(px, py) {
    const x = (px - FIGURE_MARGIN.left) / this.width;
    const y = 1 - (py - FIGURE_MARGIN.top) / this.height;
    if (x < 0 || x > 1 || y < -0.02 || y > 1.02) return [NaN, NaN];
    const back = (/** @type {Scale} */ { min, max, log }, /** @type {number} */ share) =>
      log ? 10 ** (min + share * (max - min)) : min + share * (max - min);
    return [back(this.x, x), back(this.y, y)];
  }

  /**
   * Tell where the pointer is, in pixels and values.
   * @param {{move: (x: number, y: number, px: number, py: number) => void, click?: (x: number) => void}} to
   */
  listen({ move, click }) {
    const place = (/** @type {PointerEvent | MouseEvent} */ event) => {
      const box = this.element.getBoundingClientRect();
      return /** @type {[number, number]} */ ([event.clientX - box.left, event.clientY - box.top]);
    };
    this.element.addEventListener("pointermove", (event) => {
      const [px, py] = place(event);
      const [x, y] = this.at(px, py);
      if (x === x) move(x, y, px, py);
      else this.leave();
    });
    this.element.addEventListener("pointerleave", () => this.leave());
    if (click)
      this.element.addEventListener("click", (event) => {
        const [x] = this.at(...place(event));
        if (x === x) click(x);
      });
  }

  leave() {
    this.tooltip.hide();
    this.over.replaceChildren();
  }

  /** @param {string} text @param {[string, string][]} facts @param {number} px @param {number} py */
  say(text, facts, px, py) {
    this.tooltip.say([{ text, facts }]);
    this.tooltip.place(px, py, this.element);
  }

  close() {
    this.resize.disconnect();
  }
}

/** @param {Scale} scale @param {number} count */
function ticksOf(scale, count) {
  if (scale.log) return logTicks(scale, Math.max(2, count));
  return linearTicks(scale, Math.max(2, Math.floor(count)), scale.whole ? "whole" : "number");
}

/**
 * A path through points; NaN and what a logarithmic axis has no place for are gaps.
 * @param {Figure} figure @param {number[]} x @param {number[]} y
 */
export function linePoints(figure, x, y) {
  let d = "";
  let pen = "M";
  y.forEach((value, i) => {
    const [px, py] = [figure.px(x[i]), figure.py(value)];
    if (Number.isFinite(px) && Number.isFinite(py)) d += `${pen}${px.toFixed(1)},${py.toFixed(1)}`;
    pen = Number.isFinite(px) && Number.isFinite(py) ? "L" : "M";
  });
  return d;
}
