/** The dialog's elements, and how each state of it is written into them. */

import { make, mark, write } from "./make.js";

/** @typedef {import("../js/src/objects.js").Agent} Agent */
/** @typedef {import("../console/locales/index.js").Words} Words */
/** @typedef {import("./course.js").Telling} Telling */
/** @typedef {import("./outcome.js").Action} Action */
/** @typedef {import("./outcome.js").Offer} Offer */
/** @typedef {import("./panel.js").Panel<any>} Panel */

/** As the protocol has it, in characters. */
export const REASON_MAX = 1000;

/** The main part while the choice is open. */
export class ComposeView {
  #choice = make("p", { class: "forecast" });
  #insteadLabel = make("span");
  #insteadList = make("span", { class: "instead-list" });
  #instead = make("div", { class: "instead" }, this.#insteadLabel, this.#insteadList);
  #reasonLabel = make("span", { class: "strong" });
  #optional = make("span", { class: "soft" });
  #length = make("span", { class: "length", id: "reason-length" });
  #cancel = make("button", { class: "button", part: "button-secondary", type: "button" });
  #insteadKey = "";
  #choose;
  /** What the main button does. @type {Action} */
  #action = "transfer";

  /**
   * @param {readonly Panel[]} panels
   * @param {(action: Action) => void} act
   * @param {() => void} typed
   * @param {(id: string) => void} choose Told which of the nearest agents was chosen.
   */
  constructor(panels, act, typed, choose) {
    this.#choose = choose;
    this.tabs = make(
      "div",
      { class: "tabs", part: "tabs", role: "tablist" },
      ...panels.map(({ tab }) => tab),
    );
    this.reason = make("textarea", {
      class: "reason",
      part: "reason",
      id: "reason",
      rows: "2",
      "aria-describedby": "reason-hint reason-length",
    });
    this.hint = make("span", { class: "unseen", id: "reason-hint" });
    this.send = make("button", { class: "button primary", part: "button-primary", type: "button" });
    this.element = make(
      "div",
      { class: "compose" },
      this.tabs,
      ...panels.map(({ panel }) => panel),
      make(
        "div",
        { class: "footer", part: "footer" },
        make("div", { class: "choice", part: "choice" }, this.#choice, this.#instead),
        make(
          "div",
          { class: "reason-head" },
          make("label", { for: "reason" }, this.#reasonLabel, " ", this.#optional),
          this.#length,
        ),
        this.reason,
        this.hint,
        make("div", { class: "buttons" }, this.#cancel, this.send),
      ),
    );
    this.#cancel.addEventListener("click", () => act("close"));
    this.send.addEventListener("click", () => act(this.#action));
    this.reason.addEventListener("input", typed);
  }

  /** @param {Words} words */
  label(words) {
    this.tabs.setAttribute("aria-label", words.say("dialog.kinds"));
    write(this.#reasonLabel, words.say("dialog.reason"));
    write(this.#optional, `(${words.say("dialog.optional")})`);
    this.reason.placeholder = words.say("dialog.reason_hint");
    write(this.hint, words.say("dialog.reason_hint"));
    write(this.#cancel, words.say("dialog.cancel"));
    write(this.#insteadLabel, words.say("dialog.instead"));
  }

  /** The main button's action. */
  get action() {
    return this.#action;
  }

  /**
   * @param {import("./choice.js").Composing} state
   * @param {Words} words
   */
  render({ text, tone, nearest, action, label, ready, busy }, words) {
    this.#action = action;
    write(this.#choice, text);
    mark(this.#choice, "data-tone", tone);
    this.#offer(nearest);
    const length = lengthOf(this.reason.value);
    const over = length - REASON_MAX;
    const counted = words.say("dialog.reason_length", { length, limit: REASON_MAX });
    write(this.#length, over > 0 ? words.say("dialog.reason_over", { count: over }) : counted);
    this.#length.classList.toggle("over", over > 0);
    mark(this.reason, "aria-invalid", String(over > 0));
    this.reason.readOnly = busy;
    write(this.send, label);
    // Not `disabled`, which would take the focus away from who has just pressed it.
    mark(this.send, "aria-disabled", String(!ready || over > 0 || busy));
    mark(this.send, "aria-busy", String(busy));
  }

  /** @param {readonly Agent[]} nearest */
  #offer(nearest) {
    this.#instead.hidden = nearest.length === 0;
    const key = nearest.map(({ id, name, load, capacity }) => `${id} ${load}/${capacity} ${name}`).join("\n");
    if (key === this.#insteadKey) return;
    this.#insteadKey = key;
    // One that stays keeps its button, and so the focus that may be on it.
    /** @type {Map<string | undefined, HTMLElement>} */
    const present = new Map();
    for (const child of this.#insteadList.children) {
      if (child instanceof HTMLElement) present.set(child.dataset.id, child);
    }
    const buttons = nearest.map(({ id, name, load, capacity }) => {
      const button = present.get(id) ?? this.#button(id);
      const texts = [name, `${load}/${capacity}`];
      [...button.children].forEach((part, index) => write(part, texts[index] ?? ""));
      present.delete(id);
      return button;
    });
    for (const gone of present.values()) gone.remove();
    buttons.forEach((button, index) => {
      const there = this.#insteadList.children[index];
      if (there !== button) this.#insteadList.insertBefore(button, there ?? null);
    });
  }

  /** @param {string} id */
  #button(id) {
    // A name that is too long is cut, and its load stays in sight.
    const parts = [make("span", { class: "chip-name" }), " ", make("span", { class: "chip-load" })];
    const button = make("button", { class: "chip", type: "button" }, ...parts);
    button.dataset.id = id;
    button.addEventListener("click", () => this.#choose(id));
    return button;
  }
}

/** The main part once a transfer was tried. */
export class OutcomeView {
  #mark = make("div", { class: "mark", "aria-hidden": "true" });
  #title = make("h3", { class: "outcome-title", tabindex: "-1" });
  #details = make("div", { class: "outcome-details" });
  #quote = make("blockquote", { class: "quote" });
  /** @type {HTMLButtonElement[]} */
  #buttons = [];
  #row = make("div", { class: "buttons" });
  #act;

  /** @param {(action: Action) => void} act */
  constructor(act) {
    this.#act = act;
    this.element = make(
      "div",
      { class: "outcome", part: "outcome" },
      make("div", { class: "outcome-body" }, this.#mark, this.#title, this.#details, this.#quote),
      this.#row,
    );
  }

  /** Give the keyboard to the outcome. */
  take() {
    this.#title.focus();
  }

  /**
   * @param {Telling} telling
   * @param {string} quote The reason that went with it, empty for none.
   * @param {readonly Offer[]} offers The last is the main one.
   */
  render({ tone, title, details }, quote, offers) {
    mark(this.element, "data-tone", tone);
    write(this.#title, title);
    const lines = [...details];
    while (this.#details.children.length < lines.length) this.#details.append(make("p"));
    while (this.#details.children.length > lines.length) this.#details.lastElementChild?.remove();
    lines.forEach((line, index) => write(/** @type {Element} */ (this.#details.children[index]), line));
    write(this.#quote, quote);
    this.#quote.hidden = quote === "";
    this.#offer(offers);
  }

  /** @param {readonly Offer[]} offers */
  #offer(offers) {
    const had = this.#buttons.some((button) => button.matches(":focus"));
    const wanted = new Set(offers.map(({ action }) => action));
    this.#buttons = this.#buttons.filter((button) => {
      const stays = wanted.has(/** @type {Action} */ (button.dataset.action));
      if (!stays) button.remove();
      return stays;
    });
    offers.forEach(({ action, label, busy = false }, index) => {
      let button = this.#buttons.find(({ dataset }) => dataset.action === action);
      if (button === undefined) {
        const made = make("button", { type: "button" });
        made.dataset.action = action;
        made.addEventListener("click", () => {
          if (made.getAttribute("aria-disabled") !== "true") this.#act(action);
        });
        button = made;
        this.#buttons.push(made);
        this.#row.insertBefore(made, this.#row.children[index] ?? null);
      }
      const main = index === offers.length - 1;
      mark(button, "class", main ? "button primary" : "button");
      mark(button, "part", main ? "button-primary" : "button-secondary");
      mark(button, "aria-disabled", String(busy));
      write(button, label);
    });
    // The button that had the focus is gone with what it was for.
    if (had && !this.#buttons.some((button) => button.matches(":focus"))) this.take();
  }
}

/**
 * Return a text's length as the router counts it.
 *
 * @param {string} text
 */
export function lengthOf(text) {
  return [...text].length;
}
