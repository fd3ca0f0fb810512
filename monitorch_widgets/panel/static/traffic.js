// @ts-check
// What has come here lately: updates, bytes, and how old the newest is.

const WINDOW_S = 3; // that a rate is taken over; longer where updates are rare
const MOST = 256; // messages that are remembered

export class Traffic {
  /** @param {() => number} [clock] in milliseconds */
  constructor(clock = () => performance.now()) {
    this.clock = clock;
    /** @type {{at: number, bytes: number, update: boolean}[]} */ this.seen = [];
    this.newest = NaN; // when the newest update came
    this.heard = 0; // the newest message of which Python has heard that it was taken, as far as it was ever told
  }

  /**
   * A message came.
   * @param {any} content @param {{byteLength: number}[]} buffers @param {boolean} update whether it says where the run stands
   */
  saw(content, buffers, update) {
    const bytes = JSON.stringify(content ?? null).length + (buffers ?? []).reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.heard = Math.max(this.heard, content?.heard ?? 0);
    if (update) this.newest = this.clock();
    this.seen.push({ at: this.clock(), bytes, update });
    if (this.seen.length > MOST) this.seen.splice(0, MOST / 2);
  }

  /** Seconds since the newest update; NaN before the first. */
  get age_s() {
    return (this.clock() - this.newest) / 1000;
  }

  /**
   * Updates and bytes a second, lately.
   * @param {number} asked updates a second that are asked for
   */
  rates(asked) {
    const now = this.clock();
    const window_s = Math.max(WINDOW_S, 3 / asked);
    const since = Math.max(now - 1000 * window_s, this.seen[0]?.at ?? now);
    const lately = this.seen.filter(({ at }) => at > since);
    const over_s = (now - since) / 1000;
    if (!(over_s > 0.2)) return { updates: NaN, bytes: NaN };
    const updates = lately.filter(({ update }) => update).length;
    return { updates: updates / over_s, bytes: lately.reduce((sum, { bytes }) => sum + bytes, 0) / over_s };
  }
}
