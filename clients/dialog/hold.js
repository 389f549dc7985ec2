/** One subscription of a client's directory, shared by everything on the page that needs it. */

/** @typedef {import("../js/src/client.js").Client} Client */

/** Refusals that asking again does not change, until the page signs in anew. */
const FINAL = new Set(["forbidden", "unauthorized", "client_closed", "connection_stopped"]);

/** @type {WeakMap<Client, Hold>} */
const holds = new WeakMap();

class Hold {
  #client;
  #holders = 0;
  #asking = false;
  #unlisten = () => {};

  /** @param {Client} client */
  constructor(client) {
    this.#client = client;
  }

  take() {
    this.#holders += 1;
    if (this.#holders > 1) return;
    // The client subscribes anew by itself after a lost connection; only what it gave up has to be asked for again.
    this.#unlisten = this.#client.on("connected", () => void this.#ask());
    void this.#ask();
  }

  release() {
    this.#holders -= 1;
    if (this.#holders > 0) return;
    this.#unlisten();
    // Whether the router still hears it does not matter: with the connection the subscription ends.
    this.#client.unsubscribeDirectory().catch(() => {});
  }

  async #ask() {
    if (this.#asking) return;
    this.#asking = true;
    let again = false;
    try {
      await this.#client.subscribeDirectory();
    } catch (error) {
      const code = /** @type {{ code?: string }} */ (error).code ?? "";
      again = !FINAL.has(code) && this.#client.connected;
    } finally {
      this.#asking = false;
    }
    if (again && this.#holders > 0) void this.#ask();
  }
}

/**
 * Keep a client's directory subscribed, until the function that is returned is called.
 *
 * @param {Client} client
 * @returns {() => void}
 */
export function holdDirectory(client) {
  const hold = holds.get(client) ?? new Hold(client);
  holds.set(client, hold);
  hold.take();
  let held = true;
  return () => {
    if (held) hold.release();
    held = false;
  };
}
