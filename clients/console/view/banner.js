/** `<connection-banner>`: says when the page is not live, why, and when it will be; nothing while all is well. */

import { el, fill, setText } from "./dom.js";
import { LiveElement } from "./live-element.js";
import { linkForm, saySituation } from "./sign-in-page.js";
import { say, sayAge } from "./words.js";

// A blink that is over before anybody could read it is not worth a word.
const UNNOTICED_MS = 700;
const EXPIRING_MS = 60_000;

export class ConnectionBanner extends LiveElement {
  #connection;
  #given;
  /** What is shown, null before anything is. @type {string | null} */
  #shown = null;
  #detail = el("span", { class: "soft" });

  /**
   * @param {import("../model/connection.js").Connection} connection
   * @param {(text: string) => boolean} given Takes a new link; returns whether there is a token in it.
   */
  constructor(connection, given) {
    super();
    this.#connection = connection;
    this.#given = given;
  }

  begin() {
    this.setAttribute("role", "status");
    this.listen(this.#connection, "situation");
    this.listen(this.#connection, "token");
    this.redrawEvery(250);
  }

  draw() {
    const name = this.#name();
    if (name !== this.#shown) {
      this.#shown = name;
      this.#build(name);
    }
    const { retryAt } = this.#connection.situation;
    const seconds = retryAt === null ? 0 : Math.ceil((retryAt - Date.now()) / 1000);
    if (name === "expiring") setText(this.#detail, this.#expiry());
    else setText(this.#detail, seconds > 0 ? say("retry_in", { count: seconds }) : "");
  }

  #name() {
    const { kind, since } = this.#connection.situation;
    if (kind === "live") return this.#connection.expiresInMs <= EXPIRING_MS ? "expiring" : "";
    const quiet = Date.now() - since < UNNOTICED_MS && kind !== "ended";
    return quiet && (this.#shown === "" || this.#shown === null) ? "" : kind;
  }

  /** @param {string} name */
  #build(name) {
    this.dataset.situation = name;
    if (name === "") {
      fill(this);
    } else if (name === "expiring") {
      const form = linkForm(this.#given, say("link_label"));
      fill(this, el("p", {}, el("strong", {}, say("expiring")), " ", this.#detail), form);
    } else {
      const { headline, detail } = saySituation(this.#connection.situation);
      const ended = name === "ended";
      const again = el("button", { click: () => this.#connection.client.wake() }, say("retry_now"));
      fill(
        this,
        el("p", {}, el("strong", {}, headline), " ", detail, " ", this.#detail),
        !ended && name !== "busy" && name !== "offline" && again,
        ended && linkForm(this.#given, say("link_label")),
      );
    }
  }

  #expiry() {
    return say("expiring_detail", { age: sayAge(this.#connection.expiresInMs) });
  }
}

customElements.define("connection-banner", ConnectionBanner);
