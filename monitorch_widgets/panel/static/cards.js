// @ts-check
// The cards: what is shown beside the curves. The newest of each key, with the buffers that came with it or before.

/** @typedef {import('./types.js').Bytes} Bytes */

/**
 * `buffers` has null for what was left out; `version` counts what came, over all cards.
 * @typedef {{
 *   key: string, tab: string, kind: string, title: string, content: any, ids: string[], buffers: (Uint8Array | null)[],
 *   version: number,
 * }} Card
 */

export const PANELS_TAB = "Panels";
export const PERFORMANCE_TAB = "Performance";
/** In the order in which they stand; others come after them. */
const TABS = ["Data", "Gallery", "Checks", "LR finder", "Run", PERFORMANCE_TAB];

export class Cards {
  /** @param {any} state all cards as Python has them */
  constructor(state) {
    /** @type {Map<string, Card>} */ this.all = new Map();
    this.version = 0;
    this.adopt(state);
  }

  /** Tabs that have a card. */
  get tabs() {
    return this.tabsWith([]);
  }

  /** The same, and those that are there without. @param {string[]} standing */
  tabsWith(standing) {
    const some = new Set([...standing, ...[...this.all.values()].map(({ tab }) => tab)]);
    return [...TABS.filter((tab) => some.has(tab)), ...[...some].filter((tab) => !TABS.includes(tab))];
  }

  /** @param {string} tab */
  inTab(tab) {
    return [...this.all.values()].filter((card) => card.tab === tab);
  }

  /** One card; what it has not brought is here already. @param {any} message @param {Bytes[]} buffers */
  take(message, buffers) {
    const fresh = new Map(message.fresh.map((/** @type {number} */ place, /** @type {number} */ i) => [place, bytesOf(buffers[i])]));
    this.put(message, (place) => fresh.get(place));
  }

  /** All cards. @param {any} state */
  adopt(state) {
    const cards = state?.cards ?? [];
    const keys = new Set(cards.map((/** @type {Card} */ { key }) => key));
    this.drop([...this.all.keys()].filter((key) => !keys.has(key)));
    if (!cards.length) return;
    const bytes = bytesOf(state.bytes);
    for (const card of cards)
      this.put(card, (place) => {
        const span = card.spans[place];
        return span ? bytes.subarray(span[0], span[0] + span[1]) : undefined;
      });
  }

  /** @param {string[]} keys */
  drop(keys) {
    if (keys.length) this.version++;
    for (const key of keys) this.all.delete(key);
  }

  /** @param {any} given @param {(place: number) => Uint8Array | undefined} find */
  put({ key, tab, kind, title, content, ids }, find) {
    const former = this.all.get(key);
    const held = new Map((former?.ids ?? []).map((id, place) => [id, former?.buffers[place]]));
    const buffers = ids.map((/** @type {string} */ id, /** @type {number} */ place) => find(place) ?? held.get(id) ?? null);
    this.all.set(key, { key, tab, kind, title, content, ids, buffers, version: ++this.version });
  }
}

/** @param {Bytes} bytes */
function bytesOf(bytes) {
  if (!bytes) return new Uint8Array();
  if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
