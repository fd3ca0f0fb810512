// @ts-check
// What is asked of the run from here: sent, remembered until Python has answered, and told in words.
import { countText } from "./format.js";
import { sendQuietly } from "./view.js";

/** @typedef {import('./types.js').Model} Model */
/** @typedef {import('./types.js').Status} Status */
/** @typedef {import('./types.js').Answer} Answer */
/** @typedef {import('./types.js').Said} Said */
/** @typedef {{name: string, wish: string, settled: (answer: Answer) => void}} Pending */

const PATIENCE_MS = 10_000; // until it is told that nobody has answered
const CELL_MS = 500; // the same where answers come when the cell ends
/** How long words stay. @type {Record<Said['kind'], number>} */
const STAY_MS = { done: 6_000, refused: 20_000, waits: Infinity };
const AT_CELL_END = "when the cell ends";
/** What each command wants the loop to come to. @type {Record<string, string>} */
const WISHES = { pause: "pause", stop: "stop" };
const LOOP = ["pause", "resume", "step", "step_epoch", "stop"];

export class Commands {
  /** @param {Model} model @param {() => Status} status where the run stands now */
  constructor(model, status) {
    this.model = model;
    this.status = status;
    this.prefix = Math.random().toString(36).slice(2);
    this.sent = 0;
    /** @type {Map<string, Pending>} */ this.pending = new Map();
    /** What the loop shall come to, while the status does not say it yet. */ this.wish = "";
    /** @type {Said} */ this.said = { kind: "done", words: "", faded: true };
    /** @type {Set<() => void>} */ this.listeners = new Set();
    /** @type {Set<number>} */ this.timers = new Set();
    this.fading = 0;
  }

  /** What comes at the next boundary: 'pause', 'stop' or ''. */
  get asked() {
    return this.status().asked || this.wish;
  }

  /**
   * Ask for something.
   * @param {string} name @param {object} [given] its arguments @param {(answer: Answer) => void} [settled]
   */
  send(name, given = {}, settled = () => {}) {
    const number = `${this.prefix}-${++this.sent}`;
    const wish = WISHES[name] ?? "";
    this.pending.set(number, { name, wish, settled });
    if (LOOP.includes(name)) this.wish = wish;
    sendQuietly(this.model, { type: "command", number, name, arguments: given });
    const atCellEnd = this.status().reach === AT_CELL_END;
    const words = atCellEnd ? "Will be done when the cell ends" : "Not answered yet: the kernel is busy";
    this.later(atCellEnd ? CELL_MS : PATIENCE_MS, () => this.pending.has(number) && this.say("waits", words));
    this.announce();
  }

  /** @param {Answer} answer of Python: to something asked here, in another page, or in Python */
  take(answer) {
    const own = this.pending.get(answer.number);
    this.pending.delete(answer.number);
    if (LOOP.includes(answer.name) && (answer.refused || !own)) this.wish = "";
    const ahead = answer.name === "pause" && ["waiting", "finished"].includes(this.status().state);
    const words = !answer.refused && ahead ? "will pause before the next training step" : answer.words || answer.name;
    if (answer.refused) this.say("refused", `Refused: ${words}`);
    else this.say("done", [words, `step ${countText(answer.step)}`, ...(answer.origin === "python" ? ["from Python"] : [])].join(" · "));
    own?.settled(answer);
  }

  /** The status is new: what was wished for may have come. */
  look() {
    const { state, asked } = this.status();
    const over = this.wish === "pause" ? state === "paused" || state === "finished" : !["live", "paused", "fault"].includes(state);
    if (this.wish && (over || asked) && ![...this.pending.values()].some(({ wish }) => wish)) this.wish = "";
  }

  /** The kernel is gone, and with it who would answer. */
  forget() {
    this.pending.clear();
    this.wish = "";
    if (this.said.kind === "waits") this.say("done", "");
  }

  /** @param {Said['kind']} kind @param {string} words */
  say(kind, words) {
    this.said = { kind, words, faded: !words };
    clearTimeout(this.fading);
    this.timers.delete(this.fading);
    if (words && STAY_MS[kind] < Infinity) this.fading = this.later(STAY_MS[kind], () => this.fade());
    this.announce();
  }

  fade() {
    this.said = { ...this.said, faded: true };
    this.announce();
  }

  announce() {
    for (const listener of this.listeners) listener();
  }

  /** @param {number} after_ms @param {() => void} then */
  later(after_ms, then) {
    const timer = window.setTimeout(() => {
      this.timers.delete(timer);
      then();
    }, after_ms);
    this.timers.add(timer);
    return timer;
  }

  close() {
    for (const timer of this.timers) clearTimeout(timer);
  }
}
