// @ts-check
// A lens that failed: its words, where it was, and the traceback for who wants it.
import { h } from "./dom.js";
import { countText } from "./format.js";

/**
 * Fill a box with faults; hide it where there are none. Faults only ever join, so what is open stays open.
 * @param {HTMLElement} box
 * @param {import('./types.js').Fault[]} faults
 */
export function fillFaults(box, faults) {
  box.hidden = faults.length === 0;
  if (box.childElementCount !== faults.length) box.replaceChildren(...faults.map(faultBox));
}

/** @param {import('./types.js').Fault} fault */
function faultBox(fault) {
  const where = [fault.lens, fault.module, fault.step >= 0 ? `step ${countText(fault.step)}` : ""]
    .filter(Boolean)
    .join(" · ");
  return h(
    "div",
    { class: "mw-fault", "data-testid": "mw-fault", role: "alert" },
    h("div", {}, h("b", {}, "This lens failed and is muted. "), fault.words),
    h("div", { class: "mw-fault-where" }, where),
    fault.traceback ? h("details", {}, h("summary", {}, "Traceback"), h("pre", {}, fault.traceback)) : null,
  );
}
