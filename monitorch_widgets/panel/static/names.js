// @ts-check
// Who is who: modules, the series that belong to them, and the one colour that each name has in every panel.
import { depthColour, freeColour } from "./colours.js";
import { ownerOf } from "./view.js";

/** @typedef {import('./types.js').Spec} Spec */

export class Names {
  /** @param {Spec} spec */
  constructor(spec) {
    this.modules = spec.modules;
    this.all = spec.modules.map((module) => module.name);
    /** Modules that some lens listens to; the others are in the list with the reason. */
    this.watched = spec.modules.filter((module) => !module.note).map((module) => module.name);
    this.owner = ownerOf(this.all);
    const last = Math.max(this.all.length - 1, 1);
    /** @type {Map<string, {order: number, colour: string}>} */
    this.places = new Map(this.all.map((name, i) => [name, { order: i, colour: depthColour(i / last) }]));
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

  /** @param {string} name */
  isFree(name) {
    return this.owner(name) === null;
  }
}
