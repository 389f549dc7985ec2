/** One signed-in client, and the state of its connection in the words that a screen shows. */

import {
  Client,
  HandshakeRefused,
  RateLimitPassed,
  SentAway,
  SignInRefused,
  TokenExpired,
} from "../../js/src/index.js";
import { expiryOf } from "./sign-in.js";

/**
 * @typedef {"connecting" | "slow" | "unreachable" | "offline" | "lost" | "draining" | "live" | "busy" | "ended"} Kind
 *   `slow`: the first connection takes long. `busy`: connected, but an answer does not come.
 */

/** @typedef {"expired" | "wrong" | "removed" | "rate" | "handshake" | "back_end" | "other"} Ending */

/**
 * @typedef {object} Situation
 * @property {Kind} kind
 * @property {number} since When it began, by this machine's clock.
 * @property {number | null} retryAt When the next attempt starts, by this machine's clock.
 * @property {Ending | null} ending Why there will be no other attempt.
 */

const DRAINING = 4000;
// How long a person waits before a word is due.
const SLOW_CONNECT_MS = 4_000;
const SLOW_ANSWER_MS = 2_500;

/** Emits `situation` when its situation changes, `welcome` at each welcome, `token` when its token is about to end. */
export class Connection extends EventTarget {
  client;
  /** When the token ends, by the router's clock; null before the first welcome. @type {number | null} */
  expiresAt = null;
  /** @type {Situation} */
  situation = { kind: "connecting", since: Date.now(), retryAt: null, ending: null };
  #token;
  /** How far the router's clock is ahead of this machine's. */
  #skewMs = 0;
  /** When each unanswered command was given. @type {Set<{ at: number }>} */
  #asked = new Set();
  #watch;
  #stopOffline;
  #asking = false;

  /**
   * @param {string} url The router's websocket.
   * @param {string} token
   * @param {(() => Promise<string | null>) | null} renew Returns a fresh token, or null for none; absent if nobody has
   *   one to give.
   */
  constructor(url, token, renew) {
    super();
    this.#token = token;
    let first = true;
    const source = async () => {
      // The token at hand is as fresh as can be at the first connection.
      const fresh = first ? null : await this.#ask(renew);
      first = false;
      this.#token = fresh ?? this.#token;
      return this.#token;
    };
    this.client = new Client(url, renew === null ? token : source, {
      connectTimeoutMs: null,
      clientName: "relevo-console/0.1",
    });
    this.#listen();
    this.#watch = setInterval(() => this.#look(), 500);
    const offline = () => this.#be(navigator.onLine ? "lost" : "offline");
    addEventListener("offline", offline);
    this.#stopOffline = () => removeEventListener("offline", offline);
  }

  /** The time by the router's clock: what ages are reckoned from. */
  now() {
    return Date.now() + this.#skewMs;
  }

  get live() {
    return this.situation.kind === "live" || this.situation.kind === "busy";
  }

  /** Connect, and stay so. */
  async start() {
    try {
      await this.client.start();
    } catch {
      // The events have told why.
    }
  }

  /**
   * Give a command, and notice if the answer takes long.
   *
   * @template T
   * @param {(client: Client) => Promise<T>} command
   * @returns {Promise<T>}
   */
  async ask(command) {
    const asked = { at: Date.now() };
    this.#asked.add(asked);
    try {
      return await command(this.client);
    } finally {
      this.#asked.delete(asked);
      this.#look();
    }
  }

  /**
   * Go on with another token of the same person.
   *
   * @param {string} token
   */
  async renew(token) {
    this.expiresAt = await this.client.refreshToken(token);
    this.#token = token;
    this.dispatchEvent(new Event("token"));
  }

  /** Leave: the router hears a goodbye. */
  async end() {
    clearInterval(this.#watch);
    this.#stopOffline();
    await this.client.close();
  }

  /** How long the token lasts yet, in milliseconds; without end while somebody is asked for another. */
  get expiresInMs() {
    return this.expiresAt === null || this.#asking ? Infinity : this.expiresAt - this.now();
  }

  /** @param {(() => Promise<string | null>) | null} renew */
  async #ask(renew) {
    this.#asking = true;
    try {
      const fresh = (await renew?.()) ?? null;
      // The client hands it to the router by itself. Were it refused, the connection would end, and say so.
      if (fresh !== null) this.expiresAt = expiryOf(fresh);
      return fresh;
    } finally {
      this.#asking = false;
      this.dispatchEvent(new Event("token"));
    }
  }

  #listen() {
    const { client } = this;
    client.on("connected", ({ welcome }) => {
      this.#skewMs = welcome.serverAt - Date.now();
      this.expiresAt = welcome.expiresAt;
      if (welcome.agent === null) {
        this.#finish("back_end");
        return;
      }
      this.#be("live");
      this.dispatchEvent(new CustomEvent("welcome"));
    });
    client.on("unreachable", ({ reconnectInMs }) => {
      const kind = this.situation.kind === "draining" ? "draining" : "unreachable";
      this.#be(navigator.onLine ? kind : "offline", Date.now() + reconnectInMs);
    });
    client.on("serverDraining", ({ reconnectInMs }) => this.#be("draining", Date.now() + reconnectInMs));
    client.on("disconnected", ({ closeCode, reconnectInMs, error }) => {
      if (error !== null) this.#finish(this.#endingOf(error));
      else if (reconnectInMs !== null) {
        const kind = closeCode === DRAINING || this.situation.kind === "draining" ? "draining" : "lost";
        this.#be(navigator.onLine ? kind : "offline", Date.now() + reconnectInMs);
      }
    });
    client.on("tokenExpiring", ({ expiresAt }) => {
      this.expiresAt = expiresAt;
      this.dispatchEvent(new Event("token"));
    });
  }

  /** @param {Error} error @returns {Ending} */
  #endingOf(error) {
    if (error instanceof TokenExpired) return "expired";
    if (error instanceof SignInRefused) {
      const end = expiryOf(this.#token);
      // The router's own word where it has one: its clock decides, not this machine's.
      const expired = /expired/.test(error.message) || (end !== null && end <= this.now());
      return expired ? "expired" : "wrong";
    }
    if (error instanceof SentAway) return "removed";
    if (error instanceof RateLimitPassed) return "rate";
    if (error instanceof HandshakeRefused) return "handshake";
    return "other";
  }

  /** @param {Ending} ending */
  #finish(ending) {
    clearInterval(this.#watch);
    this.#be("ended", null, ending);
    // A back end's token is let in, and not needed any longer.
    if (ending === "back_end") void this.client.close();
  }

  #look() {
    const { kind, since } = this.situation;
    const now = Date.now();
    const unanswered = [...this.#asked].some(({ at }) => now - at > SLOW_ANSWER_MS);
    if (kind === "connecting" && now - since > SLOW_CONNECT_MS) this.#be("slow");
    else if (kind === "live" && unanswered) this.#be("busy");
    else if (kind === "busy" && !unanswered) this.#be("live");
  }

  /**
   * @param {Kind} kind
   * @param {number | null} [retryAt]
   * @param {Ending | null} [ending]
   */
  #be(kind, retryAt = null, ending = null) {
    const before = this.situation;
    if (before.kind === "ended") return;
    const since = before.kind === kind ? before.since : Date.now();
    this.situation = { kind, since, retryAt, ending };
    this.dispatchEvent(new Event("situation"));
  }
}
