/** The rows of one list, sorted and searched. Each change moves one row, so that ten thousand rows cost no frame. */

import { foldText, searchTerms } from "../js/src/names.js";

/** @typedef {import("../js/src/objects.js").Agent} Agent */
/** @typedef {import("../js/src/objects.js").Department} Department */

/** Above this many changes at once, sorting all rows is cheaper than moving each. */
const MOVES_MAX = 500;

/** How many rows from the top are in order at once; more than any screen shows. */
const HEAD_ROWS = 100;

/**
 * Sort the first items only: one pass over all, instead of sorting them.
 *
 * @template Item
 * @param {readonly Item[]} items
 * @param {number} count
 * @param {(one: Item, other: Item) => number} compare A total order: only an item and itself are equal.
 * @returns {Item[]} The first `count` items in order.
 */
export function firstSorted(items, count, compare) {
  const head = items.slice(0, count).sort(compare);
  for (let index = count; index < items.length; index += 1) {
    const item = /** @type {Item} */ (items[index]);
    if (compare(item, /** @type {Item} */ (head[count - 1])) >= 0) continue;
    head.pop();
    head.splice(positionOf(item, head, compare), 0, item);
  }
  return head;
}

/**
 * A sorted and searched list of rows.
 *
 * @template {{ readonly id: string }} Row
 */
export class SortedRows {
  #compare;
  #describe;
  /** @type {Map<string, Row>} */
  #byId = new Map();
  /** @type {Map<string, string>} */
  #searchTexts = new Map();
  /** @type {Row[]} */
  #ordered = [];
  /** Whether the rows behind the head are in order too. */
  #sorted = true;
  /** @type {Row[] | null} */
  #matches = null;
  /** @type {readonly string[]} */
  #terms = [];
  /** @type {string | null} */
  #hiddenId = null;

  /**
   * @param {(one: Row, other: Row) => number} compare A total order: only a row and itself are equal.
   * @param {(row: Row) => string} describe Returns the text that a search looks into.
   */
  constructor(compare, describe) {
    this.#compare = compare;
    this.#describe = describe;
  }

  /** The rows that match the search; in order, as far as they are `sorted`. @returns {readonly Row[]} */
  get rows() {
    if (this.#terms.length === 0) return this.#ordered;
    this.#matches ??= this.#ordered.filter((row) => this.#isMatch(row));
    return this.#matches;
  }

  /** Whether all rows are in order, and not only the first screenful. */
  get sorted() {
    return this.#sorted;
  }

  /** The number of rows, whatever the search. */
  get size() {
    return this.#byId.size - Number(this.#hiddenId !== null && this.#byId.has(this.#hiddenId));
  }

  /**
   * Return a row, whatever the search.
   *
   * @param {string} id
   */
  get(id) {
    return this.#byId.get(id);
  }

  /**
   * Show only the rows that contain every word of a text.
   *
   * @param {string} text
   */
  search(text) {
    this.sort();
    this.#terms = searchTerms(text);
    this.#matches = null;
  }

  /**
   * Leave one row out, whatever the search; null for none.
   *
   * @param {string | null} id
   */
  hide(id) {
    if (id === this.#hiddenId) return;
    const shown = this.#hiddenId === null ? undefined : this.#byId.get(this.#hiddenId);
    const hidden = id === null ? undefined : this.#byId.get(id);
    this.sort();
    if (hidden !== undefined) this.#remove(hidden);
    this.#hiddenId = id;
    if (shown !== undefined) this.#insert(shown);
  }

  /**
   * Replace all rows. Of many, only the first are sorted, to be shown at once: call `sort` when there is time. Whatever
   * else needs the order sorts first.
   *
   * @param {ReadonlyMap<string, Row>} rows By id.
   */
  replace(rows) {
    this.#byId = new Map(rows);
    this.#searchTexts.clear();
    this.#rebuild();
  }

  /** Put all rows in order. */
  sort() {
    if (this.#sorted) return;
    this.#ordered.sort(this.#compare);
    this.#sorted = true;
    this.#matches = null;
  }

  /**
   * Take the present state of the rows that changed.
   *
   * @param {Iterable<string>} ids
   * @param {ReadonlyMap<string, Row>} rows All rows as they are now; an id that is missing there is removed.
   */
  update(ids, rows) {
    const changed = [...ids];
    if (changed.length === 0) return;
    const wasSorted = this.#sorted;
    const oneByOne = wasSorted && changed.length <= MOVES_MAX;
    for (const id of changed) {
      const before = this.#byId.get(id);
      const after = rows.get(id);
      if (before === after) continue;
      if (before !== undefined && oneByOne) this.#remove(before);
      this.#searchTexts.delete(id);
      if (after === undefined) {
        this.#byId.delete(id);
      } else {
        this.#byId.set(id, after);
        if (oneByOne) this.#insert(after);
      }
    }
    if (oneByOne) return;
    this.#rebuild();
    // A reader that has scrolled down must not see another order in between.
    if (wasSorted) this.sort();
  }

  /** Forget the search texts, after a change of something that rows refer to. */
  clearSearchTexts() {
    this.#searchTexts.clear();
    this.#matches = null;
  }

  /**
   * Return a row's index in `rows`, or -1.
   *
   * @param {string | null} id
   */
  indexOf(id) {
    const row = id === null ? undefined : this.#byId.get(id);
    if (row === undefined || id === this.#hiddenId) return -1;
    this.sort();
    const { rows } = this;
    const index = this.#position(row, rows);
    return rows[index] === row ? index : -1;
  }

  /** Order all rows: the head at once, the rest in `sort`. */
  #rebuild() {
    this.#ordered = [...this.#byId.values()];
    const hidden = this.#hiddenId === null ? undefined : this.#byId.get(this.#hiddenId);
    if (hidden !== undefined) this.#ordered.splice(this.#ordered.indexOf(hidden), 1);
    this.#matches = null;
    this.#sorted = false;
    if (this.#terms.length > 0 || this.#ordered.length <= 2 * HEAD_ROWS) {
      this.sort();
      return;
    }
    const head = firstSorted(this.#ordered, HEAD_ROWS, this.#compare);
    const inHead = new Set(head);
    this.#ordered = [...head, ...this.#ordered.filter((row) => !inHead.has(row))];
  }

  /** @param {Row} row As it was inserted. */
  #remove(row) {
    if (row.id === this.#hiddenId) return;
    this.#ordered.splice(this.#position(row), 1);
    if (this.#matches === null) return;
    const index = this.#position(row, this.#matches);
    if (this.#matches[index] === row) this.#matches.splice(index, 1);
  }

  /** @param {Row} row */
  #insert(row) {
    if (row.id === this.#hiddenId) return;
    this.#ordered.splice(this.#position(row), 0, row);
    if (this.#matches !== null && this.#isMatch(row))
      this.#matches.splice(this.#position(row, this.#matches), 0, row);
  }

  /**
   * @param {Row} row
   * @param {readonly Row[]} rows
   */
  #position(row, rows = this.#ordered) {
    return positionOf(row, rows, this.#compare);
  }

  /** @param {Row} row */
  #isMatch(row) {
    let text = this.#searchTexts.get(row.id);
    if (text === undefined) {
      text = foldText(this.#describe(row));
      this.#searchTexts.set(row.id, text);
    }
    return this.#terms.every((term) => text.includes(term));
  }
}

/**
 * Return an item's index in a sorted list, or the index to insert it at (binary search).
 *
 * @template Item
 * @param {Item} item
 * @param {readonly Item[]} items
 * @param {(one: Item, other: Item) => number} compare
 */
function positionOf(item, items, compare) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(/** @type {Item} */ (items[middle]), item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
