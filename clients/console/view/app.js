/** `<relevo-console>`: signs in, then shows the workspace, the dashboard or the settings. */

import { Connection } from "../model/connection.js";
import { Workspace } from "../model/workspace.js";
import { Drafts } from "../../dialog/drafts.js";
import { Dashboard } from "../model/dashboard.js";
import { preferences } from "../model/preferences.js";
import { findEmbedder, forgetToken, keepToken, takeToken, tokenIn } from "../model/sign-in.js";
import { tabStore } from "../../dialog/storage.js";
import { AgentWorkspace } from "./workspace.js";
import { AdminDashboard } from "./dashboard.js";
import { ConnectionBanner } from "./banner.js";
import { Notices } from "./notices.js";
import { RoutingSettings } from "./settings-screen.js";
import { SignInPage } from "./sign-in-page.js";
import { TopBar } from "./top-bar.js";
import { TransferOpener } from "./transfer.js";
import { chooseWords } from "./words.js";

/** @typedef {"workspace" | "dashboard" | "settings"} Screen */

/**
 * What every element of the signed-in console needs.
 *
 * @typedef {object} ConsoleContext
 * @property {Connection} connection
 * @property {Workspace} workspace
 * @property {Dashboard | null} dashboard Null unless the agent is an admin.
 * @property {Drafts} drafts
 * @property {Notices} notices
 * @property {TransferOpener} transfers
 */

const SCREENS = { workspace: AgentWorkspace, dashboard: AdminDashboard, settings: RoutingSettings };
const URL_OF_ROUTER = new URL("ws", document.baseURI.split("#")[0]);
URL_OF_ROUTER.protocol = URL_OF_ROUTER.protocol === "https:" ? "wss:" : "ws:";
URL_OF_ROUTER.search = "";

export class RelevoConsole extends HTMLElement {
  /** @type {Connection | null} */
  #connection = null;
  /** @type {ConsoleContext | null} */
  #context = null;
  /** @type {import("../model/sign-in.js").Embedder | null} */
  #embedder = null;
  #page = new SignInPage((text) => this.#onPasted(text));

  async connectedCallback() {
    addEventListener("hashchange", () => {
      if (!location.hash.includes("token=")) return;
      const token = takeToken();
      if (token !== null) this.#signIn(token);
    });
    preferences.addEventListener("change", () => void this.#updateLanguage());
    const token = takeToken();
    this.append(this.#page);
    this.#embedder = await findEmbedder((token) => this.#signIn(token));
    if (token !== null) this.#signIn(token);
    else this.#page.show(null);
    this.#embedder?.announceReady();
  }

  /** Forget the token, and close the connection. */
  async signOut() {
    forgetToken();
    await this.#disconnect();
    this.#page.show(null);
    this.replaceChildren(this.#page);
  }

  /** @param {Screen} screen */
  goTo(screen) {
    const { connection, workspace, dashboard } = this.#context ?? {};
    const main = this.querySelector("main");
    if (this.#context === null || !main || !connection || !workspace) return;
    // The other screens are for admins.
    const allowed = dashboard === null ? "workspace" : screen;
    const Shown = SCREENS[allowed];
    main.replaceChildren(new Shown(this.#context));
    tabStore.set("screen", allowed);
    this.querySelector("top-bar")?.setAttribute("screen", allowed);
  }

  /**
   * @param {string} text The pasted text.
   * @returns {boolean} Whether it contains a token.
   */
  #onPasted(text) {
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
      // The router rejects another agent's token on this connection: then sign in again.
      present.renew(token).catch(() => void this.#connect(token));
    } else void this.#connect(token);
  }

  /** @param {string} token */
  async #connect(token) {
    await this.#disconnect();
    const embedder = this.#embedder;
    const renew = embedder === null ? null : () => embedder.requestToken();
    const connection = new Connection(URL_OF_ROUTER.href, token, renew);
    this.#connection = connection;
    const show = () => {
      if (this.#connection !== connection || this.#context !== null) return;
      if (connection.live) this.#onConnected(connection);
      else this.#page.show(connection);
    };
    connection.addEventListener("state", () => {
      if (connection.state.kind === "ended" && this.#connection === connection) this.#onEnded(connection);
      else show();
    });
    show();
    this.replaceChildren(this.#page);
    await connection.start();
  }

  /** @param {Connection} connection */
  #onConnected(connection) {
    const { welcome } = connection.client;
    if (welcome === null || welcome.agent === null) return;
    const workspace = new Workspace(connection);
    const dashboard = welcome.role === "admin" ? new Dashboard(connection) : null;
    const drafts = new Drafts(tabStore, `${welcome.tenant} ${welcome.agent.id}`);
    const notices = new Notices(workspace, (sessionId) => {
      this.goTo("workspace");
      workspace.openSession(sessionId);
    });
    const transfers = new TransferOpener(connection, workspace);
    this.#context = { connection, workspace, dashboard, drafts, notices, transfers };
    workspace.addEventListener("change", () => {
      tabStore.set("conversation", workspace.open?.session.id ?? "");
    });
    this.#build();
    const sessionId = tabStore.get("conversation");
    if (sessionId) workspace.openSession(sessionId);
  }

  #build() {
    if (this.#context === null) return;
    const { connection, notices, transfers } = this.#context;
    const bar = new TopBar(this.#context, {
      goTo: (screen) => this.goTo(screen),
      signOut: () => this.signOut(),
    });
    const banner = new ConnectionBanner(connection, (text) => this.#onPasted(text));
    const main = document.createElement("main");
    this.replaceChildren(bar, banner, main, transfers.element, notices.element);
    const screen = tabStore.get("screen");
    this.goTo(screen === "workspace" || screen === "settings" ? screen : "dashboard");
  }

  /** @param {Connection} connection */
  #onEnded(connection) {
    // The screen and the drafts stay; the banner shows the reason, and takes a new link.
    if (this.#context === null) this.#page.show(connection);
  }

  async #disconnect() {
    const { workspace, dashboard, notices } = this.#context ?? {};
    workspace?.end();
    dashboard?.end();
    notices?.end();
    this.#context = null;
    const connection = this.#connection;
    this.#connection = null;
    await connection?.end();
  }

  async #updateLanguage() {
    const before = document.documentElement.lang;
    await chooseWords();
    if (before === document.documentElement.lang) return;
    if (this.#context !== null) this.#build();
    else this.#page.show(this.#connection);
  }
}

customElements.define("relevo-console", RelevoConsole);
