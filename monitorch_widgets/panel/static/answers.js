// @ts-check
// Tells Python which message has been taken and drawn. Python waits for that before it sends the next, so that a page that
// can't keep up gets fewer messages instead of a queue.
import { sendQuietly } from "./view.js";

/** @typedef {import('./types.js').Model} Model */

const AGAIN_MS = 10_000; // an answer that Python has not heard by then may have got lost

export class Answers {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.page = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`; // several pages may show one dashboard
    this.got = 0; // number of the newest message that came
    this.given = 0; // and of the newest that was answered
    this.heard = 0; // what Python has heard of
    this.at = -Infinity;
  }

  /** @param {{number?: number, heard?: number}} message */
  take({ number, heard }) {
    this.got = number ?? this.got;
    this.heard = heard ?? this.heard;
  }

  /**
   * What came is on display, or there is nothing to display it on. While answers wait behind a running cell, none are
   * added to them.
   */
  give() {
    if (this.given >= this.got) return;
    if (this.given > this.heard && performance.now() < this.at + AGAIN_MS) return;
    this.given = this.got;
    this.at = performance.now();
    sendQuietly(this.model, { type: "taken", page: this.page, number: this.given });
  }
}
