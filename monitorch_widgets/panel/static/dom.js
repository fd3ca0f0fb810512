// @ts-check
// Building elements. Names that come from a model are text: they reach the document as text nodes and attributes only.

/**
 * @typedef {string | number | boolean | null | undefined | ((event: any) => void)} Attribute
 */

/**
 * An element with attributes, listeners (`onclick: f`) and children; strings become text.
 * @param {string} tag
 * @param {Record<string, Attribute>} [attributes]
 * @param {...(Node | string | null)} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  for (const child of children) if (child !== null) element.append(child);
  return element;
}

/**
 * The same for SVG.
 * @param {string} tag
 * @param {Record<string, Attribute>} [attributes]
 * @param {...(Node | string | null)} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(element, attributes);
  for (const child of children) if (child !== null) element.append(child);
  return element;
}

/**
 * Set attributes; `false`, `null` and `undefined` take one away, a function listens.
 * @param {Element} element
 * @param {Record<string, Attribute>} attributes
 */
export function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * Set an element's text only when it differs, so that nothing is laid out anew for nothing.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Outlines of the icons, drawn on a square of 16. @type {Record<string, string>} */
const ICONS = {
  enlarge: "M9.5 2.5h4v4M13.5 2.5l-5 5M6.5 13.5h-4v-4M2.5 13.5l5-5",
  shrink: "M13 7H9V3M9 7l4.5-4.5M3 9h4v4M7 9l-4.5 4.5",
  more: "M3 8h.01M8 8h.01M13 8h.01",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.5 10.5l3 3",
  open: "M4 6l4 4 4-4",
  closed: "M6 4l4 4-4 4",
  panels: "M2.5 3.5h11v9h-11zM8 3.5v9",
  instrument: "M2.5 5h5M11.5 5h2M2.5 11h2M8.5 11h5M9.5 3v4M6.5 9v4",
  close: "M4 4l8 8M12 4l-8 8",
  pause: "M5.5 4v8M10.5 4v8",
  play: "M5 3.5v9l7.5-4.5z",
  step: "M4 3.5v9l6-4.5zM12.5 3.5v9",
  stop: "M4 4h8v8h-8z",
};

/**
 * @param {keyof typeof ICONS} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const shape = svg("path", { d: ICONS[name] });
  return svg("svg", { class: `mw-icon mw-icon-${name}`, viewBox: "0 0 16 16", "aria-hidden": "true" }, shape);
}

/**
 * A button that is on or off.
 * @param {string} label
 * @param {{testid: string, title: string, name?: string, onclick: (event: MouseEvent) => void}} options
 *   `name` is what a screen reader says where the label alone is a symbol
 * @returns {HTMLElement}
 */
export function toggle(label, { testid, title, name, onclick }) {
  return h(
    "button",
    {
      type: "button",
      class: "mw-toggle",
      "data-testid": testid,
      "aria-label": name,
      title,
      "aria-pressed": "false",
      onclick,
    },
    label,
  );
}

/**
 * @param {Element} button
 * @param {boolean | 'mixed'} on
 */
export function press(button, on) {
  if (button.getAttribute("aria-pressed") !== String(on)) button.setAttribute("aria-pressed", String(on));
}
