/** The fixture of the console's tests: a router, a browser, and windows of signed-in agents. */

import assert from "node:assert/strict";
import { launch } from "../support/browser.js";
import { TcpProxy } from "../support/tcp-proxy.js";
import { HttpClient } from "../../../clients/js/src/index.js";
import { Router } from "../support/router.js";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("../support/router.js").Person} Person */

/** @satisfies {Record<string, Person>} */
export const PEOPLE = {
  ana: { id: "ana", name: "Ana Souza", departments: ["support"], capacity: 10 },
  bruno: { id: "bruno", name: "Bruno Lima", departments: ["billing"], capacity: 4 },
  carmen: { id: "carmen", name: "Carmen Núñez", role: "admin", capacity: 5 },
};

/**
 * @typedef {object} WindowOptions
 * @property {boolean} [phone]
 * @property {string} [locale] The browser's language.
 * @property {string} [fragment] In place of the token's.
 * @property {TcpProxy} [proxy] The proxy to connect through.
 */

/** An agent's window, and the errors of its page. */
export class Window {
  /** @type {string[]} */
  pageErrors = [];
  /** Every host that the page sent a request to. @type {Set<string>} */
  hosts = new Set();

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    page.on("pageerror", (error) => this.pageErrors.push(String(error)));
    page.on("console", (message) => {
      const text = message.text();
      // The browser logs connections that a test has cut.
      if (message.type() === "error" && !/WebSocket|ERR_/.test(text)) this.pageErrors.push(text);
    });
    page.on("dialog", (dialog) => {
      this.pageErrors.push(`the page opened an alert: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("request", (request) => this.hosts.add(new URL(request.url()).host));
    page.on("websocket", (socket) => this.hosts.add(new URL(socket.url()).host));
  }

  /** @param {string} name */
  button(name) {
    return this.page.getByRole("button", { name, exact: true });
  }

  /**
   * Return the card of a customer.
   *
   * @param {string} customer
   */
  card(customer) {
    return this.page.locator(".card", { hasText: customer });
  }

  /** @param {string} text */
  async sees(text) {
    await this.page.getByText(text).first().waitFor();
  }

  async pause() {
    await this.button("On pause").click();
    await this.page.locator("button[data-status=pause][aria-pressed=true]:not([aria-busy])").waitFor();
  }

  /** Press Try now. */
  async tryNow() {
    const button = this.button("Try now");
    try {
      await button.click({ timeout: 30_000 });
    } catch (error) {
      // The page's own attempt may have come first, and removed the button.
      if (await button.isVisible()) throw error;
    }
  }

  /** @param {string} customer */
  async choose(customer) {
    await this.card(customer).locator("button.card-title").click();
    await this.page.locator("relevo-conversation").getByRole("heading", { name: customer }).waitFor();
  }

  /**
   * Transfer the conversation that the dialog is open for.
   *
   * @param {string} target
   * @param {{ reason?: string, tab?: "Agents" | "Departments" }} [options]
   */
  async transferTo(target, { reason = "", tab = "Agents" } = {}) {
    const dialog = this.page.locator("relevo-transfer-dialog");
    await dialog.getByRole("tab", { name: tab }).click();
    await dialog.getByRole("option", { name: target }).click();
    if (reason !== "") await dialog.locator("textarea:visible").fill(reason);
    if (tab === "Departments") await dialog.getByRole("button", { name: "Select", exact: true }).click();
    await dialog.getByRole("button", { name: "Transfer", exact: true }).click();
  }
}

export class ConsoleFixture {
  /** @type {Window[]} */
  #windows = [];
  /** @type {TcpProxy[]} */
  #proxies = [];

  /**
   * @param {Router} router
   * @param {Awaited<ReturnType<typeof launch>>} browser
   */
  constructor(router, browser) {
    this.router = router;
    this.browser = browser;
  }

  /** @param {Readonly<Record<string, string>>} settings Of the router, as environment variables. */
  static async open(settings = {}) {
    const quick = { RELEVO_PRESENCE_GRACE_MS: "200", RELEVO_DRAIN_MS: "1500", ...settings };
    const [router, browser] = await Promise.all([Router.start([], quick), launch()]);
    const fixture = new ConsoleFixture(router, browser);
    await router.departments("support", "billing", "sales");
    return fixture;
  }

  /** Close the windows of the last test; no page may have had an error. */
  async closeWindows() {
    const windows = this.#windows.splice(0);
    for (const { page } of windows) await page.context().close();
    for (const proxy of this.#proxies.splice(0)) await proxy.close();
    const backEnd = new HttpClient(
      this.router.httpUrl,
      this.router.token({ id: "back-end", role: "service" }),
    );
    // Queues first: a place that becomes free would move their conversations on.
    for (const state of /** @type {const} */ (["queued", "pending", "in_progress"])) {
      for await (const { id } of backEnd.sessions.list({ state })) await backEnd.sessions.close(id);
    }
    assert.deepEqual(
      windows.flatMap(({ pageErrors }) => pageErrors),
      [],
    );
  }

  async close() {
    await this.browser.close();
    await this.router.end();
  }

  async proxy() {
    const proxy = await TcpProxy.start(this.router.port);
    this.#proxies.push(proxy);
    return proxy;
  }

  /**
   * Open a window of the console.
   *
   * @param {Person} person Whose link is opened.
   * @param {WindowOptions} [options]
   */
  async window(person, { phone = false, locale = "en-GB", fragment, proxy } = {}) {
    const context = await this.browser.newContext({
      viewport: phone ? { width: 390, height: 844 } : { width: 1360, height: 850 },
      locale,
      hasTouch: phone,
    });
    const window = new Window(await context.newPage());
    this.#windows.push(window);
    const base = proxy === undefined ? this.router.httpUrl : `http://127.0.0.1:${proxy.port}`;
    const link = `${base}/${fragment ?? `#token=${this.router.token(person)}`}`;
    await window.page.goto(link);
    return window;
  }

  /**
   * Open a window, and wait until the person is signed in.
   *
   * @param {Person} person
   * @param {WindowOptions} [options]
   */
  async signedIn(person, options) {
    const window = await this.window(person, options);
    await window.page.locator("top-bar").waitFor();
    return window;
  }
}
