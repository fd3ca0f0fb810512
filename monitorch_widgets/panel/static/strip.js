// @ts-check
// The strip on top: is it running, how far is it, and the newest losses.
import { HEADLINE_KINDS } from "./board.js";
import { Costs } from "./costs.js";
import { h, setText, svg } from "./dom.js";
import { clockText, countText, valueText } from "./format.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./types.js').Status} Status */

/** Words for each state, and the sentence behind it. @type {Record<string, [string, string]>} */
const STATES = {
  waiting: ["waiting", "Nothing was trained yet; the panels fill with the first step"],
  live: ["live", "Training is under way"],
  paused: ["paused", "The loop is held between two steps; resume it, or go on step by step"],
  finished: ["finished", "The run has ended; everything here keeps working"],
  detached: ["detached", "The inspector has left the model; what was read stays"],
  fault: ["fault", "A lens failed and was muted; training goes on"],
  gone: ["kernel gone", "The kernel is not there any more; what was read stays and every control works"],
};

/** The same for what was asked for and has not come yet. @type {Record<string, [string, string]>} */
const ASKED = {
  pause: ["pausing…", "The loop is held when the running step is over"],
  stop: ["stopping…", "The loop ends when the running step is over"],
};
/** @type {[string, string]} */
const PAUSE_AHEAD = ["will pause", "The loop that comes is held before its first step"];

export class Strip {
  /** @param {Board} board @param {HTMLElement} steer the run's controls @param {HTMLElement} reply what came of them */
  constructor(board, steer, reply) {
    this.board = board;
    this.word = h("span", {});
    this.state = h(
      "span",
      { class: "mw-state", "data-testid": "mw-state", role: "status" },
      h("i", { class: "mw-dot" }),
      this.word,
    );
    this.facts = Object.fromEntries(["epoch", "step", "phase", "rate", "elapsed", "eta"].map((key) => [key, fact(key)]));
    this.costs = new Costs(board);
    this.headline = h("div", { class: "mw-headline", "data-testid": "mw-headline" });
    /** @type {Map<string, {value: HTMLElement, path: SVGElement}>} */
    this.numbers = new Map();
    this.items = h("div", { class: "mw-strip-items", "data-testid": "mw-strip-items", hidden: true });
    this.headline.hidden = !board.spec.panels.some(({ kind }) => HEADLINE_KINDS.includes(kind));
    this.element = h(
      "div",
      { class: "mw-strip", "data-testid": "mw-strip" },
      h(
        "div",
        { class: "mw-strip-line" },
        h("strong", { class: "mw-title", title: board.spec.title }, board.spec.title),
        this.state,
        h("div", { class: "mw-facts" }, ...Object.values(this.facts)),
        this.costs.element,
        steer,
      ),
      h("div", { class: "mw-strip-line mw-strip-second" }, this.headline, this.items, reply),
    );
  }

  update() {
    const { status } = this.board;
    const state = this.board.kernelGone && status.state !== "finished" ? "gone" : status.state;
    const [word, meaning] = this.wordsOf(state);
    if (this.state.getAttribute("data-state") !== state) this.state.setAttribute("data-state", state);
    setText(this.word, word);
    this.state.title = meaning;
    const began = status.step > 0;
    this.set("epoch", began || status.epoch > 0 ? `epoch ${status.epoch}` : "", "Epoch under way, from 1");
    this.set("step", began ? `step ${countText(status.step)}` : "", "Optimizer steps so far");
    this.set(
      "phase",
      began && state === "live" ? (status.phase === "eval" ? "eval" : status.phase) : "",
      "Whether the model trains or is evaluated",
    );
    this.set(
      "rate",
      state === "live" && status.steps_per_s > 0 ? `${valueText(status.steps_per_s)} steps/s` : "",
      "Optimizer steps a second",
    );
    this.set("elapsed", began ? clockText(status.elapsed_s) : "", "Time since the first step");
    const left = state === "live" ? (status.eta_s ?? NaN) : NaN;
    this.set("eta", left === left ? `ETA ${clockText(left)}` : "", "Time until the run ends, at its present pace");
    this.costs.update(status.overhead);
    this.updateNumbers();
    this.updateItems(status.items ?? []);
  }

  /** Metrics that were asked to stand here; those that have a curve here already are not told twice. @param {[string, string][]} items */
  updateItems(items) {
    const others = items.filter(([name]) => !this.numbers.has(name));
    this.items.hidden = !others.length;
    const shape = JSON.stringify(others.map(([name]) => name));
    if (this.items.dataset.shape !== shape) {
      this.items.dataset.shape = shape;
      this.items.replaceChildren(...others.map(([name]) => stripItem(name)));
    }
    others.forEach(([, text], i) => setText(/** @type {Element} */ (this.items.children[i].lastElementChild), text));
  }

  /** @param {string} state @returns {[string, string]} */
  wordsOf(state) {
    const asked = this.board.kernelGone ? "" : this.board.commands.asked;
    this.state.dataset.asked = asked;
    if (asked && ["live", "fault", "paused"].includes(state) && !(asked === "pause" && state === "paused")) return ASKED[asked];
    if (asked === "pause" && ["waiting", "finished"].includes(state)) return PAUSE_AHEAD;
    return (state === "finished" && endOf(this.board.status)) || (STATES[state] ?? [state, ""]);
  }

  /** @param {string} key @param {string} text @param {string} title */
  set(key, text, title) {
    setText(this.facts[key], text);
    this.facts[key].hidden = !text;
    this.facts[key].title = title;
  }

  /** The newest loss and metrics, with a small curve each. */
  updateNumbers() {
    for (const { name, values, newest } of this.board.headline()) {
      let shown = this.numbers.get(name);
      if (!shown) this.numbers.set(name, (shown = this.addNumber(name)));
      setText(shown.value, valueText(newest));
      shown.path.setAttribute("d", sparkline(values, 54, 14));
    }
  }

  close() {
    this.costs.close();
  }

  /** @param {string} name */
  addNumber(name) {
    const value = h("b", {});
    const path = svg("path", { class: "mw-spark-line", stroke: this.board.names.colourOf(name) });
    const spark = svg("svg", { class: "mw-spark", viewBox: "0 0 54 14", "aria-hidden": "true" }, path);
    this.headline.append(
      h(
        "span",
        { class: "mw-number", title: name },
        h("span", { class: "mw-number-name" }, name.replace(/_/g, " ")),
        value,
        spark,
      ),
    );
    return { value, path };
  }
}

/**
 * What ended the run before its time, at the step that it has come to.
 * @param {Status} status
 * @returns {[string, string] | undefined}
 */
function endOf({ events, step }) {
  const last = (events ?? []).filter(({ kind }) => kind === "error").at(-1);
  if (last?.last_step !== step) return undefined;
  const [head] = last.words.split(":");
  return [`${head[0].toLowerCase()}${head.slice(1)} at step ${countText(step)}`, `${last.words}. What was read stays`];
}

/** @param {string} name */
function stripItem(name) {
  const given = { class: "mw-number", "data-testid": "mw-strip-item", "data-name": name, title: name };
  return h("span", given, h("span", { class: "mw-number-name" }, name.replace(/_/g, " ")), h("b", {}));
}

/** @param {string} key */
function fact(key) {
  return h("span", { class: `mw-fact-${key}`, "data-testid": `mw-${key}` });
}

/** @param {number[]} values @param {number} width @param {number} height */
function sparkline(values, width, height) {
  const some = values.filter((value) => value === value);
  if (some.length < 2) return "M0,0";
  const [low, high] = [Math.min(...some), Math.max(...some)];
  const x = (/** @type {number} */ i) => (1 + (i / (some.length - 1)) * (width - 2)).toFixed(1);
  const y = (/** @type {number} */ v) => (height - 2 - ((v - low) / (high - low || 1)) * (height - 4)).toFixed(1);
  return some.map((value, i) => `${i ? "L" : "M"}${x(i)},${y(value)}`).join("");
}
