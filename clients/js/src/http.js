/** The HTTP client: the same commands for back ends that keep no connection. */

import { whyNotPlain } from "./codec.js";
import { CommandMethods, present } from "./resources.js";
import { InvalidDataError, isMap } from "./decode.js";
import {
  abortion,
  BadMessageError,
  CommandTimeoutError,
  errorFromWire,
  RelevoError,
  UnauthorizedError,
  UnavailableError,
  UnexpectedResponseError,
} from "./errors.js";
import { MUTATING, retryDelayMs } from "./pending-commands.js";
import { newKey, platform } from "./platform.js";
import { RETRY } from "./settings.js";
import { Tokens } from "./tokens.js";

/** @typedef {import("./resources.js").ChangeOptions} ChangeOptions */

/**
 * @typedef {object} HttpClientOptions
 * @property {number} [commandTimeout] When a command gives up, unless it says otherwise (30,000).
 * @property {number} [requestTimeout] When one attempt is given up and repeated (10,000).
 * @property {import("./backoff.js").Backoff} [retry] The delays before a command is repeated.
 * @property {import("./platform.js").FetchLike} [fetch] In place of the platform's own.
 */

/** Proxies, and routers that are starting or draining, answer with these for a while. */
const TEMPORARY_STATUSES = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * Send commands over HTTP.
 *
 * A command with a retryable error or a lost response is sent again with the same idempotency key until its
 * deadline.
 */
export class HttpClient extends CommandMethods {
  #url;
  #tokens;
  /** @type {string | null} */
  #token = null;
  #commandTimeout;
  #requestTimeout;
  #retry;
  #fetch;

  /**
   * @param {string} url The router's base address, without `/api/v1`.
   * @param {import("./tokens.js").TokenSource} token A JWT, or a function, plain or async, that returns a
   *   fresh one: called at the first command, and when the token has expired.
   * @param {HttpClientOptions} [options]
   */
  constructor(url, token, options = {}) {
    super();
    if (!/^https?:\/\/[^\s/?#]/i.test(url)) throw new TypeError(`${url} is no HTTP address`);
    this.#url = url.replace(/\/+$/, "");
    this.#tokens = new Tokens(token);
    this.#commandTimeout = options.commandTimeout ?? 30_000;
    this.#requestTimeout = options.requestTimeout ?? 10_000;
    this.#retry = options.retry ?? RETRY;
    const fetch = options.fetch ?? platform.fetch;
    if (fetch === undefined) throw new TypeError("this platform has no fetch: pass one in");
    // Browsers refuse a fetch that is called as a method of something else.
    this.#fetch = /** @type {import("./platform.js").FetchLike} */ ((url, options) => fetch(url, options));
  }

  /**
   * Send a command by its type, and return its result as it came. Subscriptions need a websocket.
   *
   * @override
   * @param {string} type Such as `session.transfer`.
   * @param {Record<string, unknown>} fields The command's fields as on the wire, without type, id and key.
   * @param {ChangeOptions} [options]
   */
  async command(type, fields, { timeout = this.#commandTimeout, key, signal } = {}) {
    const ownKey = key ?? (MUTATING.has(type) ? newKey() : null);
    const map = present(fields);
    const reason = whyNotPlain(map);
    if (reason !== null) throw new BadMessageError(`${type} cannot be encoded: ${reason}`);
    const limit = new Limit(timeout, signal);
    /** @type {RelevoError | undefined} */
    let lastError;
    let renewed = false;
    let refusals = 0;
    try {
      for (;;) {
        const outcome = await limit.race(this.#attempt(type, JSON.stringify(map), ownKey, limit));
        if (!(outcome instanceof RelevoError)) return outcome;
        lastError = outcome;
        if (outcome instanceof UnauthorizedError && this.#tokens.renewable && !renewed) {
          // The token may have expired; a second rejection is final.
          this.#token = null;
          renewed = true;
          continue;
        }
        if (!outcome.retryable) throw outcome;
        await limit.race(pause(retryDelayMs(outcome, refusals, this.#retry, Math.random)));
        refusals += 1;
      }
    } catch (error) {
      if (error !== limit.over) throw error;
      throw new CommandTimeoutError(`${type} had no final answer in time`, { key: ownKey, cause: lastError });
    } finally {
      limit.end();
    }
  }

  /**
   * @param {string} type
   * @param {string} body
   * @param {string | null} key
   * @param {Limit} limit
   */
  async #attempt(type, body, key, limit) {
    this.#token ??= await this.#tokens.fresh();
    /** @type {Record<string, string>} */
    const headers = { Authorization: `Bearer ${this.#token}`, "Content-Type": "application/json" };
    if (key !== null) headers["Idempotency-Key"] = key;
    const url = `${this.#url}/api/v1/${type}`;
    const request = new platform.AbortController();
    const forget = limit.atEnd(() => request.abort());
    const timer = platform.setTimeout(() => request.abort(), this.#requestTimeout);
    try {
      const options = { method: "POST", headers, body, signal: request.signal };
      const response = await this.#fetch(url, options);
      return readAnswer(url, response.status, await response.text());
    } catch (cause) {
      // Whatever error fetch rejects with, it is unknown whether the command arrived.
      return new UnavailableError(`no answer from ${this.#url}: ${cause}`, { cause });
    } finally {
      platform.clearTimeout(timer);
      forget();
    }
  }
}

/**
 * Read the response to a command.
 *
 * @param {string} url Where it comes from, for the error.
 * @param {number} status The HTTP status.
 * @param {string} body The result, or the error: as such, or under `error`.
 * @returns {Record<string, unknown> | RelevoError} The result, or the typed error. What has neither is not the
 *   router's: an `UnexpectedResponseError`.
 */
export function readAnswer(url, status, body) {
  const answer = parse(body);
  if (isMap(answer)) {
    if (status === 200) return answer;
    try {
      return errorFromWire(answer.error ?? answer);
    } catch (error) {
      if (!(error instanceof InvalidDataError)) throw error;
    }
  }
  return new UnexpectedResponseError(
    `${url} answered ${status}, and not as a router does: a proxy's answer, or a wrong address`,
    { status, body, retryable: TEMPORARY_STATUSES.has(status) },
  );
}

/** @param {string} body @returns {unknown} */
function parse(body) {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** @param {number} delayMs @returns {Promise<void>} */
function pause(delayMs) {
  return new Promise((resolve) => platform.setTimeout(() => resolve(), delayMs));
}

/** A command's time, which its caller may cut short. */
class Limit {
  /** What `race` rejects with when the time is over. */
  over = new CommandTimeoutError();
  /** @type {Set<() => void>} */
  #endings = new Set();
  /** @type {(error: unknown) => void} */
  #reject = () => {};
  /** @type {Promise<never>} */
  #ended;

  /**
   * @param {number} timeoutMs
   * @param {import("./platform.js").AbortSignalLike | undefined} signal
   */
  constructor(timeoutMs, signal) {
    this.#ended = new Promise((_, reject) => {
      this.#reject = reject;
    });
    // There may be no handler at the moment when it ends.
    this.#ended.catch(() => {});
    const timer = platform.setTimeout(() => this.#reject(this.over), timeoutMs);
    this.atEnd(() => platform.clearTimeout(timer));
    const abort = () => this.#reject(abortion(signal));
    signal?.addEventListener("abort", abort);
    this.atEnd(() => signal?.removeEventListener("abort", abort));
    if (signal?.aborted) abort();
  }

  /**
   * @template T
   * @param {Promise<T>} work
   * @returns {Promise<T>}
   */
  race(work) {
    return Promise.race([this.#ended, work]);
  }

  /**
   * Call a function when the command has ended.
   *
   * @param {() => void} ending
   * @returns {() => void} Takes that back.
   */
  atEnd(ending) {
    this.#endings.add(ending);
    return () => void this.#endings.delete(ending);
  }

  end() {
    for (const ending of this.#endings) ending();
    this.#endings.clear();
  }
}
