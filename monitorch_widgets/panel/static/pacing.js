// @ts-check
// How often, and for how much: the same controls in the drawer and under the tab "Performance".
import { h } from "./dom.js";
import { Field } from "./fields.js";
import { Slider } from "./slider.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./types.js').Instrument} Instrument */

const LOG_STOPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const REFRESH_STOPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30];
const USUAL_RATE = 10; // of a notebook that was saved before it could be set

const HINTS = {
  every: "auto: as often as the budget allows, each lens with a stride of its own. A number: to every n-th step, whatever it costs.",
  budget: "What watching may add to the training time, where strides are auto.",
  log: "log_every_n_steps: histograms, and what else is heavy. Losses and logged numbers are read at every step.",
};

export class PaceFields {
  /** @param {Board} board */
  constructor({ commands }) {
    this.every = new Field("every", "text", (text, settled) => commands.send("every", { every: strideOf(text) }, settled), {
      hint: "auto",
      unit: "steps",
      title: HINTS.every,
    });
    this.budget = new Field(
      "budget",
      "number",
      (percent, settled) => commands.send("budget", { max_overhead: percent / 100 }, settled),
      { unit: "% of the time", min: "0", title: HINTS.budget },
    );
    this.log = new Slider("histograms every", LOG_STOPS, (steps, settled) => commands.send("log_every", { steps }, settled), {
      unit: (steps) => (steps === 1 ? "step" : "steps"),
      title: HINTS.log,
    });
    this.elements = [this.every.element, this.budget.element, this.log.element];
  }

  /** The same with what each means in words. */
  get explained() {
    const hints = [HINTS.every, HINTS.budget, HINTS.log];
    return this.elements.map((element, i) => explained(element, hints[i]));
  }

  /** @param {Instrument} instrument */
  update({ every, max_overhead: budget, log_every_n_steps: steps }) {
    this.every.update(every);
    this.budget.update(Number((100 * budget).toPrecision(6)));
    this.log.update(steps);
  }
}

/** How often the page gets news. */
export class RefreshField {
  /** @param {Board} board */
  constructor({ commands }) {
    this.slider = new Slider("refresh", REFRESH_STOPS, (rate, settled) => commands.send("refresh_rate", { rate }, settled), {
      unit: () => "a second",
      title: "How often the page is told what is new, at most. Fewer updates cost less",
    });
    this.element = this.slider.element;
  }

  /** @param {Instrument} instrument */
  update(instrument) {
    this.slider.update(refreshRate(instrument));
  }
}

/** Updates a second that are asked for. @param {Instrument | null} instrument */
export function refreshRate(instrument) {
  return instrument?.refresh_rate ?? USUAL_RATE;
}

/** A control, and a line below it. @param {HTMLElement} element @param {string} words */
export function explained(element, words) {
  return h("div", { class: "mw-explained" }, element, h("p", { class: "mw-note" }, words));
}

/** @param {string} text */
function strideOf(text) {
  const word = text.trim();
  return /^\d+$/.test(word) ? Number(word) : word || "auto";
}
