/** Agents of one name: a list shows their ids, or a reader could not tell them apart. */

import { foldText } from "../js/src/names.js";

/** @typedef {import("../js/src/objects.js").Agent} Agent */

export class Namesakes {
  /** How many rows have a name, by the folded name. @type {Map<string, number>} */
  #counts = new Map();

  /**
   * Return whether other rows have this row's name.
   *
   * @param {Agent} row
   */
  has({ name }) {
    return (this.#counts.get(foldText(name)) ?? 0) > 1;
  }

  /** @param {Iterable<Agent>} rows All rows there are. */
  replace(rows) {
    this.#counts.clear();
    for (const { name } of rows) this.#add(name, 1);
  }

  /**
   * Take a row's change.
   *
   * @param {Agent | undefined} before
   * @param {Agent | undefined} after
   * @returns {boolean} Whether another row has a namesake now, or none any more.
   */
  change(before, after) {
    if (before?.name === after?.name) return false;
    const left = before !== undefined && this.#add(before.name, -1) === 1;
    const joined = after !== undefined && this.#add(after.name, 1) === 2;
    return left || joined;
  }

  /**
   * @param {string} name
   * @param {1 | -1} count
   */
  #add(name, count) {
    const folded = foldText(name);
    const sum = (this.#counts.get(folded) ?? 0) + count;
    if (sum === 0) this.#counts.delete(folded);
    else this.#counts.set(folded, sum);
    return sum;
  }
}
