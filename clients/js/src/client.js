/** The websocket client: a thin shell that moves messages between a socket and the core. */

import { json } from "./codec.js";
import { Core } from "./core.js";
import { Directory } from "./directory.js";
import { ClientClosedError, CommandTimeoutError, ConnectTimeoutError, InvalidReplyError } from "./errors.js";
import { EventQueue, Listeners } from "./events.js";
import { makeClock, newKey, platform, QUIET_LOGGER } from "./platform.js";
import { CommandMethods, present, Sessions } from "./resources.js";
import { CORE_SETTINGS } from "./settings.js";
import { Shell } from "./shell.js";
import { pageSignals } from "./page-lifecycle.js";
import { Tokens } from "./tokens.js";

/** @typedef {import("./backoff.js").Backoff} Backoff */
/** @typedef {import("./resources.js").ChangeOptions} ChangeOptions */
/** @typedef {import("./resources.js").CallOptions} CallOptions */
/** @typedef {import("./events.js").LoopEvent} LoopEvent */

/**
 * @typedef {object} ClientOptions
 * @property {import("./codec.js").Codec} [codec] `json` where absent, or what `messagePack` returns.
 * @property {import("./platform.js").WebSocketConstructor} [WebSocket] In place of the platform's own.
 * @property {boolean} [acknowledge] Whether to acknowledge each `session.assigned` on receipt (true);
 *   otherwise call `sessions.ack`.
 * @property {number} [commandTimeout] When a command gives up, unless it says otherwise, in milliseconds (30,000).
 * @property {number | null} [connectTimeout] How long `start` waits, in milliseconds (30,000); null for no limit.
 * @property {number} [inFlightMax] How many commands may wait for their reply (64); others wait.
 * @property {number} [waitingMax] How many others may (10,000); one more rejects with a `RateLimitedError`.
 * @property {number} [eventsMax] How many events are kept for each loop (1,000). Beyond, the oldest are
 *   dropped, and an `eventsLost` stands in their place.
 * @property {string} [clientName] The client's name in `hello`.
 * @property {Backoff} [reconnect] The delays between connection attempts.
 * @property {Backoff} [retry] The delays before a command with a retryable error is repeated.
 * @property {import("./page-lifecycle.js").Signals} [signals] The source of page lifecycle and network events; the
 *   page itself by default.
 * @property {import("./platform.js").Logger} [logger] Where messages for the developer go; warnings to the
 *   console.
 * @property {() => number} [random] Returns a number in [0, 1), for the jitter.
 * @property {() => number} [clock] Returns milliseconds, from any start, and never runs backwards.
 */

/** Conversations, and what a connection has of them: acknowledgements, and the changes of all. */
export class LiveSessions extends Sessions {
  #client;
  #acknowledge;

  /**
   * @param {Client} client
   * @param {(sessionId: string, fence: number) => void} acknowledge
   */
  constructor(client, acknowledge) {
    super((type, fields, options) => client.command(type, fields, options));
    this.#client = client;
    this.#acknowledge = acknowledge;
  }

  /**
   * Acknowledge a `session.assigned`, for a client made with `acknowledge: false`. Has no reply.
   *
   * @param {string} sessionId
   * @param {number} fence
   */
  ack(sessionId, fence) {
    this.#acknowledge(sessionId, fence);
  }

  /**
   * Get a `sessionChanged` for every session of the tenant that changes, over every reconnection.
   *
   * Changes during a disconnection are not sent: list the sessions again after `connected`, and keep of each
   * the newest (`isNewer`).
   *
   * @param {CallOptions & { resume?: { epoch: string, seq: number } }} [options] `resume`: `epoch` and `seq` of the last
   *   `sessionChanged`, of an earlier client perhaps.
   * @returns {Promise<boolean>} Whether what changed since `resume` follows, the latest change of each session. If not, list.
   */
  async watch({ resume, timeout, signal } = {}) {
    const fields = resume === undefined ? {} : { resume: { epoch: resume.epoch, seq: resume.seq } };
    return (await this.#client.command("session.watch", fields, { timeout, signal })).resumed === true;
  }

  /**
   * Get no more `sessionChanged`.
   *
   * @param {CallOptions} [options]
   */
  async unwatch({ timeout, signal } = {}) {
    await this.#client.command("session.unwatch", {}, { timeout, signal });
  }
}

/** The directory, kept live while it is subscribed. */
export class LiveDirectory extends Directory {
  #client;
  #subscribe;

  /**
   * @param {Client} client
   * @param {(options: CallOptions) => Promise<void>} subscribe
   */
  constructor(client, subscribe) {
    super();
    this.#client = client;
    this.#subscribe = subscribe;
  }

  /**
   * Keep the rows live from now on, over every reconnection.
   *
   * @param {CallOptions} [options]
   * @returns {Promise<LiveDirectory>} This directory, when the rows are there.
   */
  async subscribe({ timeout, signal } = {}) {
    await this.#subscribe({ timeout, signal });
    return this;
  }

  /**
   * Stop updating; the rows stay.
   *
   * @param {CallOptions} [options]
   */
  async unsubscribe({ timeout, signal } = {}) {
    await this.#client.command("directory.unsubscribe", {}, { timeout, signal });
  }
}

/**
 * A live connection of an agent, an admin or a back end.
 *
 * Once started it reconnects by itself, with full jitter, and sends the pending commands again with their
 * idempotency keys. Close codes 4500-4999 and a refused handshake end it: commands then reject with that error, and
 * so do loops over its events.
 */
export class Client extends CommandMethods {
  sessions = new LiveSessions(this, (sessionId, fence) => this.#acknowledge(sessionId, fence));
  /** The live directory, filled by its `subscribe`. */
  directory = new LiveDirectory(this, (options) => this.#subscribe(options));
  #tokens;
  #commandTimeout;
  #connectTimeout;
  #eventsMax;
  #signals;
  #core;
  #shell;
  #started = false;
  #listeners = new Listeners();
  /** @type {Set<EventQueue>} */
  #queues = new Set();
  #unlisten = () => {};
  #lastTrouble = "";

  /**
   * @param {string | readonly string[]} url The router's websocket address, or several; each attempt goes to
   *   the next.
   * @param {import("./tokens.js").TokenSource} token A JWT, or a function, plain or async, that returns a
   *   fresh one: asked at each connection, when the token is about to expire, and once more when the router refuses one.
   * @param {ClientOptions} [options]
   */
  constructor(url, token, options = {}) {
    super();
    const urls = typeof url === "string" ? [url] : [...url];
    if (urls.length === 0) throw new TypeError("a client needs the address of a router");
    for (const address of urls) {
      if (!/^wss?:\/\/[^\s/?#][^\s#]*$/i.test(address))
        throw new TypeError(`${address} is no websocket address`);
    }
    const WebSocket = options.WebSocket ?? platform.WebSocket;
    if (WebSocket === undefined) throw new TypeError("this platform has no WebSocket: pass one in");
    const { random = Math.random, clock = makeClock(), logger = QUIET_LOGGER, codec = json } = options;
    this.#tokens = new Tokens(token);
    this.#commandTimeout = options.commandTimeout ?? 30_000;
    this.#connectTimeout = options.connectTimeout === undefined ? 30_000 : options.connectTimeout;
    this.#eventsMax = options.eventsMax ?? 1_000;
    this.#signals = options.signals ?? pageSignals();
    const settings = {
      ...CORE_SETTINGS,
      retry: options.retry ?? CORE_SETTINGS.retry,
      reconnect: options.reconnect ?? CORE_SETTINGS.reconnect,
      inFlightMax: options.inFlightMax ?? CORE_SETTINGS.inFlightMax,
      waitingMax: options.waitingMax ?? CORE_SETTINGS.waitingMax,
      acknowledge: options.acknowledge ?? CORE_SETTINGS.acknowledge,
      clientName: options.clientName ?? CORE_SETTINGS.clientName,
      tokenRenewable: this.#tokens.renewable,
    };
    this.#core = new Core(settings, random, newKey, this.directory);
    this.#shell = new Shell(this.#core, {
      urls,
      tokens: this.#tokens,
      codec,
      WebSocket,
      retry: settings.retry,
      random,
      clock,
      logger,
      emit: (event) => this.#emit(event),
    });
  }

  // Lifecycle.

  /**
   * Connect, and wait for the welcome.
   *
   * @returns {Promise<void>} Rejects with a `ConnectionStoppedError` if the router refused this client for good,
   *   with a `ConnectTimeoutError` if there was no welcome in time; the client is closed then.
   */
  async start() {
    if (this.#started) throw new TypeError("a client is started once");
    this.#started = true;
    this.#unlisten = this.#signals({ wake: () => this.wake(), online: (online) => this.setOnline(online) });
    this.#shell.advance();
    try {
      await this.#shell.waitUntil(
        () => this.#core.welcome !== null,
        this.#connectTimeout ?? Infinity,
        () => {
          const cause = this.#lastTrouble === "" ? undefined : new Error(this.#lastTrouble);
          return new ConnectTimeoutError(`no router let the client in within ${this.#connectTimeout} ms`, {
            cause,
          });
        },
      );
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /**
   * Close the connection with 1000; pending commands reject with `ClientClosedError`.
   *
   * @returns {Promise<void>} Resolves when the connection is closed, or after two seconds.
   */
  async close() {
    this.#unlisten();
    this.#core.shut();
    this.#shell.advance();
    await this.#shell.closing;
  }

  /** Reconnect soon, or send a `ping`: call it when an app comes to the foreground. */
  wake() {
    this.#core.woke(this.#shell.now());
    this.#shell.advance();
  }

  /**
   * Set whether the machine has a network, on a platform without `signals`.
   *
   * @param {boolean} online
   */
  setOnline(online) {
    this.#core.setOnline(online, this.#shell.now());
    this.#shell.advance();
  }

  // State.

  /** The live inbox: sessions in progress and pending. */
  get inbox() {
    return this.#core.inbox;
  }

  /**
   * `connected`: a router has let the client in; `connecting`: it tries, or is not started yet; `stopped`: it makes no further
   * attempt.
   */
  get state() {
    return this.#core.state;
  }

  /** Why the client has stopped, null while it has not. */
  get error() {
    return this.#core.stop;
  }

  /** The latest welcome: tenant, role, connection id; null before the first. */
  get welcome() {
    return this.#core.welcome;
  }

  /** The own agent's row, live also without the directory; null for a back end. */
  get agent() {
    return this.#core.agent;
  }

  // Events.

  /**
   * Call a function at each event of a type, after the inbox and the directory have changed.
   *
   * @template {import("./events.js").EventType} T
   * @param {T} type
   * @param {import("./events.js").Listener<T>} listener
   * @returns {() => void} Ends it.
   */
  on(type, listener) {
    return this.#listeners.add(type, listener);
  }

  /**
   * Iterate over the events from this call on, in a queue of its own. It begins with `connected` if the client is connected;
   * it ends when the program closes the client, and throws when the router ends it for good.
   *
   * @returns {AsyncIterableIterator<LoopEvent>}
   */
  events() {
    const queue = new EventQueue(this.#eventsMax);
    if (this.state === "connected" && this.#core.connected !== null) queue.put(this.#core.connected);
    this.#queues.add(queue);
    let left = false;
    /** @type {AsyncIterableIterator<LoopEvent>} */
    const loop = {
      [Symbol.asyncIterator]: () => loop,
      next: async () => {
        for (;;) {
          const event = left ? undefined : queue.take();
          if (event !== undefined) return { value: event, done: false };
          if (left || this.#core.stop instanceof ClientClosedError) return { value: undefined, done: true };
          try {
            await this.#shell.waitUntil(() => left || queue.size > 0);
          } catch (error) {
            if (!(error instanceof ClientClosedError)) throw error;
          }
        }
      },
      return: async () => {
        left = true;
        this.#queues.delete(queue);
        this.#shell.checkWaiters();
        return { value: undefined, done: true };
      },
    };
    return loop;
  }

  [Symbol.asyncIterator]() {
    return this.events();
  }

  // Commands.

  /**
   * Send a command by its type, and return its result as it came.
   *
   * It is sent again, the same and with the same key, when the connection was lost or the router refused it
   * for the moment (`unavailable`, `internal`, `rate_limited`), until the time is over.
   *
   * @override
   * @param {string} type Such as `session.transfer`.
   * @param {Record<string, unknown>} fields The command's fields as on the wire, without type, id and key.
   * @param {ChangeOptions} [options]
   */
  async command(type, fields, { timeout = this.#commandTimeout, key, signal } = {}) {
    if (!this.#started) throw new ClientClosedError("the client is not started");
    return this.#shell.call(type, present(fields), { timeout, key: key ?? null, signal });
  }

  /**
   * Send the router a fresh token. A client whose token is a function does so by itself.
   *
   * @param {string} [token] Where absent, one from the client's own source. Also used to connect again, if
   *   the client was given a string.
   * @param {CallOptions} [options]
   * @returns {Promise<number>} When it expires, in milliseconds since the Unix epoch.
   */
  async refreshToken(token, { timeout, signal } = {}) {
    const fresh = token ?? (await this.#tokens.fresh());
    const { expires_at: expiresAt } = await this.command(
      "token.refresh",
      { token: fresh },
      { timeout, signal },
    );
    this.#tokens.replace(fresh);
    if (!Number.isSafeInteger(Number(expiresAt)))
      throw new InvalidReplyError("token.refresh: expected expires_at");
    return Number(expiresAt);
  }

  /**
   * @param {string} sessionId
   * @param {number} fence
   */
  #acknowledge(sessionId, fence) {
    this.#core.acknowledge(sessionId, fence);
    this.#shell.flushSoon();
  }

  /** @param {CallOptions} options */
  async #subscribe({ timeout = this.#commandTimeout, signal }) {
    const end = this.#shell.now() + timeout;
    await this.command("directory.subscribe", {}, { timeout, signal });
    await this.#shell.waitUntil(
      () => this.directory.live,
      end - this.#shell.now(),
      () => new CommandTimeoutError("directory.subscribe brought no directory in time"),
    );
  }

  /** @param {import("./events.js").ClientEvent} event */
  #emit(event) {
    if (event.type === "unreachable" || event.type === "disconnected") this.#lastTrouble = event.reason;
    for (const queue of this.#queues) queue.put(event);
    this.#listeners.emit(event);
  }
}
