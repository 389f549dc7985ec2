/** A tab of the dialog, and its panel: a search field above a list. */

import { RowList } from "./row-list.js";
import { createElement, setAttribute, setText } from "./dom.js";

/** @typedef {import("../js/src/objects.js").TargetKind} TargetKind */
/** @typedef {import("./locales/index.js").Words} Words */

/** @template {{ readonly id: string }} Row */
export class Panel {
  #count = createElement("span", { class: "count" });
  #label = createElement("span");
  #searchLabel = createElement("label", { class: "visually-hidden", for: "" });
  #matches = createElement("p", { class: "matches", role: "status" });
  #empty = createElement("p", { class: "empty" });
  #clear = createElement("button", { class: "clear", type: "button" }, "×");

  /**
   * @param {TargetKind} kind
   * @param {import("./sorted-rows.js").SortedRows<Row>} sortedRows
   * @param {import("./row-list.js").RowRenderer<Row>} renderer
   * @param {() => void} onChange
   * @param {(id: string) => void} onChoose
   */
  constructor(kind, sortedRows, renderer, onChange, onChoose) {
    this.kind = kind;
    this.sortedRows = sortedRows;
    this.list = new RowList(`${kind}-row`, sortedRows, renderer, onChange, onChoose);
    this.tab = createElement(
      "button",
      {
        class: "tab",
        part: "tab",
        type: "button",
        role: "tab",
        id: `${kind}-tab`,
        "aria-controls": `${kind}-panel`,
      },
      this.#label,
      " ",
      this.#count,
    );
    this.search = createElement("input", {
      class: "search",
      part: "search",
      type: "search",
      id: `${kind}-search`,
      autocomplete: "off",
      spellcheck: "false",
      enterkeyhint: "search",
      maxlength: "120",
    });
    this.#searchLabel.htmlFor = this.search.id;
    this.panel = createElement(
      "div",
      { class: "panel", role: "tabpanel", id: `${kind}-panel`, "aria-labelledby": this.tab.id },
      createElement("div", { class: "search-field" }, this.#searchLabel, this.search, this.#clear),
      this.#matches,
      this.list.element,
      this.#empty,
    );
    this.search.addEventListener("input", () => this.#onSearch(onChange));
    this.search.addEventListener("keydown", (event) => this.#onKey(event, onChoose));
    this.#clear.addEventListener("click", () => {
      this.clearSearch();
      this.search.focus();
      onChange();
    });
    this.list.element.addEventListener("keydown", (event) => {
      const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
      // The key's default action then types it into the search field.
      if (plain && event.key.length === 1 && event.key !== " ") this.search.focus();
    });
  }

  /** Empty the search field. Returns whether it had a text. */
  clearSearch() {
    if (this.search.value === "") return false;
    this.search.value = "";
    this.sortedRows.search("");
    this.list.rewind();
    return true;
  }

  /**
   * @param {Words} words
   */
  label(words) {
    const agents = this.kind === "agent";
    setText(this.#label, words.say(agents ? "dialog.agents" : "dialog.departments"));
    const search = words.say(agents ? "dialog.search_agents" : "dialog.search_departments");
    setText(this.#searchLabel, search);
    this.search.placeholder = search;
    this.#clear.setAttribute("aria-label", words.say("dialog.search_clear"));
    this.list.element.setAttribute("aria-label", words.say(agents ? "dialog.agents" : "dialog.departments"));
    this.list.refresh();
  }

  /**
   * @param {boolean} inFront
   * @param {string | null} selectedId
   * @param {boolean} loaded Whether the directory is loaded.
   * @param {Words} words
   */
  render(inFront, selectedId, loaded, words) {
    setAttribute(this.tab, "aria-selected", String(inFront));
    setAttribute(this.tab, "tabindex", inFront ? "0" : "-1");
    setText(this.#count, loaded ? words.number(this.sortedRows.size) : "");
    this.panel.hidden = !inFront;
    if (!inFront) return;
    const { length } = this.sortedRows.rows;
    const query = this.search.value.trim();
    const none = this.kind === "agent" ? "dialog.no_agents" : "dialog.no_departments";
    const empty = !loaded ? "dialog.loading" : query === "" ? none : "dialog.no_match";
    this.#clear.hidden = query === "";
    this.#empty.hidden = length > 0;
    this.list.element.hidden = length === 0;
    setText(this.#empty, length > 0 ? "" : words.say(empty, { query }));
    setText(
      this.#matches,
      query === "" || length === 0 ? "" : words.say("dialog.matches", { count: length }),
    );
    this.list.render(selectedId);
  }

  /** @param {() => void} onChange */
  #onSearch(onChange) {
    this.sortedRows.search(this.search.value);
    this.list.rewind();
    onChange();
  }

  /**
   * @param {KeyboardEvent} event
   * @param {(id: string) => void} onChoose
   */
  #onKey(event, onChoose) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "ArrowDown") {
      event.preventDefault();
      this.list.focus();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const [first] = this.sortedRows.rows;
      if (first === undefined) return;
      this.list.focusedId = first.id;
      onChoose(first.id);
    }
  }
}
