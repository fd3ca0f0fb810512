// @ts-check
// A small box that opens under a button: closes with Escape, with a click elsewhere, and gives the focus back.
import { h } from "./dom.js";

export class Popover {
  /**
   * @param {HTMLElement} button
   * @param {() => (Node | string)[]} fill called each time it opens
   * @param {{label: string, testid: string}} options
   */
  constructor(button, fill, { label, testid }) {
    this.button = button;
    this.fill = fill;
    this.box = h("div", {
      class: "mw-popover",
      role: "dialog",
      "aria-label": label,
      "data-testid": testid,
      hidden: true,
    });
    this.element = h("span", { class: "mw-popover-anchor" }, button, this.box);
    button.setAttribute("aria-haspopup", "dialog");
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => (this.box.hidden ? this.open() : this.close()));
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.box.hidden) return;
      event.stopPropagation();
      this.close();
      button.focus();
    });
    this.elsewhere = (/** @type {Event} */ event) => {
      if (!event.composedPath().includes(this.element)) this.close();
    };
  }

  open() {
    this.box.replaceChildren(...this.fill());
    this.box.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", this.elsewhere, true);
    this.keepInside();
  }

  close() {
    this.box.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", this.elsewhere, true);
  }

  /** Move it left where it would leave the dashboard. */
  keepInside() {
    this.box.style.marginLeft = "0";
    const root = this.element.closest(".mw-root")?.getBoundingClientRect();
    const box = this.box.getBoundingClientRect();
    if (!root) return;
    const over = box.right - root.right + 4;
    if (over > 0) this.box.style.marginLeft = `${-Math.min(over, box.left - root.left - 4)}px`;
    else if (box.left < root.left + 4) this.box.style.marginLeft = `${root.left + 4 - box.left}px`;
  }
}
