// @ts-check
// A bqplot figure inside our own element, with the overlay above it, and the pointer.
import { MARGIN } from "./chart.js";
import { h, setAttributes, setText } from "./dom.js";
import { Area, EDGE_PX, Overlay } from "./overlay.js";

/** @typedef {import('./chart.js').Chart} Chart */
/** @typedef {import('./types.js').Model} Model */

export class Plot {
  /**
   * @param {Model} model
   * @param {Chart} chart
   * @param {{onresize: () => void, onmove: (px: number, py: number) => void, onleave: () => void, onclick: (px: number, py: number) => void}} events
   */
  constructor(model, chart, events) {
    this.model = model;
    this.chart = chart;
    this.overlay = new Overlay();
    this.host = h("div", { class: "mw-figure" });
    this.hatch = h("div", { class: "mw-hatch", hidden: true });
    this.message = h("div", { class: "mw-message", hidden: true });
    this.note = h("div", { class: "mw-plot-note", "data-testid": "mw-plot-note", hidden: true });
    this.element = h(
      "div",
      { class: "mw-plot", role: "img" },
      this.hatch,
      this.host,
      this.note,
      this.overlay.element,
      this.message,
    );
    /** @type {any} */ this.view = null;
    this.closed = false;
    this.mounting = false;
    this.ready = false; // the figure is there and its marks are found
    /** Kept, since asking the element lays the page out. */
    this.size = { width: 0, height: 0 };
    this.resize = new ResizeObserver(() => this.onResize(events.onresize));
    this.resize.observe(this.element);
    // bqplot hides a figure that it happened to measure while there was no room for it, and may never look again
    this.hiding = new MutationObserver(() => this.view.el.style.visibility === "hidden" && this.showAgain());
    this.listen(events);
  }

  /** Where there is room now; where there is none, the next change of size tells. */
  showAgain() {
    requestAnimationFrame(() => {
      const { clientWidth: width, clientHeight: height } = this.host;
      const { left, right, top, bottom } = this.chart.margin;
      if (!this.closed && width > left + right + 1 && height > top + bottom + 1) this.relayout();
    });
  }

  /** @param {{onmove: (px: number, py: number) => void, onleave: () => void, onclick: (px: number, py: number) => void}} events */
  listen({ onmove, onleave, onclick }) {
    const at = (/** @type {PointerEvent | MouseEvent} */ event) => {
      const box = this.element.getBoundingClientRect();
      return /** @type {[number, number]} */ ([event.clientX - box.left, event.clientY - box.top]);
    };
    this.overlay.element.addEventListener("pointermove", (event) => onmove(...at(event)));
    this.overlay.element.addEventListener("pointerleave", onleave);
    this.overlay.element.addEventListener("click", (event) => onclick(...at(event)));
  }

  /** Create the figure's view, once; resolves when it can be drawn into. */
  async mount() {
    if (this.mounting) return;
    this.mounting = true;
    const view = await this.model.widget_manager.create_view(this.chart.models.fig);
    if (this.closed) return view.remove();
    this.view = view;
    this.host.append(view.el);
    view.trigger("displayed"); // what a widget layout would do; the figure renders only then
    while (!view.rendered && !this.closed) await new Promise((resolve) => requestAnimationFrame(resolve));
    if (this.closed) return;
    await this.chart.findViews();
    this.ready = true;
    this.hiding.observe(view.el, { attributes: true, attributeFilter: ["style"] });
    this.relayout();
  }

  get area() {
    return new Area(this.chart, this.size.width, this.size.height);
  }

  /** @param {() => void} then */
  onResize(then) {
    this.size = { width: this.element.clientWidth, height: this.element.clientHeight };
    this.relayout();
    then();
  }

  /** Now: bqplot itself would wait for 300 ms, and then for a frame. */
  relayout() {
    const { margin } = this.chart;
    for (const side of /** @type {const} */ (["top", "right", "bottom", "left"]))
      this.hatch.style[side] = `${margin[side]}px`;
    if (!this.ready || !this.size.width) return;
    this.view.visible = true; // its own watch on the screen may not have reported yet
    this.view.should_relayout = true;
    this.view.relayoutImpl();
    this.widenClip();
    this.chart.finish();
  }

  /** A line along an edge of the axes, and a dot at their end, are not cut in half. */
  widenClip() {
    const rect = this.host.querySelector("clipPath rect");
    const { margin } = this.chart;
    if (!rect) return;
    setAttributes(rect, {
      x: -EDGE_PX,
      y: -EDGE_PX,
      width: Math.max(0, this.size.width - margin.left - margin.right) + 2 * EDGE_PX,
      height: Math.max(0, this.size.height - margin.top - margin.bottom) + 2 * EDGE_PX,
    });
  }

  /**
   * Room for tick labels: the map needs more for names.
   * @param {typeof MARGIN} margin
   */
  setMargin(margin) {
    if (this.chart.margin !== margin) {
      this.chart.margin = margin;
      this.chart.models.fig.set_state({ fig_margin: { ...margin } });
    }
    if (this.hatch.style.left !== `${margin.left}px`) this.relayout();
  }

  /** Words in place of a picture. @param {(Node | string)[] | null} words */
  say(words) {
    this.message.hidden = !words;
    this.element.classList.toggle("mw-empty", Boolean(words));
    if (words) this.message.replaceChildren(...words);
  }

  /** Words at the foot of the picture, which take no room. @param {string} words */
  noteBelow(words) {
    setText(this.note, words);
    this.note.hidden = !words;
  }

  close() {
    this.closed = true;
    this.resize.disconnect();
    this.hiding.disconnect();
    this.view?.remove();
    void this.chart.findViews();
  }
}
