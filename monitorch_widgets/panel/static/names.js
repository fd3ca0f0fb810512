// @ts-check
// Who is who: modules, the series that belong to them, and the one colour that each name has in every panel.
import { depthColour, freeColour } from "./colours.js";
import { baseOf, ownerOf } from "./view.js";

/** @typedef {import('./types.js').Spec} Spec */

export class Names {
  /** @param {Spec} spec */
  constructor(spec) {
    this.modules = spec.modules;
    this.all = spec.modules.map((module) => module.name);
    this.owner = ownerOf(this.all);
    const known = new Set(this.all);
    /** Name to the module whose call or output it is; a module of its own to itself. */
    this.bases = new Map(this.all.map((name) => [name, baseOf(known, name)]));
    const depths = new Map([...new Set(this.bases.values())].map((name, i) => [name, i]));
    const last = Math.max(depths.size - 1, 1);
    const colour = (/** @type {string} */ name) => depthColour((depths.get(this.base(name)) ?? 0) / last);
    /** @type {Map<string, {order: number, colour: string}>} */
    this.places = new Map(this.all.map((name, i) => [name, { order: i, colour: colour(name) }]));
    /** @type {Map<string, string>} */
    this.free = new Map();
  }

  /** @param {string} name */
  colourOf(name) {
    const place = this.places.get(this.owner(name) ?? "");
    if (place) return place.colour;
    const colour = this.free.get(name) ?? freeColour(this.free.size);
    this.free.set(name, colour);
    return colour;
  }

  /** Model order, whatever order the readings came in; what is no module comes first. @param {string} name */
  order(name) {
    return this.places.get(this.owner(name) ?? "")?.order ?? -1;
  }

  /** The module of a series, all its calls and outputs together; '' for none. @param {string} name */
  base(name) {
    const owner = this.owner(name) ?? "";
    return this.bases.get(owner) ?? owner;
  }

  /** @param {string} name */
  isFree(name) {
    return this.owner(name) === null;
  }
}
