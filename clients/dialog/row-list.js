/** A listbox with virtual scrolling: only the rows in view exist. */

import { createElement, setAttribute } from "./dom.js";
import { indexForKey, scrollTopFor, visibleRows } from "./viewport.js";

/** In pixels; large enough for a finger. */
const ROW_HEIGHT = 56;

/**
 * Renders the rows of one kind.
 *
 * @template {{ readonly id: string }} Row
 * @typedef {object} RowRenderer
 * @property {() => any} create Returns a row's parts, among them `element`.
 * @property {(parts: any, row: Row) => void} update Writes a row into its parts.
 */

/** @typedef {{ parts: any, element: HTMLElement, row: any, index: number, version: number }} RenderedRow */

/** @template {{ readonly id: string }} Row */
export class RowList {
  #renderer;
  #onChange;
  #onChoose;
  #prefix;
  /** @type {Map<string, RenderedRow>} */
  #rendered = new Map();
  /** @type {RenderedRow[]} */
  #spare = [];
  /** @type {WeakMap<Element, string>} */
  #ids = new WeakMap();
  /** @type {string | null} */
  #pressed = null;
  #createdCount = 0;
  #count = -1;
  #height = 0;
  #version = 0;
  #sizer = createElement("div", { class: "sizer", role: "presentation" });
  /** @type {import("./sorted-rows.js").SortedRows<Row>} */
  #sortedRows;

  /** The row that the keyboard is at. @type {string | null} */
  focusedId = null;

  /**
   * @param {string} prefix Of the ids of rows.
   * @param {import("./sorted-rows.js").SortedRows<Row>} sortedRows
   * @param {RowRenderer<Row>} renderer
   * @param {() => void} onChange Called when the list has to be rendered.
   * @param {(id: string) => void} onChoose Called with the id of the selectedId row.
   */
  constructor(prefix, sortedRows, renderer, onChange, onChoose) {
    this.#prefix = prefix;
    this.#sortedRows = sortedRows;
    this.#renderer = renderer;
    this.#onChange = onChange;
    this.#onChoose = onChoose;
    const element = createElement(
      "div",
      { class: "list", part: "list", role: "listbox", tabindex: "0" },
      this.#sizer,
    );
    this.element = element;
    element.addEventListener("scroll", onChange, { passive: true });
    element.addEventListener("keydown", (event) => this.#onKey(event));
    element.addEventListener("focus", () => this.#onFocus());
    // Rows move under the pointer: the row at the press counts.
    element.addEventListener("pointerdown", (event) => (this.#pressed = this.#idAt(event)));
    element.addEventListener("click", (event) => {
      const id = this.#pressed ?? this.#idAt(event);
      this.#pressed = null;
      if (id === null) return;
      this.focusedId = id;
      onChoose(id);
    });
    new ResizeObserver(([entry]) => this.#onResize(entry?.contentRect.height ?? 0)).observe(element);
  }

  /** Update all rows at the next rendering, as after a change of language. */
  refresh() {
    this.#version += 1;
  }

  /** Go back to the first row. */
  rewind() {
    this.element.scrollTop = 0;
    this.focusedId = null;
  }

  /** Focus the list. */
  focus() {
    this.element.focus({ preventScroll: true });
  }

  /**
   * Update the rows in view.
   *
   * @param {string | null} selectedId
   */
  render(selectedId) {
    const { rows } = this.#sortedRows;
    const scrollTop = this.element.scrollTop;
    if (rows.length !== this.#count) {
      this.#count = rows.length;
      this.#sizer.style.height = `${rows.length * ROW_HEIGHT}px`;
    }
    const focusIndex = this.#sortedRows.indexOf(this.focusedId);
    const height = this.#height || this.element.clientHeight;
    const indexes = visibleRows({ count: rows.length, rowHeight: ROW_HEIGHT, scrollTop, height, focusIndex });
    const wanted = new Set(indexes.map((index) => /** @type {Row} */ (rows[index]).id));
    for (const [id, rendered] of this.#rendered) {
      if (wanted.has(id)) continue;
      this.#rendered.delete(id);
      this.#spare.push(rendered);
    }
    for (const index of indexes)
      this.#placeRow(/** @type {Row} */ (rows[index]), index, rows.length, selectedId);
    for (const rendered of this.#spare) rendered.element.remove();
    this.#showFocus();
  }

  /**
   * @param {Row} row
   * @param {number} index
   * @param {number} count
   * @param {string | null} selectedId
   */
  #placeRow(row, index, count, selectedId) {
    let rendered = this.#rendered.get(row.id);
    const moved = rendered !== undefined;
    if (rendered === undefined) {
      rendered = this.#spare.pop() ?? this.#createRow();
      this.#rendered.set(row.id, rendered);
      this.#ids.set(rendered.element, row.id);
      rendered.row = null;
    }
    const { element } = rendered;
    if (rendered.row !== row || rendered.version !== this.#version) {
      this.#renderer.update(rendered.parts, row);
      rendered.row = row;
      rendered.version = this.#version;
    }
    if (rendered.index !== index || !moved) {
      // A row that moves is animated; a row that comes into view is not.
      element.classList.toggle("animated", moved);
      element.style.transform = `translateY(${index * ROW_HEIGHT}px)`;
      element.setAttribute("aria-posinset", String(index + 1));
      rendered.index = index;
    }
    setAttribute(element, "aria-setsize", String(count));
    const isSelected = row.id === selectedId;
    setAttribute(element, "aria-selected", String(isSelected));
    if (element.parentNode === null) this.#sizer.append(element);
  }

  /** @returns {RenderedRow} */
  #createRow() {
    const parts = this.#renderer.create();
    /** @type {HTMLElement} */
    const element = parts.element;
    this.#createdCount += 1;
    element.id = `${this.#prefix}-${this.#createdCount}`;
    element.style.height = `${ROW_HEIGHT}px`;
    return { parts, element, row: null, index: -1, version: -1 };
  }

  #showFocus() {
    const rendered = this.focusedId === null ? undefined : this.#rendered.get(this.focusedId);
    const id = rendered?.element.id ?? "";
    // `toggle` writes nothing if nothing changes; `add` and `remove` do.
    for (const { element } of this.#rendered.values()) element.classList.toggle("focused", element.id === id);
    if (id === "") this.element.removeAttribute("aria-activedescendant");
    else setAttribute(this.element, "aria-activedescendant", id);
  }

  /**
   * Take a new height. The focused row stays in view, as when a selection makes the text below longer.
   *
   * @param {number} height
   */
  #onResize(height) {
    const before = this.#height;
    this.#height = height;
    const index = this.#sortedRows.indexOf(this.focusedId);
    const { scrollTop } = this.element;
    const top = index * ROW_HEIGHT;
    if (index >= 0 && top + ROW_HEIGHT > scrollTop && top < scrollTop + before) this.#reveal(index);
    this.#onChange();
  }

  /** @param {number} index */
  #reveal(index) {
    const { scrollTop } = this.element;
    const viewport = {
      count: this.#sortedRows.rows.length,
      rowHeight: ROW_HEIGHT,
      scrollTop,
      height: this.#height,
    };
    const wanted = scrollTopFor(index, viewport);
    if (wanted !== scrollTop) this.element.scrollTop = wanted;
  }

  #onFocus() {
    if (this.#sortedRows.indexOf(this.focusedId) < 0) {
      // Start at the first row in view.
      const { rows } = this.#sortedRows;
      this.focusedId = rows[Math.ceil(this.element.scrollTop / ROW_HEIGHT)]?.id ?? rows[0]?.id ?? null;
    }
    this.#onChange();
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if ((event.key === "Enter" || event.key === " ") && this.focusedId !== null) {
      event.preventDefault();
      if (this.#sortedRows.indexOf(this.focusedId) >= 0) this.#onChoose(this.focusedId);
      return;
    }
    const { rows } = this.#sortedRows;
    const pageRows = Math.floor(this.#height / ROW_HEIGHT);
    const index = indexForKey(event.key, this.#sortedRows.indexOf(this.focusedId), rows.length, pageRows);
    if (index === null) return;
    event.preventDefault();
    this.focusedId = rows[index]?.id ?? null;
    this.#reveal(index);
    this.#onChange();
  }

  /** @param {Event} event */
  #idAt(event) {
    const row = event.target instanceof Element ? event.target.closest("[role=option]") : null;
    return row === null ? null : (this.#ids.get(row) ?? null);
  }
}
