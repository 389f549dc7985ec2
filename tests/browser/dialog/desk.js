/** A small contact centre for the tests of the dialog: a router, a browser, and agents in all states. */

import { launch } from "../support/browser.js";
import { Cable } from "../support/cable.js";
import { servePages } from "../support/pages.js";
import { Router } from "../support/router.js";

/** @typedef {import("playwright-core").Page} Page */

export class Desk {
  /** @type {Page[]} */
  #pages = [];
  /** @type {Cable[]} */
  #cables = [];
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
    return new Desk(router, site, browser);
  }

  async close() {
    await this.leave();
    await this.browser.close();
    await this.router.stop();
    await this.site.close();
  }

  /** Close what the last test opened. */
  async leave() {
    for (const page of this.#pages.splice(0)) await page.context().close();
    for (const cable of this.#cables.splice(0)) await cable.close();
  }

  /** Bring in everybody whom the tests transfer to. */
  async staff() {
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
    await router.open("busy-1", "Somebody", "fabio");
    await router.open("busy-2", "Somebody", "ana");
    await router.open("busy-3", "Somebody", "paula");
    await pablo.setStatus("pause");
    await paula.setStatus("pre_pause");
    return { ana, bruno, pablo, paula, carmen, fabio };
  }

  /**
   * Open the page of an agent who has a conversation, and the dialog in it.
   *
   * @param {{ agent?: string, customer?: string, lang?: string, theme?: string, tab?: string, phone?: boolean,
   *   dark?: boolean, cable?: boolean, shown?: boolean, agentName?: string }} options
   */
  async page(options = {}) {
    const { agent = "marta", customer = "Lucía Ferrer", phone = false, dark = false, shown = true } = options;
    const { router } = this;
    this.#sessions += 1;
    const sessionId = `chat-${this.#sessions}`;
    const cable = await Cable.lay(router.port);
    this.#cables.push(cable);
    const viewport = phone ? { width: 390, height: 780 } : { width: 1100, height: 800 };
    const context = await this.browser.newContext({
      viewport,
      colorScheme: dark ? "dark" : "light",
      locale: "en-GB",
      hasTouch: phone,
    });
    const page = await context.newPage();
    this.#pages.push(page);
    /** @type {string[]} */
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      // What a browser itself logs of a connection that a test has cut is no fault of the page.
      if (message.type() === "error" && !message.text().includes("WebSocket"))
        complaints.push(message.text());
    });
    page.on("dialog", (dialog) => {
      complaints.push(`the page opened an alert: ${dialog.message()}`);
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
    const url = `ws://127.0.0.1:${cable.port}/ws`;
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
    return { page, cable, sessionId, complaints };
  }
}
