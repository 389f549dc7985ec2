/** One directory subscription per client, shared by every part of the page that needs it (reference counting). */

/** @typedef {import("../js/src/client.js").Client} Client */

/** Errors that another attempt does not change until the page signs in again. */
const FINAL = new Set(["forbidden", "unauthorized", "client_closed", "connection_stopped"]);

/** @type {WeakMap<Client, SharedSubscription>} */
const subscriptions = new WeakMap();

class SharedSubscription {
  #client;
  #holders = 0;
  #subscribing = false;
  #unlisten = () => {};

  /** @param {Client} client */
  constructor(client) {
    this.#client = client;
  }

  acquire() {
    this.#holders += 1;
    if (this.#holders > 1) return;
    // The client subscribes again by itself after a lost connection; a subscription that failed has to be repeated here.
    this.#unlisten = this.#client.on("connected", () => void this.#subscribe());
    void this.#subscribe();
  }

  release() {
    this.#holders -= 1;
    if (this.#holders > 0) return;
    this.#unlisten();
    // An error does not matter: the subscription ends with the connection.
    this.#client.directory.unsubscribe().catch(() => {});
  }

  async #subscribe() {
    if (this.#subscribing) return;
    this.#subscribing = true;
    let retry = false;
    try {
      await this.#client.directory.subscribe();
    } catch (error) {
      const code = /** @type {{ code?: string }} */ (error).code ?? "";
      retry = !FINAL.has(code) && this.#client.state === "connected";
    } finally {
      this.#subscribing = false;
    }
    if (retry && this.#holders > 0) void this.#subscribe();
  }
}

/**
 * Keep a client's directory subscribed until the returned function is called.
 *
 * @param {Client} client
 * @returns {() => void}
 */
export function holdDirectory(client) {
  const subscription = subscriptions.get(client) ?? new SharedSubscription(client);
  subscriptions.set(client, subscription);
  subscription.acquire();
  let held = true;
  return () => {
    if (held) subscription.release();
    held = false;
  };
}
