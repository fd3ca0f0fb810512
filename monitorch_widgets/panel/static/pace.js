// @ts-check
// When to draw: in the next frame when a person asked for it; new data wait until the last drawing is long enough ago.
// A hidden page has no frames, so nothing is drawn there.

const PAUSE_MS = 90; // between drawings of new data, at least
const PAUSE_SHARE = 3; // and so many times what the last one cost, painting included

export class Pace {
  /** @param {(urgent: boolean) => void} draw */
  constructor(draw) {
    this.draw = draw;
    this.frame = 0;
    this.timer = 0;
    this.urgent = false;
    this.notBefore = 0;
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
        const cost = performance.now() - began; // by now it is painted
        this.notBefore = performance.now() + Math.max(PAUSE_MS, PAUSE_SHARE * cost);
      });
    });
  }

  stop() {
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
  }
}
