/** A signed-in client, and its connection's state as the screens show it. */

import {
  Client,
  HandshakeRefusedError,
  RateLimitPassedError,
  SentAwayError,
  SignInRefusedError,
  TokenExpiredError,
} from "../../js/src/index.js";
import { expiryOf } from "./sign-in.js";

/**
 * @typedef {"connecting" | "slow" | "unreachable" | "offline" | "lost" | "draining" | "live" | "busy" | "ended"} Kind
 *   `slow`: the first connection takes long. `busy`: connected, but replies take long.
 */

/** @typedef {"expired" | "wrong" | "removed" | "rate" | "handshake" | "back_end" | "other"} Ending */

/**
 * @typedef {object} ConnectionState
 * @property {Kind} kind
 * @property {number} since Its start, by this machine's clock.
 * @property {number | null} retryAt When the next attempt starts, by this machine's clock.
 * @property {Ending | null} ending Why the client makes no further attempt.
 */

const DRAINING = 4000;
const SLOW_CONNECT_MS = 4_000;
const SLOW_ANSWER_MS = 2_500;

/** Emits `state` when its state changes, `welcome` at each welcome, `token` when its token or expiry changes. */
export class Connection extends EventTarget {
  client;
  /** When the token expires, by the router's clock; null before the first welcome. @type {number | null} */
  expiresAt = null;
  /** @type {ConnectionState} */
  state = { kind: "connecting", since: Date.now(), retryAt: null, ending: null };
  #token;
  /** The router's clock minus this machine's. */
  #skewMs = 0;
  /** The commands without a reply, with the time of each. @type {Set<{ at: number }>} */
  #unanswered = new Set();
  #timer;
  #stopOffline;
  #requestingToken = false;

  /**
   * @param {string} url The router's websocket.
   * @param {string} token
   * @param {(() => Promise<string | null>) | null} renew Returns a fresh token, or null for none; null without
   *   an embedding page.
   */
  constructor(url, token, renew) {
    super();
    this.#token = token;
    let first = true;
    const source = async () => {
      // At the first connection the token is fresh.
      const fresh = first ? null : await this.#requestToken(renew);
      first = false;
      this.#token = fresh ?? this.#token;
      return this.#token;
    };
    this.client = new Client(url, renew === null ? token : source, {
      connectTimeout: null,
      clientName: "relevo-console/0.1",
    });
    this.#listen();
    this.#timer = setInterval(() => this.#checkReplies(), 500);
    const offline = () => this.#setState(navigator.onLine ? "lost" : "offline");
    addEventListener("offline", offline);
    const online = () => this.#setAlive();
    addEventListener("online", online);
    this.#stopOffline = () => {
      removeEventListener("offline", offline);
      removeEventListener("online", online);
    };
  }

  /** The time by the router's clock, for ages. */
  now() {
    return Date.now() + this.#skewMs;
  }

  get live() {
    return this.state.kind === "live" || this.state.kind === "busy";
  }

  /** Connect, and stay connected. */
  async start() {
    try {
      await this.client.start();
    } catch {
      // The events have the reason.
    }
  }

  /**
   * Send a command, and watch how long its reply takes.
   *
   * @template T
   * @param {(client: Client) => Promise<T>} command
   * @returns {Promise<T>}
   */
  async track(command) {
    const request = { at: Date.now() };
    this.#unanswered.add(request);
    try {
      const result = await command(this.client);
      this.#setAlive();
      return result;
    } finally {
      this.#unanswered.delete(request);
      this.#checkReplies();
    }
  }

  /**
   * Continue with another token of the same agent.
   *
   * @param {string} token
   */
  async renew(token) {
    this.expiresAt = await this.client.refreshToken(token);
    this.#token = token;
    this.dispatchEvent(new Event("token"));
  }

  /** Close the connection. */
  async end() {
    clearInterval(this.#timer);
    this.#stopOffline();
    await this.client.close();
  }

  /** How long the token is still valid, in milliseconds; Infinity while another is requested. */
  get expiresInMs() {
    return this.expiresAt === null || this.#requestingToken ? Infinity : this.expiresAt - this.now();
  }

  /** @param {(() => Promise<string | null>) | null} renew */
  async #requestToken(renew) {
    this.#requestingToken = true;
    try {
      const fresh = (await renew?.()) ?? null;
      // The client sends it to the router. If the router rejects it, the connection ends with that error.
      if (fresh !== null) this.expiresAt = expiryOf(fresh);
      return fresh;
    } finally {
      this.#requestingToken = false;
      this.dispatchEvent(new Event("token"));
    }
  }

  #listen() {
    const { client } = this;
    client.on("connected", ({ welcome }) => {
      this.#skewMs = welcome.serverAt - Date.now();
      this.expiresAt = welcome.expiresAt;
      if (welcome.agent === null) {
        this.#end("back_end");
        return;
      }
      this.#setState("live");
      this.dispatchEvent(new CustomEvent("welcome"));
    });
    client.on("unreachable", ({ reconnectInMs }) => {
      const kind = this.state.kind === "draining" ? "draining" : "unreachable";
      this.#setState(navigator.onLine ? kind : "offline", Date.now() + reconnectInMs);
    });
    client.on("serverDraining", ({ reconnectInMs }) =>
      this.#setState("draining", Date.now() + reconnectInMs),
    );
    client.on("disconnected", ({ closeCode, reconnectInMs, error }) => {
      if (error !== null) this.#end(this.#endingOf(error));
      else if (reconnectInMs !== null) {
        const kind = closeCode === DRAINING || this.state.kind === "draining" ? "draining" : "lost";
        this.#setState(navigator.onLine ? kind : "offline", Date.now() + reconnectInMs);
      }
    });
    client.on("tokenExpiring", ({ expiresAt }) => {
      this.expiresAt = expiresAt;
      this.dispatchEvent(new Event("token"));
    });
  }

  /** @param {Error} error @returns {Ending} */
  #endingOf(error) {
    if (error instanceof TokenExpiredError) return "expired";
    if (error instanceof SignInRefusedError) {
      const end = expiryOf(this.#token);
      // The router's clock decides, not this machine's.
      const expired = /expired/.test(error.message) || (end !== null && end <= this.now());
      return expired ? "expired" : "wrong";
    }
    if (error instanceof SentAwayError) return "removed";
    if (error instanceof RateLimitPassedError) return "rate";
    if (error instanceof HandshakeRefusedError) return "handshake";
    return "other";
  }

  /** @param {Ending} ending */
  #end(ending) {
    clearInterval(this.#timer);
    this.#setState("ended", null, ending);
    // The router accepts a back end's token; the console has no use for it.
    if (ending === "back_end") void this.client.close();
  }

  /** The network is back, and the socket has outlived its absence: the client's next ping finds out otherwise. */
  #setAlive() {
    const { kind } = this.state;
    if ((kind === "offline" || kind === "lost") && this.client.state === "connected") this.#setState("live");
  }

  #checkReplies() {
    const { kind, since } = this.state;
    const now = Date.now();
    const slow = [...this.#unanswered].some(({ at }) => now - at > SLOW_ANSWER_MS);
    if (kind === "connecting" && now - since > SLOW_CONNECT_MS) this.#setState("slow");
    else if (kind === "live" && slow) this.#setState("busy");
    else if (kind === "busy" && !slow) this.#setState("live");
  }

  /**
   * @param {Kind} kind
   * @param {number | null} [retryAt]
   * @param {Ending | null} [ending]
   */
  #setState(kind, retryAt = null, ending = null) {
    const before = this.state;
    if (before.kind === "ended") return;
    const since = before.kind === kind ? before.since : Date.now();
    this.state = { kind, since, retryAt, ending };
    this.dispatchEvent(new Event("state"));
  }
}
