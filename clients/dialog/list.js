/** A listbox of any length, of which only the rows in sight exist. */

import { make, mark } from "./make.js";
import { rowsInSight, scrollTo, step } from "./window.js";

/** In pixels, and at least what a finger needs. */
const ROW_HEIGHT = 56;

/**
 * How rows of one kind look.
 *
 * @template {{ readonly id: string }} Row
 * @typedef {object} RowLook
 * @property {() => any} build Returns the parts of a row, among them `element`.
 * @property {(parts: any, row: Row) => void} fill Writes a row into its parts.
 */

/** @typedef {{ parts: any, element: HTMLElement, row: any, index: number, filled: number }} Shown */

/** @template {{ readonly id: string }} Row */
export class RowList {
  #look;
  #changed;
  #choose;
  #prefix;
  /** @type {Map<string, Shown>} */
  #shown = new Map();
  /** @type {Shown[]} */
  #spare = [];
  /** @type {WeakMap<Element, string>} */
  #ids = new WeakMap();
  /** @type {string | null} */
  #pressed = null;
  #made = 0;
  #count = -1;
  #height = 0;
  #version = 0;
  #sizer = make("div", { class: "sizer", role: "presentation" });
  /** @type {import("./roster.js").Roster<Row>} */
  #roster;

  /** The row that the keyboard is at. @type {string | null} */
  focus = null;

  /**
   * @param {string} prefix Of the ids of rows.
   * @param {import("./roster.js").Roster<Row>} roster
   * @param {RowLook<Row>} look
   * @param {() => void} changed Told when the list has to be rendered.
   * @param {(id: string) => void} choose Told which row was chosen.
   */
  constructor(prefix, roster, look, changed, choose) {
    this.#prefix = prefix;
    this.#roster = roster;
    this.#look = look;
    this.#changed = changed;
    this.#choose = choose;
    const element = make("div", { class: "list", part: "list", role: "listbox", tabindex: "0" }, this.#sizer);
    this.element = element;
    element.addEventListener("scroll", changed, { passive: true });
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("focus", () => this.#enter());
    // Rows move under the pointer: what counts is where it was pressed.
    element.addEventListener("pointerdown", (event) => (this.#pressed = this.#idAt(event)));
    element.addEventListener("click", (event) => {
      const id = this.#pressed ?? this.#idAt(event);
      this.#pressed = null;
      if (id === null) return;
      this.focus = id;
      choose(id);
    });
    new ResizeObserver(([entry]) => this.#resize(entry?.contentRect.height ?? 0)).observe(element);
  }

  /** Write all rows anew at the next rendering, as after a change of language. */
  refresh() {
    this.#version += 1;
  }

  /** Go back to the first row. */
  rewind() {
    this.element.scrollTop = 0;
    this.focus = null;
  }

  /** Give the keyboard to the list. */
  take() {
    this.element.focus({ preventScroll: true });
  }

  /**
   * Bring the rows in sight up to date.
   *
   * @param {string | null} chosen
   */
  render(chosen) {
    const { rows } = this.#roster;
    const scrollTop = this.element.scrollTop;
    if (rows.length !== this.#count) {
      this.#count = rows.length;
      this.#sizer.style.height = `${rows.length * ROW_HEIGHT}px`;
    }
    const focus = this.#roster.indexOf(this.focus);
    const height = this.#height || this.element.clientHeight;
    const indexes = rowsInSight({ count: rows.length, rowHeight: ROW_HEIGHT, scrollTop, height, focus });
    const wanted = new Set(indexes.map((index) => /** @type {Row} */ (rows[index]).id));
    for (const [id, shown] of this.#shown) {
      if (wanted.has(id)) continue;
      this.#shown.delete(id);
      this.#spare.push(shown);
    }
    for (const index of indexes) this.#place(/** @type {Row} */ (rows[index]), index, rows.length, chosen);
    for (const shown of this.#spare) shown.element.remove();
    this.#markFocus();
  }

  /**
   * @param {Row} row
   * @param {number} index
   * @param {number} count
   * @param {string | null} chosen
   */
  #place(row, index, count, chosen) {
    let shown = this.#shown.get(row.id);
    const moved = shown !== undefined;
    if (shown === undefined) {
      shown = this.#spare.pop() ?? this.#build();
      this.#shown.set(row.id, shown);
      this.#ids.set(shown.element, row.id);
      shown.row = null;
    }
    const { element } = shown;
    if (shown.row !== row || shown.filled !== this.#version) {
      this.#look.fill(shown.parts, row);
      shown.row = row;
      shown.filled = this.#version;
    }
    if (shown.index !== index || !moved) {
      // A row that changes its place glides there; one that comes into sight is simply there.
      element.classList.toggle("glides", moved);
      element.style.transform = `translateY(${index * ROW_HEIGHT}px)`;
      element.setAttribute("aria-posinset", String(index + 1));
      shown.index = index;
    }
    mark(element, "aria-setsize", String(count));
    const isChosen = row.id === chosen;
    mark(element, "aria-selected", String(isChosen));
    if (element.parentNode === null) this.#sizer.append(element);
  }

  /** @returns {Shown} */
  #build() {
    const parts = this.#look.build();
    /** @type {HTMLElement} */
    const element = parts.element;
    this.#made += 1;
    element.id = `${this.#prefix}-${this.#made}`;
    element.style.height = `${ROW_HEIGHT}px`;
    return { parts, element, row: null, index: -1, filled: -1 };
  }

  #markFocus() {
    const shown = this.focus === null ? undefined : this.#shown.get(this.focus);
    const id = shown?.element.id ?? "";
    // `toggle` writes nothing where nothing changes; `add` and `remove` do.
    for (const { element } of this.#shown.values()) element.classList.toggle("focused", element.id === id);
    if (id === "") this.element.removeAttribute("aria-activedescendant");
    else mark(this.element, "aria-activedescendant", id);
  }

  /**
   * Take a new height. What the keyboard or a click is at stays in sight, as when a choice makes the text below longer.
   *
   * @param {number} height
   */
  #resize(height) {
    const before = this.#height;
    this.#height = height;
    const index = this.#roster.indexOf(this.focus);
    const { scrollTop } = this.element;
    const top = index * ROW_HEIGHT;
    if (index >= 0 && top + ROW_HEIGHT > scrollTop && top < scrollTop + before) this.#reveal(index);
    this.#changed();
  }

  /** @param {number} index */
  #reveal(index) {
    const { scrollTop } = this.element;
    const sight = { count: this.#roster.rows.length, rowHeight: ROW_HEIGHT, scrollTop, height: this.#height };
    const wanted = scrollTo(index, sight);
    if (wanted !== scrollTop) this.element.scrollTop = wanted;
  }

  #enter() {
    if (this.#roster.indexOf(this.focus) < 0) {
      // Begin at what is in sight.
      const { rows } = this.#roster;
      this.focus = rows[Math.ceil(this.element.scrollTop / ROW_HEIGHT)]?.id ?? rows[0]?.id ?? null;
    }
    this.#changed();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if ((event.key === "Enter" || event.key === " ") && this.focus !== null) {
      event.preventDefault();
      if (this.#roster.indexOf(this.focus) >= 0) this.#choose(this.focus);
      return;
    }
    const { rows } = this.#roster;
    const page = Math.floor(this.#height / ROW_HEIGHT);
    const index = step(event.key, this.#roster.indexOf(this.focus), rows.length, page);
    if (index === null) return;
    event.preventDefault();
    this.focus = rows[index]?.id ?? null;
    this.#reveal(index);
    this.#changed();
  }

  /** @param {Event} event */
  #idAt(event) {
    const row = event.target instanceof Element ? event.target.closest("[role=option]") : null;
    return row === null ? null : (this.#ids.get(row) ?? null);
  }
}
