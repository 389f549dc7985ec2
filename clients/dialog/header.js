/** The dialog's header: the customer's name, and a banner while the directory is not live. */

import { createElement, setAttribute, setText } from "./dom.js";

/** @typedef {import("./locales/index.js").Words} Words */

export class HeaderView {
  #title = createElement("h2", { class: "title", part: "title", id: "title" });
  #customer = createElement("p", { class: "customer", id: "customer" });
  #close = createElement("button", { class: "close", type: "button" }, "×");
  /** Whether the rows are from before the connection was lost. */
  #outdated = false;
  banner = createElement("p", { class: "banner", part: "banner" });
  /** Speaks the state of the connection to a screen reader. */
  announcement = createElement("p", { class: "visually-hidden", role: "status" });

  /** @param {() => void} onClose */
  constructor(onClose) {
    this.element = createElement(
      "header",
      { class: "header", part: "header" },
      createElement("div", {}, this.#title, this.#customer),
      this.#close,
    );
    this.#close.addEventListener("click", onClose);
  }

  /** @param {boolean} connected */
  start(connected) {
    this.#outdated = !connected;
  }

  connectionLost() {
    this.#outdated = true;
  }

  /**
   * @param {{ customer: string | undefined, live: boolean, stopped: boolean }} state `live`: changes of the directory
   *   arrive; `stopped`: the client makes no further attempt to connect.
   * @param {Words} words
   * @returns {boolean} Whether the rows are out of date.
   */
  render({ customer, live, stopped }, words) {
    setText(this.#title, words.say("dialog.title"));
    if (customer !== undefined) setText(this.#customer, words.say("dialog.customer", { customer }));
    this.#customer.hidden = this.#customer.textContent === "";
    setAttribute(this.#close, "aria-label", words.say("dialog.close"));
    if (live && this.#outdated) {
      this.#outdated = false;
      setText(this.announcement, words.say("dialog.live_again"));
    }
    const stale = stopped || (!live && this.#outdated);
    this.banner.hidden = !stale;
    setText(this.banner, stale ? words.say(stopped ? "dialog.not_live_stopped" : "dialog.not_live") : "");
    if (stale) setText(this.announcement, this.banner.textContent ?? "");
    return stale;
  }
}
