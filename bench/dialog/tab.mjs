/** A page whose network has no listener. */

/** @typedef {import("../../tests/browser/support/browser.js").Browser} Browser */
/** @typedef {import("../../tests/browser/support/browser.js").CDPSession} CDPSession */
/** @typedef {{ resolve: (result: any) => void, reject: (error: Error) => void }} Caller */

/**
 * A tab beside those of Playwright, which has the browser tell of every frame of a websocket: the page's main thread
 * serializes it again for that, and a snapshot costs it far more than in a page without a debugger.
 */
export class Tab {
  #browser;
  #contextId = "";
  #sessionId = "";
  #sent = 0;
  /** @type {Map<number, Caller>} */
  #callers = new Map();

  /** @param {CDPSession} browser */
  constructor(browser) {
    this.#browser = browser;
  }

  /**
   * Open an empty tab, with storage of its own.
   *
   * @param {Browser} browser
   * @param {{ width: number, height: number }} size
   */
  static async open(browser, { width, height }) {
    const session = await browser.newBrowserCDPSession();
    const tab = new Tab(session);
    await tab.#attach();
    await tab.send("Page.enable");
    const screen = { width, height, deviceScaleFactor: 1, mobile: false };
    await tab.send("Emulation.setDeviceMetricsOverride", screen);
    return tab;
  }

  /**
   * Give a command of the debugger's protocol.
   *
   * @param {string} method
   * @param {object} [params]
   * @returns {Promise<any>}
   */
  async send(method, params = {}) {
    const id = ++this.#sent;
    const message = JSON.stringify({ id, method, params });
    const answer = new Promise((resolve, reject) => this.#callers.set(id, { resolve, reject }));
    await this.#browser.send("Target.sendMessageToTarget", {
      sessionId: this.#sessionId,
      message,
    });
    return answer;
  }

  /**
   * Run a function in every page to come, before its own scripts.
   *
   * @param {() => void} run
   */
  async addInitScript(run) {
    await this.send("Page.addScriptToEvaluateOnNewDocument", {
      source: `(${run})()`,
    });
  }

  /** @param {string} url */
  async goto(url) {
    await this.send("Page.navigate", { url });
  }

  /**
   * Run a function in the page.
   *
   * @template Argument, Result
   * @param {(argument: Argument) => Result} run Goes there as text.
   * @param {Argument} [argument]
   * @returns {Promise<Awaited<Result>>}
   */
  async evaluate(run, argument) {
    const expression = `(${run})(${JSON.stringify(argument) ?? ""})`;
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", options);
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception.description);
    return result.value;
  }

  async close() {
    await this.#browser.send("Target.disposeBrowserContext", {
      browserContextId: this.#contextId,
    });
    await this.#browser.detach();
  }

  async #attach() {
    this.#browser.on("Target.receivedMessageFromTarget", ({ sessionId, message }) => {
      if (sessionId === this.#sessionId) this.#onMessage(JSON.parse(message));
    });
    const { browserContextId } = await this.#browser.send("Target.createBrowserContext");
    const { targetId } = await this.#browser.send("Target.createTarget", {
      url: "about:blank",
      browserContextId,
    });
    const { sessionId } = await this.#browser.send("Target.attachToTarget", {
      targetId,
      flatten: false,
    });
    this.#contextId = browserContextId;
    this.#sessionId = sessionId;
  }

  /** @param {{ id?: number, result?: unknown, error?: { message: string } }} message */
  #onMessage({ id, result, error }) {
    // A message without an id is an event.
    if (id === undefined) return;
    const caller = this.#callers.get(id);
    this.#callers.delete(id);
    if (error === undefined) caller?.resolve(result);
    else caller?.reject(new Error(error.message));
  }
}
