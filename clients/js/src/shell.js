/** The shell around the core: the websocket, the only timer, and the waiting callers. */

import { byteLength, MESSAGE_BYTES_MAX, UndecodableMessageError, whyNotPlain } from "./codec.js";
import { InvalidDataError } from "./decode.js";
import { abortion, BadMessageError, HandshakeRefusedError } from "./errors.js";
import { Connection } from "./connection.js";
import { platform } from "./platform.js";

/** @typedef {import("./core.js").Core} Core */
/** @typedef {import("./platform.js").AbortSignalLike} AbortSignalLike */
/** @typedef {{ resolve: (result: any) => void, reject: (error: unknown) => void }} Caller */
/** @typedef {{ condition: () => boolean, resolve: () => void, reject: (error: unknown) => void }} Waiter */

/**
 * @typedef {object} Environment
 * @property {readonly string[]} urls
 * @property {import("./tokens.js").Tokens} tokens
 * @property {import("./codec.js").Codec} codec
 * @property {import("./platform.js").WebSocketConstructor} WebSocket
 * @property {import("./backoff.js").Backoff} retry The delays before a token source that failed is asked
 *   again.
 * @property {() => number} random
 * @property {() => number} clock
 * @property {import("./platform.js").Logger} logger
 * @property {(event: import("./events.js").ClientEvent) => void} emit
 */

// A throttled page has timers of whole seconds. A later timer fires after a sleep.
const LATE_MS = 1_500;
// Time to read what waits in the socket after a sleep.
const WAKING_MS = 100;
// Beyond it setTimeout overflows, and fires at once.
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Shell {
  /** Resolves when the last connection has gone. */
  closing = Promise.resolve();
  #core;
  #environment;
  #urlIndex = 0;
  /** Counts attempts, so that a late token is not used. */
  #attempt = 0;
  /** @type {Connection | null} */
  #connection = null;
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
   * @param {Environment} environment
   */
  constructor(core, environment) {
    this.#core = core;
    this.#environment = environment;
  }

  /** @returns {number} */
  now() {
    return this.#environment.clock();
  }

  /** Carry out the core's effects; call it after every call of the core. */
  advance() {
    const core = this.#core;
    const close = core.takeClose();
    if (close !== null) this.#closeConnection(close.code, close.reason);
    for (const outcome of core.takeOutcomes()) {
      const caller = this.#callers.get(outcome.id);
      if ("error" in outcome) caller?.reject(outcome.error);
      else caller?.resolve(outcome.result);
    }
    for (const event of core.takeEvents()) this.#environment.emit(event);
    if (core.takeConnect(this.now())) void this.#connect();
    if (core.takeTokenWanted() && this.#environment.tokens.renewable && this.#connection !== null) {
      void this.#refreshToken(this.#connection);
    }
    this.flushSoon();
    this.#setWakeTimer();
    this.checkWaiters();
  }

  /** Send at the end of the present microtask turn, so that commands given together share a frame. */
  flushSoon() {
    if (this.#flushing) return;
    this.#flushing = true;
    void Promise.resolve().then(() => this.#flush());
  }

  /**
   * Submit a command and wait for its outcome.
   *
   * @param {string} type
   * @param {Record<string, unknown>} fields
   * @param {{ timeout: number, key: string | null, signal: AbortSignalLike | undefined }} options
   * @returns {Promise<Record<string, unknown>>}
   */
  async call(type, fields, { timeout, key, signal }) {
    if (signal?.aborted) throw abortion(signal);
    const commandId = this.#core.submit(type, fields, this.now() + timeout, key);
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
      // Another command may be sent now.
      this.flushSoon();
    }
  }

  /**
   * Wait until a condition of the core is true.
   *
   * @param {() => boolean} condition
   * @param {number} timeoutMs
   * @param {() => Error} [timeout] The error of a time-out.
   * @returns {Promise<void>} Rejects with the client's error when it stops.
   */
  waitUntil(condition, timeoutMs = Infinity, timeout) {
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
      this.checkWaiters();
    });
  }

  /** Check the condition of each waiter. */
  checkWaiters() {
    for (const waiter of [...this.#waiters]) {
      if (waiter.condition()) waiter.resolve();
      else if (this.#core.stop !== null) waiter.reject(this.#core.stop);
    }
  }

  // The connection.

  async #connect() {
    const attempt = ++this.#attempt;
    const { urls, tokens, codec, WebSocket, logger } = this.#environment;
    let token;
    try {
      token = await tokens.fresh();
    } catch (error) {
      // The token source may fail in any way; the client tries again.
      logger.warn("relevo-client: no token:", error);
      if (attempt === this.#attempt) this.#onClosed(1006, `no token: ${error}`);
      return;
    }
    if (attempt !== this.#attempt) return;
    const url = /** @type {string} */ (urls[this.#urlIndex % urls.length]);
    this.#urlIndex += 1;
    try {
      this.#connection = new Connection(WebSocket, url, codec, {
        opened: () => {
          this.#core.opened(token, this.now());
          this.advance();
        },
        received: (messages) => this.#onReceived(messages),
        undecodable: (error) => this.#giveUp(error),
        refused: (error) => this.#onRefused(error),
        closed: (code, reason) => this.#onClosed(code, reason),
      });
    } catch (error) {
      if (!(error instanceof HandshakeRefusedError)) throw error;
      this.#onRefused(error);
    }
  }

  /** @param {unknown[]} messages */
  #onReceived(messages) {
    try {
      for (const message of messages) this.#core.received(message, this.now());
    } catch (error) {
      this.#giveUp(error);
    }
    this.advance();
  }

  /** @param {unknown} error */
  #giveUp(error) {
    // The message is lost, and with it the client's state; a new connection restores it. That also repairs what a
    // defect of this client has left undone.
    const invalid = error instanceof UndecodableMessageError || error instanceof InvalidDataError;
    this.#environment.logger.error(`relevo-client: ${invalid ? "not of the protocol" : "a defect"}:`, error);
    this.#core.giveUp(`not of the protocol: ${error}`, this.now());
    this.advance();
  }

  /** @param {HandshakeRefusedError} error */
  #onRefused(error) {
    this.#closeConnection(1000, "");
    this.#core.refused(error, this.now());
    this.advance();
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #onClosed(code, reason) {
    this.#connection = null;
    this.#core.closed(code, reason, this.now());
    this.advance();
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #closeConnection(code, reason) {
    this.#attempt += 1;
    const connection = this.#connection;
    this.#connection = null;
    if (connection !== null) this.closing = connection.close(code, reason);
  }

  /** @param {Connection} connection */
  async #refreshToken(connection) {
    const { tokens, retry, random, logger } = this.#environment;
    for (let failures = 0; this.#connection === connection; failures += 1) {
      try {
        const token = await tokens.fresh();
        if (this.#connection === connection) this.#core.refreshToken(token);
        this.flushSoon();
        return;
      } catch (error) {
        // The old token is still valid for a while.
        logger.warn("relevo-client: no fresh token:", error);
      }
      await new Promise((resolve) =>
        platform.setTimeout(() => resolve(null), retry.delayMs(failures, random)),
      );
    }
  }

  #flush() {
    this.#flushing = false;
    if (this.#connection === null) {
      // A command that cannot be sent yet still has its deadline.
      this.#setWakeTimer();
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
    this.#connection.send(encoded);
    if (refused) this.advance();
    else this.#setWakeTimer();
  }

  /** @param {Record<string, unknown>} message */
  #encode(message) {
    const reason = whyNotPlain(message);
    if (reason !== null) return new BadMessageError(`${message.type} cannot be encoded: ${reason}`);
    let data;
    try {
      data = this.#environment.codec.encode(message);
    } catch (cause) {
      return new BadMessageError(`${message.type} cannot be encoded: ${cause}`, { cause });
    }
    const bytes = byteLength(data);
    // The router would close the connection at each attempt.
    return bytes <= MESSAGE_BYTES_MAX
      ? data
      : new BadMessageError(`${message.type} has ${bytes} bytes, above ${MESSAGE_BYTES_MAX}`);
  }

  // Time.

  #setWakeTimer() {
    const wakeAt = this.#core.wakeAt(this.now());
    // A timer that fires early does nothing, and costs less than a new one at each message.
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
      // The page or the machine slept. Messages that wait in the socket are read before anything is overdue.
      this.#setTimer(this.now() + WAKING_MS, true);
      return;
    }
    this.#timer = null;
    this.#timerAt = Infinity;
    this.#core.tick(this.now());
    this.advance();
  }
}
