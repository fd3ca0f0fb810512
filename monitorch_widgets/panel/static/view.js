// @ts-check
// The view: everything that decides what is drawn. The page owns it, and tells Python of each change without waiting.
import { SHOWN_AT_FIRST, spread } from "./tree.js";

/** @typedef {import('./types.js').View} View */
/** @typedef {import('./types.js').Spec} Spec */
/** @typedef {import('./types.js').Model} Model */
/** @typedef {import('./types.js').PanelView} PanelView */

const TELL_EVERY_MS = 60;
const LINES = ["mean", "median", "min", "max"];
const BANDS = ["std", "Q1-Q3", "min-max"];

/**
 * A whole view from what Python gave, which may be any part of one.
 * @param {Partial<View> | null | undefined} given
 * @param {Spec} spec
 * @returns {View}
 */
export function wholeView(given, spec) {
  const from = given ?? {};
  const names = watched(spec);
  /** @type {Record<string, PanelView>} */
  const panels = {};
  for (const panel of spec.panels) {
    const own = from.panels?.[panel.tag];
    panels[panel.tag] = {
      lines: LINES.filter((line) => (own?.lines ?? panel.lines).includes(line)),
      bands: BANDS.filter((band) => (own?.bands ?? panel.bands).includes(band)),
      log: own?.log ?? panel.log,
    };
  }
  return {
    seq: from.seq ?? 0,
    shown: from.shown ? [...from.shown] : atFirst(names),
    x: from.x ?? "step",
    window: from.window ?? "auto",
    smooth: from.smooth ?? 0,
    mode: from.mode ?? "lines",
    solo: from.solo ?? null,
    large: from.large ?? null,
    hidden_panels: from.hidden_panels ? [...from.hidden_panels] : [],
    panels,
  };
}

/**
 * What is shown until a person chooses: everything, or some modules, each without its later calls and further outputs.
 * @param {string[]} names
 */
export function atFirst(names) {
  return names.length <= SHOWN_AT_FIRST ? [...names] : spread(bases(names));
}

/**
 * Names of the modules that some panel has numbers for; all of them while nobody knows.
 * @param {Spec} spec
 */
export function watched(spec) {
  const names = spec.modules.map((module) => module.name);
  const owner = ownerOf(names);
  const series = new Set(spec.panels.flatMap((panel) => panel.series).map(owner));
  const some = names.filter((name) => series.has(name));
  return some.length ? some : names;
}

/**
 * The module that a series belongs to: itself, or the one whose parameter it is ('conv1.weight'); null for a metric.
 * @param {string[]} modules
 * @returns {(series: string) => string | null}
 */
export function ownerOf(modules) {
  const known = new Set(modules);
  return (series) => {
    let name = series;
    while (name) {
      if (known.has(name)) return name;
      const cut = Math.max(...[".", " ", "#", "/", ":", "["].map((mark) => name.lastIndexOf(mark)));
      name = cut > 0 ? name.slice(0, cut) : "";
    }
    return null;
  };
}

/**
 * The module of a name that stands for one of its later calls ('layer#2') or further outputs ('rnn[1][0]'); the name
 * itself where it is none of these, or where nobody knows such a module.
 * @param {Set<string>} known
 * @param {string} name
 */
export function baseOf(known, name) {
  for (let end = 1; end < name.length; end++) {
    if ("#[".includes(name[end]) && known.has(name.slice(0, end))) return name.slice(0, end);
  }
  return name;
}

/**
 * Names without those of later calls and further outputs.
 * @param {string[]} names
 */
export function bases(names) {
  const known = new Set(names);
  return names.filter((name) => baseOf(known, name) === name);
}

/** Holds the view, tells Python, and calls back whoever shows it. */
export class ViewState {
  /**
   * @param {Model} model
   * @param {Spec} spec
   */
  constructor(model, spec) {
    this.model = model;
    this.now = wholeView(model.get("view"), spec);
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    this.timer = 0;
    this.told = -Infinity;
  }

  /**
   * Change the view, here and at once.
   * @param {Partial<View>} change
   */
  change(change) {
    this.now = { ...this.now, ...change, seq: this.now.seq + 1 };
    this.announce();
    this.tell();
  }

  /** @param {string} tag @param {Partial<PanelView>} change */
  changePanel(tag, change) {
    this.change({ panels: { ...this.now.panels, [tag]: { ...this.now.panels[tag], ...change } } });
  }

  /**
   * Take a view that Python set; what it has of ours, or older, is an echo.
   * @param {Partial<View>} given
   * @param {Spec} spec
   */
  adopt(given, spec) {
    if (!given || (given.seq ?? 0) <= this.now.seq) return;
    this.now = wholeView(given, spec);
    this.announce();
  }

  /**
   * Take over a view for new panels; choices made here that Python has not heard of yet stay.
   * @param {Partial<View>} given @param {Spec} spec
   */
  renew(given, spec) {
    const own = this.now;
    const newer = (given.seq ?? 0) < own.seq;
    this.now = wholeView(newer ? { ...given, ...own, panels: { ...given.panels, ...own.panels } } : given, spec);
    this.announce();
  }

  announce() {
    for (const listener of this.listeners) listener();
  }

  /** The last of a burst of changes is always told; a kernel that is busy or gone is no reason to fail. */
  tell() {
    if (this.timer) return;
    const wait = Math.max(0, this.told + TELL_EVERY_MS - performance.now());
    const send = () => {
      this.timer = 0;
      this.told = performance.now();
      sendQuietly(this.model, { type: "view", view: this.now });
    };
    if (wait === 0) send();
    else this.timer = window.setTimeout(send, wait);
  }
}

/**
 * Send to Python, or don't: the page never depends on it.
 * @param {Model} model
 * @param {object} message
 */
export function sendQuietly(model, message) {
  try {
    const sent = /** @type {any} */ (model.send(message));
    if (sent && typeof sent.catch === "function") sent.catch(() => {});
  } catch {
    // the kernel is gone: nobody to tell
  }
}
