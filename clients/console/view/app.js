/** `<relevo-console>`: signs in, and shows the desk, the dashboard, or why there is neither. */

import { Connection } from "../model/connection.js";
import { Desk } from "../model/desk.js";
import { Drafts } from "../model/drafts.js";
import { Floor } from "../model/floor.js";
import { preferences } from "../model/preferences.js";
import { findEmbedder, forgetToken, keepToken, takeToken, tokenIn } from "../model/sign-in.js";
import { tabStore } from "../model/storage.js";
import { AgentDesk } from "./desk.js";
import { AdminFloor } from "./floor.js";
import { ConnectionBanner } from "./banner.js";
import { Notices } from "./notices.js";
import { SignInPage } from "./sign-in-page.js";
import { TopBar } from "./top-bar.js";
import { TransferOpener } from "./transfer.js";
import { chooseWords } from "./words.js";

/** @typedef {"desk" | "floor"} Place */

/**
 * What every part of the signed-in console works with.
 *
 * @typedef {object} Office
 * @property {Connection} connection
 * @property {Desk} desk
 * @property {Floor | null} floor Only an admin's.
 * @property {Drafts} drafts
 * @property {Notices} notices
 * @property {TransferOpener} transfers
 */

const URL_OF_ROUTER = new URL("ws", document.baseURI.split("#")[0]);
URL_OF_ROUTER.protocol = URL_OF_ROUTER.protocol === "https:" ? "wss:" : "ws:";
URL_OF_ROUTER.search = "";

export class RelevoConsole extends HTMLElement {
  /** @type {Connection | null} */
  #connection = null;
  /** @type {Office | null} */
  #office = null;
  /** @type {import("../model/sign-in.js").Embedder | null} */
  #embedder = null;
  #page = new SignInPage((text) => this.#given(text));

  async connectedCallback() {
    addEventListener("hashchange", () => {
      if (!location.hash.includes("token=")) return;
      const token = takeToken();
      if (token !== null) this.#signIn(token);
    });
    preferences.addEventListener("change", () => void this.#say());
    const token = takeToken();
    this.append(this.#page);
    this.#embedder = await findEmbedder((given) => this.#signIn(given));
    if (token !== null) this.#signIn(token);
    else this.#page.show(null);
    this.#embedder?.greet();
  }

  /** Forget the token, and leave the router with a goodbye. */
  async signOut() {
    forgetToken();
    await this.#leave();
    this.#page.show(null);
    this.replaceChildren(this.#page);
  }

  /** @param {Place} place */
  goTo(place) {
    const { connection, desk, floor } = this.#office ?? {};
    const main = this.querySelector("main");
    if (this.#office === null || !main || !connection || !desk) return;
    const shown = place === "floor" && floor ? new AdminFloor(this.#office) : new AgentDesk(this.#office);
    main.replaceChildren(shown);
    tabStore.set("place", place);
    this.querySelector("top-bar")?.setAttribute("place", place);
  }

  /**
   * @param {string} text What was pasted.
   * @returns {boolean} Whether there is a token in it.
   */
  #given(text) {
    const token = tokenIn(text);
    if (token === null) return false;
    this.#signIn(token);
    return true;
  }

  /** @param {string} token */
  #signIn(token) {
    keepToken(token);
    const present = this.#connection;
    if (present !== null && present.live) {
      // Another person's token is refused for this connection: then it is a new sign-in.
      present.renew(token).catch(() => void this.#begin(token));
    } else void this.#begin(token);
  }

  /** @param {string} token */
  async #begin(token) {
    await this.#leave();
    const embedder = this.#embedder;
    const renew = embedder === null ? null : () => embedder.ask();
    const connection = new Connection(URL_OF_ROUTER.href, token, renew);
    this.#connection = connection;
    const showing = () => {
      if (this.#connection !== connection || this.#office !== null) return;
      if (connection.live) this.#enter(connection);
      else this.#page.show(connection);
    };
    connection.addEventListener("situation", () => {
      if (connection.situation.kind === "ended" && this.#connection === connection) this.#ended(connection);
      else showing();
    });
    showing();
    this.replaceChildren(this.#page);
    await connection.start();
  }

  /** @param {Connection} connection */
  #enter(connection) {
    const { welcome } = connection.client;
    if (welcome === null || welcome.agent === null) return;
    const desk = new Desk(connection);
    const floor = welcome.role === "admin" ? new Floor(connection) : null;
    const drafts = new Drafts(tabStore, `${welcome.tenant}/${welcome.agent.id}`);
    const notices = new Notices(desk, (sessionId) => {
      this.goTo("desk");
      desk.choose(sessionId);
    });
    const transfers = new TransferOpener(connection, desk);
    this.#office = { connection, desk, floor, drafts, notices, transfers };
    desk.addEventListener("change", () => {
      tabStore.set("chosen", desk.chosen?.session.id ?? "");
    });
    this.#build();
    const chosen = tabStore.get("chosen");
    if (chosen) desk.choose(chosen);
  }

  #build() {
    if (this.#office === null) return;
    const { connection, floor, notices, transfers } = this.#office;
    const bar = new TopBar(this.#office, {
      goTo: (place) => this.goTo(place),
      signOut: () => this.signOut(),
    });
    const banner = new ConnectionBanner(connection, (text) => this.#given(text));
    const main = document.createElement("main");
    this.replaceChildren(bar, banner, main, transfers.element, notices.element);
    const place = tabStore.get("place");
    this.goTo(floor !== null && place !== "desk" ? "floor" : "desk");
  }

  /** @param {Connection} connection */
  #ended(connection) {
    // What was on the screen, and what was typed there, stays; the banner tells the reason, and takes a new link.
    if (this.#office === null) this.#page.show(connection);
  }

  async #leave() {
    const { desk, floor, notices } = this.#office ?? {};
    desk?.end();
    floor?.end();
    notices?.end();
    this.#office = null;
    const connection = this.#connection;
    this.#connection = null;
    await connection?.end();
  }

  async #say() {
    const before = document.documentElement.lang;
    await chooseWords();
    if (before === document.documentElement.lang) return;
    if (this.#office !== null) this.#build();
    else this.#page.show(this.#connection);
  }
}

customElements.define("relevo-console", RelevoConsole);
