// @ts-check
// Asks Python for the whole state where messages may have got lost: a number is missing, the network or the page was away.
import { keepLine } from "./line.js";
import { sendQuietly } from "./view.js";

/** @typedef {import('./types.js').Model} Model */

const ASK_AGAIN_MS = 5_000; // a request that was not answered by then may have got lost itself
const AWAY_MS = 10_000; // out of sight for so long, or asleep
const LOOK_MS = 5_000; // between two looks at the clock, which a computer that sleeps misses

export class Whole {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.asked = -Infinity;
    this.hiddenAt = Infinity;
    this.seen = Date.now();
    const listeners = new AbortController();
    const { signal } = listeners;
    window.addEventListener("online", () => this.ask(), { signal });
    document.addEventListener("visibilitychange", () => this.turned(), { signal });
    const timer = window.setInterval(() => this.look(), LOOK_MS);
    const unwatch = this.watchConnection();
    const leaveLine = keepLine(model.widget_manager?.kernel);
    this.close = () => {
      listeners.abort();
      clearInterval(timer);
      unwatch();
      leaveLine();
    };
  }

  /** @param {number | undefined} number of a message that came @param {number} got the one before; 0 for none */
  saw(number, got) {
    if (number !== undefined && got && number > got + 1) this.ask();
  }

  ask() {
    const now = performance.now();
    if (now - this.asked < ASK_AGAIN_MS) return;
    this.asked = now;
    sendQuietly(this.model, { type: "whole" });
  }

  /** The whole state came. */
  came() {
    this.asked = -Infinity;
  }

  turned() {
    if (document.hidden) {
      this.hiddenAt = Date.now();
      return;
    }
    if (Date.now() - this.hiddenAt > AWAY_MS) this.ask();
    this.hiddenAt = Infinity;
  }

  /** Timers of a page in sight are in time unless the computer slept; those of a hidden one may be held back. */
  look() {
    const now = Date.now();
    if (!document.hidden && now - this.seen > LOOK_MS + AWAY_MS) this.ask();
    this.seen = now;
  }

  /** Ask when the front end has found its kernel again, where it tells. */
  watchConnection() {
    const changed = this.model.widget_manager?.kernel?.connectionStatusChanged;
    if (!changed?.connect) return () => {};
    const look = (/** @type {unknown} */ _, /** @type {string} */ status) => {
      if (status === "connected") this.ask();
    };
    changed.connect(look);
    return () => changed.disconnect(look);
  }
}
