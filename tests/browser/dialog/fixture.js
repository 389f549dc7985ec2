/** The fixture of the dialog's tests: a router, a browser, and agents in all states. */

import { after, afterEach, before } from "node:test";
import { launch, noBrowser } from "../support/browser.js";
import { TcpProxy } from "../support/tcp-proxy.js";
import { servePages } from "../support/pages.js";
import { Router } from "../support/router.js";

/** @typedef {import("playwright-core").Page} Page */

export class DialogFixture {
  /** @type {Page[]} */
  #pages = [];
  /** @type {TcpProxy[]} */
  #proxies = [];
  #sessions = 0;

  /**
   * @param {Router} router
   * @param {Awaited<ReturnType<typeof servePages>>} site
   * @param {Awaited<ReturnType<typeof launch>>} browser
   */
  constructor(router, site, browser) {
    this.router = router;
    this.site = site;
    this.browser = browser;
  }

  static async open() {
    const site = await servePages();
    const [router, browser] = await Promise.all([
      Router.start([site.origin], { RELEVO_PRESENCE_GRACE_MS: "200" }),
      launch(),
    ]);
    return new DialogFixture(router, site, browser);
  }

  async close() {
    await this.closePages();
    await this.browser.close();
    await this.router.end();
    await this.site.close();
  }

  /** Close the pages of the last test. */
  async closePages() {
    for (const page of this.#pages.splice(0)) await page.context().close();
    for (const proxy of this.#proxies.splice(0)) await proxy.close();
  }

  /** Connect the agents that the tests transfer to. */
  async addAgents() {
    const { router } = this;
    await router.departments("billing", "support", "sales");
    const ana = await router.connect({
      id: "ana",
      name: "Ana Souza",
      departments: ["support"],
      capacity: 10,
    });
    const bruno = await router.connect({
      id: "bruno",
      name: "Bruno Lima",
      departments: ["support"],
      capacity: 5,
    });
    const pablo = await router.connect({
      id: "pablo",
      name: "Pablo Díaz",
      departments: ["support", "sales"],
    });
    const paula = await router.connect({
      id: "paula",
      name: "Paula Ortiz",
      departments: ["billing"],
      capacity: 4,
    });
    const carmen = await router.connect({ id: "carmen", name: "Carmen Núñez", role: "admin", capacity: 3 });
    const fabio = await router.connect({
      id: "fabio",
      name: "Fábio Conceição",
      departments: ["sales"],
      capacity: 1,
    });
    await router.command("agent.put", {
      agent: { id: "zoe", name: "Zoë Ångström", role: "agent", departments: ["sales"], capacity: 8 },
    });
    await router.open("busy-1", "Customer", "fabio");
    await router.open("busy-2", "Customer", "ana");
    await router.open("busy-3", "Customer", "paula");
    await pablo.agents.setStatus("pause");
    await paula.agents.setStatus("pre_pause");
    return { ana, bruno, pablo, paula, carmen, fabio };
  }

  /**
   * Open a page of an agent with a session, and the dialog in it.
   *
   * @param {{ agent?: string, customer?: string, lang?: string, theme?: string, tab?: string, phone?: boolean,
   *   proxy?: boolean, shown?: boolean, agentName?: string }} options
   */
  async page(options = {}) {
    const { agent = "marta", customer = "Lucía Ferrer", phone = false, shown = true } = options;
    const { router } = this;
    this.#sessions += 1;
    const sessionId = `chat-${this.#sessions}`;
    const proxy = await TcpProxy.start(router.port);
    this.#proxies.push(proxy);
    const viewport = phone ? { width: 390, height: 780 } : { width: 1100, height: 800 };
    const context = await this.browser.newContext({
      viewport,
      locale: "en-GB",
      hasTouch: phone,
    });
    const page = await context.newPage();
    this.#pages.push(page);
    /** @type {string[]} */
    const pageErrors = [];
    page.on("pageerror", (error) => pageErrors.push(String(error)));
    page.on("console", (message) => {
      // The browser logs connections that a test has cut.
      if (message.type() === "error" && !message.text().includes("WebSocket"))
        pageErrors.push(message.text());
    });
    page.on("dialog", (dialog) => {
      pageErrors.push(`the page opened an alert: ${dialog.message()}`);
      void dialog.dismiss();
    });
    const person = {
      id: agent,
      name: options.agentName ?? "Marta Gil",
      departments: ["support"],
      capacity: 100,
    };
    await router.command("agent.put", { agent: { ...person, role: "agent" } });
    const { lang, theme, tab } = options;
    const token = router.token(person);
    const url = `ws://127.0.0.1:${proxy.port}/ws`;
    const given = encodeURIComponent(JSON.stringify({ url, token, lang, theme, tab, sessionId }));
    await page.goto(`${this.site.origin}/tests/dialog/page/index.html#${given}`);
    await page.waitForFunction(() => /** @type {any} */ (window).ready === true);
    await router.open(sessionId, customer, agent);
    await page.waitForFunction(
      (id) => /** @type {any} */ (window).client.inbox.get(id)?.state === "in_progress",
      sessionId,
    );
    if (shown) {
      await page.click("#open");
      await page.locator("[role=option]").first().waitFor();
    }
    return { page, proxy, sessionId, pageErrors };
  }
}

/**
 * Open a fixture before the tests of a file, close its pages after each, and the rest at the end.
 *
 * @param {(fixture: DialogFixture) => Promise<void>} prepare
 * @returns {{ skip: typeof noBrowser }} the options of each test: without a browser it is skipped
 */
export function openBefore(prepare) {
  /** @type {DialogFixture | undefined} */
  let fixture;
  before(async () => {
    if (noBrowser) return;
    fixture = await DialogFixture.open();
    await prepare(fixture);
  });
  afterEach(() => fixture?.closePages());
  after(() => fixture?.close());
  return { skip: noBrowser };
}
