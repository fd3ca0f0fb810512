// @ts-check
// The row of tabs below the strip: the panels, each kind of cards that there is one of, and how the run performs.
import { PANELS_TAB } from "./cards.js";
import { h, setText } from "./dom.js";
import { counted } from "./format.js";

/** @typedef {import('./board.js').Board} Board */
/** @typedef {import('./cards.js').Card} Card */

/** What a tab says besides its name: a number, or a dot in a colour, and the same in words. */
/** @typedef {{count: string, dot: '' | 'bad' | 'busy', words: string}} Badge */

export class Tabs {
  /** @param {Board} board @param {string} id of the pane below */
  constructor(board, id) {
    this.board = board;
    this.id = id;
    this.shape = "";
    /** @type {Map<string, {button: HTMLElement, count: HTMLElement, dot: HTMLElement}>} */ this.buttons = new Map();
    const given = { class: "mw-tabs", role: "tablist", "aria-label": "What is shown", "data-testid": "mw-tabs", hidden: true };
    this.element = h("div", given);
    this.element.addEventListener("keydown", (event) => this.onKey(event));
  }

  update() {
    const { cards, tab: now } = this.board;
    const tabs = this.board.tabs.length ? [PANELS_TAB, ...this.board.tabs] : [];
    this.element.hidden = !tabs.length;
    if (tabs.join("\n") !== this.shape) this.build(tabs);
    for (const [tab, { button, count, dot }] of this.buttons) {
      button.setAttribute("aria-selected", String(tab === now));
      button.tabIndex = tab === now ? 0 : -1;
      const badge = badgeOf(tab, cards.inTab(tab));
      setText(count, badge.count);
      count.hidden = !badge.count;
      dot.hidden = !badge.dot;
      dot.dataset.dot = badge.dot;
      const name = badge.words ? `${tab}, ${badge.words}` : tab;
      if (button.ariaLabel !== name) button.ariaLabel = name;
      if (button.title !== badge.words) button.title = badge.words;
    }
  }

  /** @param {string[]} tabs */
  build(tabs) {
    this.shape = tabs.join("\n");
    const focused = [...this.buttons].find(([, { button }]) => button === document.activeElement)?.[0];
    this.buttons = new Map(tabs.map((tab) => [tab, this.button(tab)]));
    this.element.replaceChildren(...[...this.buttons.values()].map(({ button }) => button));
    if (focused) this.buttons.get(focused)?.button.focus({ preventScroll: true });
  }

  /** @param {string} tab */
  button(tab) {
    const count = h("span", { class: "mw-tab-count", hidden: true });
    const dot = h("i", { class: "mw-tab-dot", hidden: true });
    const button = h(
      "button",
      {
        type: "button",
        role: "tab",
        class: "mw-tab",
        "data-testid": "mw-tab",
        "data-tab": tab,
        "aria-controls": tab === PANELS_TAB ? null : this.id,
        onclick: () => this.board.chooseTab(tab),
      },
      h("span", { class: "mw-tab-word", "data-word": tab }, tab),
      count,
      dot,
    );
    return { button, count, dot };
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const tabs = [...this.buttons.keys()];
    const at = tabs.indexOf(this.board.tab);
    /** @type {Record<string, number>} */
    const goals = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 };
    if (!(event.key in goals)) return;
    event.preventDefault();
    event.stopPropagation();
    const tab = tabs[(goals[event.key] + tabs.length) % tabs.length];
    this.board.chooseTab(tab);
    this.buttons.get(tab)?.button.focus();
  }
}

/** @param {string} tab @param {Card[]} cards @returns {Badge} */
function badgeOf(tab, cards) {
  const has = (/** @type {string} */ state) => cards.filter(({ content }) => content.state === state).length;
  const bad = tab === "Data" ? cards.filter(({ content }) => content.nan > 0 || content.inf > 0).length : has("failed");
  const words = tab === "Data" ? `${counted(bad, "tensor")} with NaN or infinity` : `${bad} failed`;
  const count = ["Data", "Gallery"].includes(tab) ? String(cards.length) : "";
  if (bad) return { count, dot: "bad", words };
  return has("running") ? { count, dot: "busy", words: "running" } : { count, dot: "", words: "" };
}
