// @ts-check
// When to draw: in the next frame when a person asked for it; new data wait until the last drawing is long enough ago.
// A hidden page has no frames, so nothing is drawn there, and what came meanwhile is drawn once when it is seen again.

const USUAL_MS = 90; // from one drawing of new data to the next, at least, at ten updates a second
const LONGEST_MS = 450; // the same where updates are rare: what comes out of turn is not kept waiting
const PAUSE_SHARE = 1; // and so many times what the last one cost, painting included, is left free between them

export class Pace {
  /** @param {(urgent: boolean) => void} draw @param {() => void} painted called when a drawing is on the screen */
  constructor(draw, painted) {
    this.draw = draw;
    this.painted = painted;
    this.frame = 0;
    this.timer = 0;
    this.urgent = false;
    this.notBefore = 0;
    this.every_ms = USUAL_MS;
  }

  /** @param {number} rate updates a second that are asked for */
  keep(rate) {
    this.every_ms = Math.min((10 * USUAL_MS) / rate, LONGEST_MS);
  }

  /** @param {boolean} urgent */
  ask(urgent) {
    this.urgent ||= urgent;
    if (this.frame || (this.timer && !urgent)) return;
    clearTimeout(this.timer);
    this.timer = 0;
    const wait = urgent ? 0 : this.notBefore - performance.now();
    if (wait > 4) this.timer = window.setTimeout(() => this.nextFrame(), wait);
    else this.nextFrame();
  }

  nextFrame() {
    this.timer = 0;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const began = performance.now();
      const urgent = this.urgent;
      this.urgent = false;
      this.draw(urgent);
      requestAnimationFrame(() => {
        const now = performance.now(); // by now it is painted
        this.notBefore = Math.max(began + this.every_ms, now + PAUSE_SHARE * (now - began));
        this.painted();
      });
    });
  }

  stop() {
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
  }
}
