/** The dialog's main part: the selection, and the outcome of a transfer. */

import { createElement, setAttribute, setText } from "./dom.js";

/** @typedef {import("../js/src/objects.js").Agent} Agent */
/** @typedef {import("./locales/index.js").Words} Words */
/** @typedef {import("./transfer-state.js").Description} Description */
/** @typedef {import("./outcome.js").Action} Action */
/** @typedef {import("./outcome.js").OutcomeButton} OutcomeButton */
/** @typedef {import("./panel.js").Panel<any>} Panel */

/** The protocol's limit, in characters. */
export const REASON_MAX = 1000;

/** The main part while the agent chooses. */
export class ComposeView {
  #prediction = createElement("p", { class: "prediction" });
  #alternativesLabel = createElement("span");
  #alternativesList = createElement("span", { class: "alternatives-list" });
  #alternatives = createElement(
    "div",
    { class: "alternatives" },
    this.#alternativesLabel,
    this.#alternativesList,
  );
  #reasonLabel = createElement("span", { class: "strong" });
  #optional = createElement("span", { class: "soft" });
  #length = createElement("span", { class: "length", id: "reason-length" });
  #cancel = createElement("button", { class: "button", part: "button-secondary", type: "button" });
  #alternativesKey = "";
  #onChoose;
  /** What the main button does. @type {Action} */
  #action = "transfer";

  /**
   * @param {readonly Panel[]} panels
   * @param {(action: Action) => void} onAction
   * @param {() => void} onType
   * @param {(id: string) => void} onChoose Called with the id of a chosen alternative.
   */
  constructor(panels, onAction, onType, onChoose) {
    this.#onChoose = onChoose;
    this.tabs = createElement(
      "div",
      { class: "tabs", part: "tabs", role: "tablist" },
      ...panels.map(({ tab }) => tab),
    );
    this.reason = createElement("textarea", {
      class: "reason",
      part: "reason",
      id: "reason",
      rows: "2",
      "aria-describedby": "reason-hint reason-length",
    });
    this.hint = createElement("span", { class: "visually-hidden", id: "reason-hint" });
    this.send = createElement("button", { class: "button primary", part: "button-primary", type: "button" });
    this.element = createElement(
      "div",
      { class: "compose" },
      this.tabs,
      ...panels.map(({ panel }) => panel),
      createElement(
        "div",
        { class: "footer", part: "footer" },
        createElement("div", { class: "selection", part: "choice" }, this.#prediction, this.#alternatives),
        createElement(
          "div",
          { class: "reason-head" },
          createElement("label", { for: "reason" }, this.#reasonLabel, " ", this.#optional),
          this.#length,
        ),
        this.reason,
        this.hint,
        createElement("div", { class: "buttons" }, this.#cancel, this.send),
      ),
    );
    this.#cancel.addEventListener("click", () => onAction("close"));
    this.send.addEventListener("click", () => onAction(this.#action));
    this.reason.addEventListener("input", onType);
  }

  /** @param {Words} words */
  label(words) {
    this.tabs.setAttribute("aria-label", words.say("dialog.kinds"));
    setText(this.#reasonLabel, words.say("dialog.reason"));
    setText(this.#optional, `(${words.say("dialog.optional")})`);
    this.reason.placeholder = words.say("dialog.reason_hint");
    setText(this.hint, words.say("dialog.reason_hint"));
    setText(this.#cancel, words.say("dialog.cancel"));
    setText(this.#alternativesLabel, words.say("dialog.alternatives"));
  }

  /** The main button's action. */
  get action() {
    return this.#action;
  }

  /**
   * @param {import("./selection.js").SelectionState} state
   * @param {Words} words
   */
  render({ text, tone, alternatives, action, label, ready, busy }, words) {
    this.#action = action;
    setText(this.#prediction, text);
    setAttribute(this.#prediction, "data-tone", tone);
    this.#showAlternatives(alternatives);
    const length = lengthOf(this.reason.value);
    const over = length - REASON_MAX;
    const counted = words.say("dialog.reason_length", { length, limit: REASON_MAX });
    setText(this.#length, over > 0 ? words.say("dialog.reason_over", { count: over }) : counted);
    this.#length.classList.toggle("over", over > 0);
    setAttribute(this.reason, "aria-invalid", String(over > 0));
    this.reason.readOnly = busy;
    setText(this.send, label);
    // Not `disabled`, which would take the focus away from the button.
    setAttribute(this.send, "aria-disabled", String(!ready || over > 0 || busy));
    setAttribute(this.send, "aria-busy", String(busy));
  }

  /** @param {readonly Agent[]} alternatives */
  #showAlternatives(alternatives) {
    this.#alternatives.hidden = alternatives.length === 0;
    const key = alternatives
      .map(({ id, name, load, capacity }) => `${id} ${load}/${capacity} ${name}`)
      .join("\n");
    if (key === this.#alternativesKey) return;
    this.#alternativesKey = key;
    // An alternative that stays keeps its button, and the focus on it.
    /** @type {Map<string | undefined, HTMLElement>} */
    const present = new Map();
    for (const child of this.#alternativesList.children) {
      if (child instanceof HTMLElement) present.set(child.dataset.id, child);
    }
    const buttons = alternatives.map(({ id, name, load, capacity }) => {
      const button = present.get(id) ?? this.#button(id);
      const texts = [name, `${load}/${capacity}`];
      [...button.children].forEach((part, index) => setText(part, texts[index] ?? ""));
      present.delete(id);
      return button;
    });
    for (const gone of present.values()) gone.remove();
    buttons.forEach((button, index) => {
      const there = this.#alternativesList.children[index];
      if (there !== button) this.#alternativesList.insertBefore(button, there ?? null);
    });
  }

  /** @param {string} id */
  #button(id) {
    // A long name is cut; its load stays in view.
    const parts = [
      createElement("span", { class: "chip-name" }),
      " ",
      createElement("span", { class: "chip-load" }),
    ];
    const button = createElement("button", { class: "chip", type: "button" }, ...parts);
    button.dataset.id = id;
    button.addEventListener("click", () => this.#onChoose(id));
    return button;
  }
}

/** The main part after an attempt to transfer. */
export class OutcomeView {
  #icon = createElement("div", { class: "icon", "aria-hidden": "true" });
  #title = createElement("h3", { class: "outcome-title", tabindex: "-1" });
  #details = createElement("div", { class: "outcome-details" });
  #quote = createElement("blockquote", { class: "quote" });
  /** @type {HTMLButtonElement[]} */
  #buttons = [];
  #row = createElement("div", { class: "buttons" });
  #onAction;

  /** @param {(action: Action) => void} onAction */
  constructor(onAction) {
    this.#onAction = onAction;
    this.element = createElement(
      "div",
      { class: "outcome", part: "outcome" },
      createElement("div", { class: "outcome-body" }, this.#icon, this.#title, this.#details, this.#quote),
      this.#row,
    );
  }

  /** Focus the outcome. */
  focus() {
    this.#title.focus();
  }

  /**
   * @param {Description} description
   * @param {string} quote The reason of the transfer, empty for none.
   * @param {readonly OutcomeButton[]} buttons The last is the main button.
   */
  render({ tone, title, details }, quote, buttons) {
    setAttribute(this.element, "data-tone", tone);
    setText(this.#title, title);
    const lines = [...details];
    while (this.#details.children.length < lines.length) this.#details.append(createElement("p"));
    while (this.#details.children.length > lines.length) this.#details.lastElementChild?.remove();
    lines.forEach((line, index) => setText(/** @type {Element} */ (this.#details.children[index]), line));
    setText(this.#quote, quote);
    this.#quote.hidden = quote === "";
    this.#showButtons(buttons);
  }

  /** @param {readonly OutcomeButton[]} buttons */
  #showButtons(buttons) {
    const had = this.#buttons.some((button) => button.matches(":focus"));
    const wanted = new Set(buttons.map(({ action }) => action));
    this.#buttons = this.#buttons.filter((button) => {
      const stays = wanted.has(/** @type {Action} */ (button.dataset.action));
      if (!stays) button.remove();
      return stays;
    });
    buttons.forEach(({ action, label, busy = false }, index) => {
      let button = this.#buttons.find(({ dataset }) => dataset.action === action);
      if (button === undefined) {
        const made = createElement("button", { type: "button" });
        made.dataset.action = action;
        made.addEventListener("click", () => {
          if (made.getAttribute("aria-disabled") !== "true") this.#onAction(action);
        });
        button = made;
        this.#buttons.push(made);
        this.#row.insertBefore(made, this.#row.children[index] ?? null);
      }
      const main = index === buttons.length - 1;
      setAttribute(button, "class", main ? "button primary" : "button");
      setAttribute(button, "part", main ? "button-primary" : "button-secondary");
      setAttribute(button, "aria-disabled", String(busy));
      setText(button, label);
    });
    // The focused button has been removed.
    if (had && !this.#buttons.some((button) => button.matches(":focus"))) this.focus();
  }
}

/**
 * Return a text's length as the router counts it, in code points.
 *
 * @param {string} text
 */
export function lengthOf(text) {
  return [...text].length;
}
