/** What surrounds the core: the socket, the one timer, and whoever waits. */

import { byteLength, MESSAGE_BYTES_MAX, UndecodableMessage, whyNotPlain } from "./codec.js";
import { InvalidData } from "./decode.js";
import { abortion, BadMessageError, HandshakeRefused } from "./errors.js";
import { Link } from "./link.js";
import { platform } from "./platform.js";

/** @typedef {import("./core.js").Core} Core */
/** @typedef {import("./platform.js").AbortSignalLike} AbortSignalLike */
/** @typedef {{ resolve: (result: any) => void, reject: (error: unknown) => void }} Caller */
/** @typedef {{ condition: () => boolean, resolve: () => void, reject: (error: unknown) => void }} Waiter */

/**
 * @typedef {object} Surroundings
 * @property {readonly string[]} urls
 * @property {import("./tokens.js").Tokens} tokens
 * @property {import("./codec.js").Codec} codec
 * @property {import("./platform.js").WebSocketConstructor} WebSocket
 * @property {import("./backoff.js").Backoff} retry The delays before a token source that failed is asked
 *   again.
 * @property {() => number} random
 * @property {() => number} clock
 * @property {import("./platform.js").Logger} logger
 * @property {(event: import("./events.js").ClientEvent) => void} tell
 */

// A throttled page's timers keep to whole seconds. One that is later than that comes after a sleep.
const LATE_MS = 1_500;
// Room for what waits in the socket after a sleep.
const WAKING_MS = 100;
// Beyond it setTimeout overflows, and fires at once.
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Shell {
  /** Resolves when the last connection has gone. */
  closing = Promise.resolve();
  #core;
  #around;
  #urlIndex = 0;
  /** Counts attempts, so that a token that comes too late is not used. */
  #attempt = 0;
  /** @type {Link | null} */
  #link = null;
  /** @type {Map<string, Caller>} */
  #callers = new Map();
  /** @type {Set<Waiter>} */
  #waiters = new Set();
  #flushing = false;
  /** @type {unknown} */
  #timer = null;
  #timerAt = Infinity;

  /**
   * @param {Core} core
   * @param {Surroundings} around
   */
  constructor(core, around) {
    this.#core = core;
    this.#around = around;
  }

  /** @returns {number} */
  now() {
    return this.#around.clock();
  }

  /** Carry out what the core wants; to be called after everything that it is told. */
  advance() {
    const core = this.#core;
    const close = core.takeClose();
    if (close !== null) this.#drop(close.code, close.reason);
    for (const outcome of core.takeOutcomes()) {
      const caller = this.#callers.get(outcome.id);
      if ("error" in outcome) caller?.reject(outcome.error);
      else caller?.resolve(outcome.result);
    }
    for (const event of core.takeEvents()) this.#around.tell(event);
    if (core.takeConnect(this.now())) void this.#connect();
    if (core.takeTokenWanted() && this.#around.tokens.renewable && this.#link !== null) {
      void this.#refresh(this.#link);
    }
    this.flushSoon();
    this.#arm();
    this.wakeWaiters();
  }

  /** Send what is to be sent when the present turn ends, so that what is given together goes out together. */
  flushSoon() {
    if (this.#flushing) return;
    this.#flushing = true;
    void Promise.resolve().then(() => this.#flush());
  }

  /**
   * Give a command and wait for its outcome.
   *
   * @param {string} type
   * @param {Record<string, unknown>} fields
   * @param {{ timeoutMs: number, key: string | null, signal: AbortSignalLike | undefined }} options
   * @returns {Promise<Record<string, unknown>>}
   */
  async call(type, fields, { timeoutMs, key, signal }) {
    if (signal?.aborted) throw abortion(signal);
    const commandId = this.#core.submit(type, fields, this.now() + timeoutMs, key);
    let abort = () => {};
    try {
      return await new Promise((resolve, reject) => {
        this.#callers.set(commandId, { resolve, reject });
        abort = () => reject(abortion(signal));
        signal?.addEventListener("abort", abort);
        this.flushSoon();
      });
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#callers.delete(commandId);
      this.#core.forget(commandId);
      // A place has become free for a command that waits its turn.
      this.flushSoon();
    }
  }

  /**
   * Wait until something has become true of the core.
   *
   * @param {() => boolean} condition
   * @param {number} timeoutMs
   * @param {() => Error} [timeout] What to reject with then.
   * @returns {Promise<void>} Rejects with the reason when the client stops.
   */
  until(condition, timeoutMs = Infinity, timeout) {
    return new Promise((resolve, reject) => {
      /** @type {unknown} */
      let timer = null;
      /** @type {Waiter} */
      const waiter = {
        condition,
        resolve: () => {
          platform.clearTimeout(timer);
          this.#waiters.delete(waiter);
          resolve();
        },
        reject: (error) => {
          platform.clearTimeout(timer);
          this.#waiters.delete(waiter);
          reject(error);
        },
      };
      if (timeoutMs !== Infinity) {
        timer = platform.setTimeout(() => waiter.reject(timeout?.()), Math.min(timeoutMs, TIMER_MS_MAX));
      }
      this.#waiters.add(waiter);
      this.wakeWaiters();
    });
  }

  /** Have everybody who waits look again. */
  wakeWaiters() {
    for (const waiter of [...this.#waiters]) {
      if (waiter.condition()) waiter.resolve();
      else if (this.#core.stop !== null) waiter.reject(this.#core.stop);
    }
  }

  // The connection.

  async #connect() {
    const attempt = ++this.#attempt;
    const { urls, tokens, codec, WebSocket, logger } = this.#around;
    let token;
    try {
      token = await tokens.fresh();
    } catch (error) {
      // The source is the program's own and may fail in any way; the client stays as it is, and asks again.
      logger.warn("relevo-client: no token:", error);
      if (attempt === this.#attempt) this.#closed(1006, `no token: ${error}`);
      return;
    }
    if (attempt !== this.#attempt) return;
    const url = /** @type {string} */ (urls[this.#urlIndex % urls.length]);
    this.#urlIndex += 1;
    try {
      this.#link = new Link(WebSocket, url, codec, {
        opened: () => {
          this.#core.opened(token, this.now());
          this.advance();
        },
        received: (messages) => this.#received(messages),
        undecodable: (error) => this.#giveUp(error),
        refused: (error) => this.#refused(error),
        closed: (code, reason) => this.#closed(code, reason),
      });
    } catch (error) {
      if (!(error instanceof HandshakeRefused)) throw error;
      this.#refused(error);
    }
  }

  /** @param {unknown[]} messages */
  #received(messages) {
    try {
      for (const message of messages) this.#core.received(message, this.now());
    } catch (error) {
      this.#giveUp(error);
    }
    this.advance();
  }

  /** @param {unknown} error */
  #giveUp(error) {
    // What it said is lost, and with it the client's state; a new connection brings it all again. That also
    // puts right what a defect of this client has left undone.
    const strange = error instanceof UndecodableMessage || error instanceof InvalidData;
    this.#around.logger.error(`relevo-client: ${strange ? "not of the protocol" : "a defect"}:`, error);
    this.#core.giveUp(`not of the protocol: ${error}`, this.now());
    this.advance();
  }

  /** @param {HandshakeRefused} error */
  #refused(error) {
    this.#drop(1000, "");
    this.#core.refused(error, this.now());
    this.advance();
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #closed(code, reason) {
    this.#link = null;
    this.#core.closed(code, reason, this.now());
    this.advance();
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #drop(code, reason) {
    this.#attempt += 1;
    const link = this.#link;
    this.#link = null;
    if (link !== null) this.closing = link.close(code, reason);
  }

  /** @param {Link} link */
  async #refresh(link) {
    const { tokens, retry, random, logger } = this.#around;
    for (let failures = 0; this.#link === link; failures += 1) {
      try {
        const token = await tokens.fresh();
        if (this.#link === link) this.#core.refreshToken(token);
        this.flushSoon();
        return;
      } catch (error) {
        // The old one still holds for a while.
        logger.warn("relevo-client: no fresh token:", error);
      }
      await new Promise((resolve) =>
        platform.setTimeout(() => resolve(null), retry.delayMs(failures, random)),
      );
    }
  }

  #flush() {
    this.#flushing = false;
    if (this.#link === null) {
      // A command that cannot be sent yet has its deadline all the same.
      this.#arm();
      return;
    }
    const encoded = [];
    let refused = false;
    for (const message of this.#core.takeOutgoing(this.now())) {
      const data = this.#encode(message);
      if (typeof data === "string" || data instanceof Uint8Array) {
        encoded.push(data);
      } else {
        refused = true;
        this.#core.reject(String(message.id), data);
      }
    }
    this.#link.send(encoded);
    if (refused) this.advance();
    else this.#arm();
  }

  /** @param {Record<string, unknown>} message */
  #encode(message) {
    const reason = whyNotPlain(message);
    if (reason !== null) return new BadMessageError(`${message.type} cannot be encoded: ${reason}`);
    let data;
    try {
      data = this.#around.codec.encode(message);
    } catch (cause) {
      return new BadMessageError(`${message.type} cannot be encoded: ${cause}`, { cause });
    }
    const bytes = byteLength(data);
    // The router would close the connection, and again at each repetition.
    return bytes <= MESSAGE_BYTES_MAX
      ? data
      : new BadMessageError(`${message.type} has ${bytes} bytes, above ${MESSAGE_BYTES_MAX}`);
  }

  // Time.

  #arm() {
    const wakeAt = this.#core.wakeAt(this.now());
    // One that fires too early does nothing, and is cheaper than a new one at each message.
    if (wakeAt >= this.#timerAt && wakeAt !== Infinity) return;
    platform.clearTimeout(this.#timer);
    this.#timer = null;
    this.#timerAt = Infinity;
    if (wakeAt !== Infinity) this.#setTimer(wakeAt, false);
  }

  /**
   * @param {number} wakeAt
   * @param {boolean} afterSleep
   */
  #setTimer(wakeAt, afterSleep) {
    this.#timerAt = wakeAt;
    const delayMs = Math.min(Math.max(0, wakeAt - this.now()), TIMER_MS_MAX);
    this.#timer = platform.setTimeout(() => this.#onTimer(wakeAt, afterSleep), delayMs);
  }

  /**
   * @param {number} wakeAt
   * @param {boolean} afterSleep
   */
  #onTimer(wakeAt, afterSleep) {
    if (!afterSleep && this.now() > wakeAt + LATE_MS) {
      // The page or the machine slept. What the router said meanwhile waits in the socket, and counts before
      // anything is called overdue.
      this.#setTimer(this.now() + WAKING_MS, true);
      return;
    }
    this.#timer = null;
    this.#timerAt = Infinity;
    this.#core.tick(this.now());
    this.advance();
  }
}
