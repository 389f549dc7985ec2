/** One tab of the dialog with its panel: a search above a list. */

import { RowList } from "./list.js";
import { make, mark, write } from "./make.js";

/** @typedef {import("../js/src/objects.js").TargetKind} TargetKind */
/** @typedef {import("../console/locales/index.js").Words} Words */

/** @template {{ readonly id: string }} Row */
export class Panel {
  #count = make("span", { class: "count" });
  #label = make("span");
  #searchLabel = make("label", { class: "unseen", for: "" });
  #matches = make("p", { class: "matches", role: "status" });
  #empty = make("p", { class: "empty" });
  #clear = make("button", { class: "clear", type: "button" }, "×");

  /**
   * @param {TargetKind} kind
   * @param {import("./roster.js").Roster<Row>} roster
   * @param {import("./list.js").RowLook<Row>} look
   * @param {() => void} changed
   * @param {(id: string) => void} choose
   */
  constructor(kind, roster, look, changed, choose) {
    this.kind = kind;
    this.roster = roster;
    this.list = new RowList(`${kind}-row`, roster, look, changed, choose);
    this.tab = make(
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
    this.search = make("input", {
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
    this.panel = make(
      "div",
      { class: "panel", role: "tabpanel", id: `${kind}-panel`, "aria-labelledby": this.tab.id },
      make("div", { class: "finder" }, this.#searchLabel, this.search, this.#clear),
      this.#matches,
      this.list.element,
      this.#empty,
    );
    this.search.addEventListener("input", () => this.#find(changed));
    this.search.addEventListener("keydown", (event) => this.#key(event, choose));
    this.#clear.addEventListener("click", () => {
      this.empty();
      this.search.focus();
      changed();
    });
    this.list.element.addEventListener("keydown", (event) => {
      const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
      // The key's own default then writes it into the search.
      if (plain && event.key.length === 1 && event.key !== " ") this.search.focus();
    });
  }

  /** Empty the search. Returns whether there was one. */
  empty() {
    if (this.search.value === "") return false;
    this.search.value = "";
    this.roster.search("");
    this.list.rewind();
    return true;
  }

  /**
   * @param {Words} words
   */
  label(words) {
    const agents = this.kind === "agent";
    write(this.#label, words.say(agents ? "dialog.agents" : "dialog.departments"));
    const search = words.say(agents ? "dialog.search_agents" : "dialog.search_departments");
    write(this.#searchLabel, search);
    this.search.placeholder = search;
    this.#clear.setAttribute("aria-label", words.say("dialog.search_clear"));
    this.list.element.setAttribute("aria-label", words.say(agents ? "dialog.agents" : "dialog.departments"));
    this.list.refresh();
  }

  /**
   * @param {boolean} inFront
   * @param {string | null} chosen
   * @param {boolean} loaded Whether the directory has been read.
   * @param {Words} words
   */
  render(inFront, chosen, loaded, words) {
    mark(this.tab, "aria-selected", String(inFront));
    mark(this.tab, "tabindex", inFront ? "0" : "-1");
    write(this.#count, loaded ? words.number(this.roster.size) : "");
    this.panel.hidden = !inFront;
    if (!inFront) return;
    const { length } = this.roster.rows;
    const query = this.search.value.trim();
    const none = this.kind === "agent" ? "dialog.no_agents" : "dialog.no_departments";
    const empty = !loaded ? "dialog.loading" : query === "" ? none : "dialog.no_match";
    this.#clear.hidden = query === "";
    this.#empty.hidden = length > 0;
    this.list.element.hidden = length === 0;
    write(this.#empty, length > 0 ? "" : words.say(empty, { query }));
    write(this.#matches, query === "" || length === 0 ? "" : words.say("dialog.matches", { count: length }));
    this.list.render(chosen);
  }

  /** @param {() => void} changed */
  #find(changed) {
    this.roster.search(this.search.value);
    this.list.rewind();
    changed();
  }

  /**
   * @param {KeyboardEvent} event
   * @param {(id: string) => void} choose
   */
  #key(event, choose) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "ArrowDown") {
      event.preventDefault();
      this.list.take();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const [first] = this.roster.rows;
      if (first === undefined) return;
      this.list.focus = first.id;
      choose(first.id);
    }
  }
}
