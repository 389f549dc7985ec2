/** The rows of one tab, in order and searched: kept right change by change, so that ten thousand cost no frame. */

/** @typedef {import("../js/src/objects.js").Agent} Agent */
/** @typedef {import("../js/src/objects.js").Department} Department */

/** Above this many changes at once, sorting anew is cheaper than moving row by row. */
const MOVES_MAX = 500;

/** How many rows from the top are in order at once; those of any screen. */
const HEAD_ROWS = 100;

const MARKS = /\p{Diacritic}/gu;

/**
 * Return a text as it is searched: without accents and case, so that "joao" finds "João".
 *
 * @param {string} text
 */
export function fold(text) {
  return text.normalize("NFD").replace(MARKS, "").toLowerCase();
}

/**
 * An ordered and searched list of rows with an id.
 *
 * @template {{ readonly id: string }} Row
 */
export class Roster {
  #compare;
  #describe;
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Map<string, string>} */
  #folded = new Map();
  /** @type {Row[]} */
  #ordered = [];
  /** Whether the rows behind the head are in order too. */
  #settled = true;
  /** @type {Row[] | null} */
  #found = null;
  /** @type {readonly string[]} */
  #terms = [];
  /** @type {string | null} */
  #hidden = null;

  /**
   * @param {(one: Row, other: Row) => number} compare A total order: only a row and itself are equal.
   * @param {(row: Row) => string} describe What a search looks into.
   */
  constructor(compare, describe) {
    this.#compare = compare;
    this.#describe = describe;
  }

  /** The rows that match the search, in order as far as it is `settled`. @returns {readonly Row[]} */
  get rows() {
    if (this.#terms.length === 0) return this.#ordered;
    this.#found ??= this.#ordered.filter((row) => this.#isFound(row));
    return this.#found;
  }

  /** Whether all rows are in order, and not only the first that a screen shows. */
  get settled() {
    return this.#settled;
  }

  /** How many rows there are, whatever is searched. */
  get size() {
    return this.#rows.size - Number(this.#hidden !== null && this.#rows.has(this.#hidden));
  }

  /**
   * Return a row, whether or not it is searched.
   *
   * @param {string} id
   */
  get(id) {
    return this.#rows.get(id);
  }

  /**
   * Show only the rows in which every word of a text occurs.
   *
   * @param {string} text
   */
  search(text) {
    this.settle();
    this.#terms = fold(text).split(/\s+/).filter(Boolean);
    this.#found = null;
  }

  /**
   * Leave one row out, whatever is searched; null for none.
   *
   * @param {string | null} id
   */
  hide(id) {
    if (id === this.#hidden) return;
    const shown = this.#hidden === null ? undefined : this.#rows.get(this.#hidden);
    const hidden = id === null ? undefined : this.#rows.get(id);
    this.settle();
    if (hidden !== undefined) this.#takeOut(hidden);
    this.#hidden = id;
    if (shown !== undefined) this.#putIn(shown);
  }

  /**
   * Take all rows anew. Of many only the first are put in order, so that they can be shown at once: call `settle` when
   * there is time. All else that needs the order settles it first.
   *
   * @param {ReadonlyMap<string, Row>} rows By id.
   */
  replace(rows) {
    this.#rows = new Map(rows);
    this.#folded.clear();
    this.#begin();
  }

  /** Put all rows in order. */
  settle() {
    if (this.#settled) return;
    this.#ordered.sort(this.#compare);
    this.#settled = true;
    this.#found = null;
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
    const settled = this.#settled;
    const oneByOne = settled && changed.length <= MOVES_MAX;
    for (const id of changed) {
      const before = this.#rows.get(id);
      const after = rows.get(id);
      if (before === after) continue;
      if (before !== undefined && oneByOne) this.#takeOut(before);
      this.#folded.delete(id);
      if (after === undefined) {
        this.#rows.delete(id);
      } else {
        this.#rows.set(id, after);
        if (oneByOne) this.#putIn(after);
      }
    }
    if (oneByOne) return;
    this.#begin();
    // Whoever has scrolled far down by now is not to see another order in between.
    if (settled) this.settle();
  }

  /** Look again into what rows say, after something changed that they only refer to. */
  describeAnew() {
    this.#folded.clear();
    this.#found = null;
  }

  /**
   * Return where a row stands among `rows`, or -1.
   *
   * @param {string | null} id
   */
  indexOf(id) {
    const row = id === null ? undefined : this.#rows.get(id);
    if (row === undefined || id === this.#hidden) return -1;
    this.settle();
    const { rows } = this;
    const index = this.#position(row, rows);
    return rows[index] === row ? index : -1;
  }

  /** Begin with the order of all rows: the head is in order, the rest waits for `settle`. */
  #begin() {
    this.#ordered = [...this.#rows.values()];
    const hidden = this.#hidden === null ? undefined : this.#rows.get(this.#hidden);
    if (hidden !== undefined) this.#ordered.splice(this.#ordered.indexOf(hidden), 1);
    this.#found = null;
    this.#settled = false;
    if (this.#terms.length > 0 || this.#ordered.length <= 2 * HEAD_ROWS) this.settle();
    else this.#bringHeadUp();
  }

  /** @param {Row} row As it was put in. */
  #takeOut(row) {
    if (row.id === this.#hidden) return;
    this.#ordered.splice(this.#position(row), 1);
    if (this.#found === null) return;
    const index = this.#position(row, this.#found);
    if (this.#found[index] === row) this.#found.splice(index, 1);
  }

  /** @param {Row} row */
  #putIn(row) {
    if (row.id === this.#hidden) return;
    this.#ordered.splice(this.#position(row), 0, row);
    if (this.#found !== null && this.#isFound(row))
      this.#found.splice(this.#position(row, this.#found), 0, row);
  }

  /** Move the first rows to the front, in order: one pass over all, instead of sorting them. */
  #bringHeadUp() {
    const rows = this.#ordered;
    const head = rows.slice(0, HEAD_ROWS).sort(this.#compare);
    let last = /** @type {Row} */ (head[HEAD_ROWS - 1]);
    for (let index = HEAD_ROWS; index < rows.length; index += 1) {
      const row = /** @type {Row} */ (rows[index]);
      if (this.#compare(row, last) > 0) continue;
      rows[index] = last;
      head.pop();
      head.splice(this.#position(row, head), 0, row);
      last = /** @type {Row} */ (head[HEAD_ROWS - 1]);
    }
    for (let index = 0; index < HEAD_ROWS; index += 1) rows[index] = /** @type {Row} */ (head[index]);
  }

  /**
   * Return where a row stands, or would stand.
   *
   * @param {Row} row
   * @param {readonly Row[]} rows
   */
  #position(row, rows = this.#ordered) {
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(/** @type {Row} */ (rows[middle]), row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param {Row} row */
  #isFound(row) {
    let text = this.#folded.get(row.id);
    if (text === undefined) {
      text = fold(this.#describe(row));
      this.#folded.set(row.id, text);
    }
    return this.#terms.every((term) => text.includes(term));
  }
}
