/** The dialog's head: whose conversation it is about, and whether what is shown below is live. */

import { make, mark, write } from "./make.js";

/** @typedef {import("../console/locales/index.js").Words} Words */

export class FrameView {
  #title = make("h2", { class: "title", part: "title", id: "title" });
  #customer = make("p", { class: "customer", id: "customer" });
  #cross = make("button", { class: "cross", type: "button" }, "×");
  /** Whether the rows are of before, after the connection was lost. */
  #healing = false;
  banner = make("p", { class: "banner", part: "banner" });
  /** Tells the state of the connection to who does not see the banner. */
  voice = make("p", { class: "unseen", role: "status" });

  /** @param {() => void} close */
  constructor(close) {
    this.header = make(
      "header",
      { class: "header", part: "header" },
      make("div", {}, this.#title, this.#customer),
      this.#cross,
    );
    this.#cross.addEventListener("click", close);
  }

  /** @param {boolean} connected */
  begin(connected) {
    this.#healing = !connected;
  }

  /** Note that the connection is lost. */
  lost() {
    this.#healing = true;
  }

  /**
   * @param {{ customer: string | undefined, live: boolean, stopped: boolean }} state `live`: whether changes of the
   *   directory arrive; `stopped`: whether there will be no other attempt to connect.
   * @param {Words} words
   * @returns {boolean} Whether what is shown is of before.
   */
  render({ customer, live, stopped }, words) {
    write(this.#title, words.say("dialog.title"));
    if (customer !== undefined) write(this.#customer, words.say("dialog.customer", { customer }));
    this.#customer.hidden = this.#customer.textContent === "";
    mark(this.#cross, "aria-label", words.say("dialog.close"));
    if (live && this.#healing) {
      this.#healing = false;
      write(this.voice, words.say("dialog.live_again"));
    }
    const stale = stopped || (!live && this.#healing);
    this.banner.hidden = !stale;
    write(this.banner, stale ? words.say(stopped ? "dialog.not_live_stopped" : "dialog.not_live") : "");
    if (stale) write(this.voice, this.banner.textContent ?? "");
    return stale;
  }
}
