/** `<connection-banner>`: while the page is not live, shows why and when the next attempt is. */

import { createElement, setChildren, setText } from "../../dialog/dom.js";
import { LiveElement } from "./live-element.js";
import { linkForm, sayConnectionState } from "./sign-in-page.js";
import { say, sayAge } from "./words.js";

// A shorter interruption shows no banner.
const SHORTEST_MS = 700;
const EXPIRING_MS = 60_000;

export class ConnectionBanner extends LiveElement {
  #connection;
  #onPasted;
  /** The name of the banner shown, null before the first. @type {string | null} */
  #shown = null;
  #detail = createElement("span", { class: "soft" });

  /**
   * @param {import("../model/connection.js").Connection} connection
   * @param {(text: string) => boolean} onPasted Takes a new link; returns whether it contains a token.
   */
  constructor(connection, onPasted) {
    super();
    this.#connection = connection;
    this.#onPasted = onPasted;
  }

  begin() {
    this.setAttribute("role", "status");
    this.listen(this.#connection, "state");
    this.listen(this.#connection, "token");
    this.redrawEvery(250);
  }

  draw() {
    const name = this.#name();
    if (name !== this.#shown) {
      this.#shown = name;
      this.#build(name);
    }
    const { retryAt } = this.#connection.state;
    const seconds = retryAt === null ? 0 : Math.ceil((retryAt - Date.now()) / 1000);
    if (name === "expiring") setText(this.#detail, this.#expiry());
    else setText(this.#detail, seconds > 0 ? say("retry_in", { count: seconds }) : "");
  }

  #name() {
    const { kind, since } = this.#connection.state;
    if (kind === "live") return this.#connection.expiresInMs <= EXPIRING_MS ? "expiring" : "";
    const quiet = Date.now() - since < SHORTEST_MS && kind !== "ended";
    return quiet && (this.#shown === "" || this.#shown === null) ? "" : kind;
  }

  /** @param {string} name */
  #build(name) {
    this.dataset.connection = name;
    if (name === "") {
      setChildren(this);
    } else if (name === "expiring") {
      const form = linkForm(this.#onPasted, say("link_label"));
      setChildren(
        this,
        createElement("p", {}, createElement("strong", {}, say("expiring")), " ", this.#detail),
        form,
      );
    } else {
      const { headline, detail } = sayConnectionState(this.#connection.state);
      const ended = name === "ended";
      const retry = createElement(
        "button",
        { click: () => this.#connection.client.wake() },
        say("retry_now"),
      );
      setChildren(
        this,
        createElement("p", {}, createElement("strong", {}, headline), " ", detail, " ", this.#detail),
        !ended && name !== "busy" && name !== "offline" && retry,
        ended && linkForm(this.#onPasted, say("link_label")),
      );
    }
  }

  #expiry() {
    return say("expiring_detail", { age: sayAge(this.#connection.expiresInMs) });
  }
}

customElements.define("connection-banner", ConnectionBanner);
