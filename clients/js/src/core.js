/**
 * The client without a socket: messages and the time in; messages, outcomes and events out.
 *
 * Nothing here waits or does I/O. A shell calls `takeConnect`, `opened`, `received`, `closed` and `tick` with
 * the time, in milliseconds of any steady clock. After each it takes the effects (`takeClose`,
 * `takeOutgoing`, `takeOutcomes`, `takeEvents`, `takeTokenWanted`), and asks `wakeAt` when to call `tick`
 * again.
 */

import { asMap, InvalidDataError, isMap, shape, string } from "./decode.js";
import {
  ClientClosedError,
  errorFromWire,
  InvalidReplyError,
  RelevoError,
  SignInRefusedError,
  stopFromClose,
  stopFromRefusal,
  TokenExpiredError,
} from "./errors.js";
import { PUSHES, unknownPush } from "./events.js";
import { Inbox } from "./inbox.js";
import { agentResult, sessionResult, welcome } from "./objects.js";
import { Acknowledgements, PendingCommands } from "./pending-commands.js";
import { Reconnection } from "./reconnection.js";
import { Subscriptions } from "./subscriptions.js";
import { Heartbeat } from "./heartbeat.js";

/** @typedef {import("./settings.js").CoreSettings} CoreSettings */
/** @typedef {import("./events.js").ClientEvent} ClientEvent */
/** @typedef {import("./events.js").ClientState} ClientState */
/** @typedef {import("./errors.js").ConnectionStoppedError} ConnectionStoppedError */
/** @typedef {"offline" | "connecting" | "hello" | "ready" | "stopped"} Phase */
/** @typedef {Record<string, unknown>} Message */
/** @typedef {{ id: string, result: Message } | { id: string, error: RelevoError }} SettledCommand */

const anyMessage = shape((map) => ({ type: string(map.type) }));
const HELLO_ID = "hello";
const GOING_AWAY = 4000;

/** One client's state. */
export class Core {
  directory;
  inbox = new Inbox();
  /** @type {Phase} */
  phase = "offline";
  /** @type {import("./objects.js").Welcome | null} */
  welcome = null;
  /** The own agent's row. @type {import("./objects.js").Agent | null} */
  agent = null;
  /** The latest, for a loop that begins while the client is connected. @type {import("./events.js").Connected | null} */
  connected = null;
  /** Why the client has ended. @type {RelevoError | null} */
  stop = null;

  #settings;
  #reconnection;
  #pending;
  #subscriptions;
  #heartbeat;
  #acknowledgements = new Acknowledgements();
  #readyAt = 0;
  /** When the present step of connecting has failed. */
  #stepUntil = Infinity;
  #drainAt = Infinity;
  #tokenWanted = false;
  /** Whether the last token was refused, and no other has been accepted since. */
  #tokenRefused = false;
  /** To be sent first. @type {Message | null} */
  #hello = null;
  /** @type {RelevoError | null} */
  #helloError = null;
  /** @type {SettledCommand[]} */
  #outcomes = [];
  /** @type {ClientEvent[]} */
  #events = [];
  /** @type {{ code: number, reason: string } | null} */
  #close = null;

  /**
   * @param {CoreSettings} settings
   * @param {() => number} random Returns a number in [0, 1), for the jitter.
   * @param {() => string} newKey Returns an idempotency key that was never used.
   * @param {import("./directory.js").Directory} directory What to keep the rows in.
   */
  constructor(settings, random, newKey, directory) {
    this.directory = directory;
    this.#settings = settings;
    this.#reconnection = new Reconnection(settings.reconnect, random);
    this.#pending = new PendingCommands(settings, random, newKey);
    this.#subscriptions = new Subscriptions(this.directory, this.#pending, settings.retry, random);
    this.#heartbeat = new Heartbeat(settings.answerTimeoutMs, settings.replyWaitMs);
  }

  /** Whether the client is connected, tries to be, or has stopped. @returns {ClientState} */
  get state() {
    if (this.phase === "ready") return "connected";
    return this.phase === "stopped" ? "stopped" : "connecting";
  }

  // The connection.

  /**
   * Return whether to start a connection attempt now; it has begun then.
   *
   * @param {number} now
   */
  takeConnect(now) {
    if (this.phase !== "offline" || now < this.#reconnection.at) return false;
    this.#setPhase("connecting");
    this.#stepUntil = now + this.#settings.attemptTimeoutMs;
    return true;
  }

  /**
   * Start a connection: the handshake is done.
   *
   * @param {string} token
   * @param {number} now
   */
  opened(token, now) {
    this.#setPhase("hello");
    this.#hello = { type: "hello", id: HELLO_ID, token, client: this.#settings.clientName };
    this.#helloError = null;
    this.#stepUntil = now + this.#settings.helloTimeoutMs;
  }

  /**
   * Take one message; a batch is as many calls. Throws `InvalidDataError` if it is of a known type, but not of its
   * shape: the message is lost, and the connection has to be replaced.
   *
   * @param {unknown} message
   * @param {number} now
   */
  received(message, now) {
    const map = asMap(message);
    const { type } = anyMessage(map);
    this.#heartbeat.received(now);
    if (type === "welcome") this.#onWelcome(map, now);
    else if (type === "reply") this.#onReply(map, now);
    else this.#onPush(type, map, now);
  }

  /**
   * Note the end of a connection or of an attempt, and decide the next step.
   *
   * @param {number} closeCode
   * @param {string} reason
   * @param {number} now
   */
  closed(closeCode, reason, now) {
    if (this.phase === "offline" || this.phase === "stopped") return;
    const wasReady = this.phase === "ready";
    const stop = wasReady || this.phase === "hello" ? this.#stopAfter(closeCode, reason) : null;
    const drainAt = this.#drainAt;
    this.#forgetConnection();
    if (stop !== null) {
      this.#stop(stop);
    } else {
      this.#setPhase("offline");
      if (wasReady && now - this.#readyAt >= this.#settings.stableMs) this.#reconnection.succeeded();
      this.#reconnection.failed(now);
      // The router has spread its clients over the drain already.
      if (drainAt !== Infinity) this.#reconnection.at = Math.max(now, drainAt);
    }
    if (wasReady || stop !== null) {
      this.#emitDisconnected(closeCode, reason, now);
    } else {
      const { at, attempts } = this.#reconnection;
      const why = reason || `closed with ${closeCode}`;
      this.#events.push({ type: "unreachable", reason: why, attempts, reconnectInMs: at - now });
    }
  }

  /**
   * Stop: no further attempt can succeed.
   *
   * @param {ConnectionStoppedError} stop
   * @param {number} now
   */
  refused(stop, now) {
    if (this.phase === "stopped") return;
    this.#forgetConnection();
    this.#stop(stop);
    this.#emitDisconnected(1006, stop.message, now);
  }

  /**
   * Close a connection that is of no use any more.
   *
   * @param {string} reason
   * @param {number} now
   */
  giveUp(reason, now) {
    this.#close = { code: GOING_AWAY, reason };
    this.closed(1006, reason, now);
  }

  /** End the client. */
  shut() {
    if (this.phase === "stopped") return;
    this.#forgetConnection();
    this.#close = { code: 1000, reason: "" };
    this.#stop(new ClientClosedError("the client was closed"));
  }

  /**
   * Act at once: the network or the page is back.
   *
   * @param {number} now
   */
  woke(now) {
    this.#reconnection.hurry(now);
    if (this.phase === "ready") this.#heartbeat.probe(now);
  }

  /**
   * Note whether the machine has a network.
   *
   * @param {boolean} online
   * @param {number} now
   */
  setOnline(online, now) {
    this.#reconnection.setOnline(online);
    if (online) this.woke(now);
    else if (this.phase === "ready") this.#heartbeat.probe(now);
  }

  /**
   * Do what is due.
   *
   * @param {number} now
   */
  tick(now) {
    for (const [command, error] of this.#pending.expire(now)) this.#settle(command, error);
    if (now >= this.#stepUntil) {
      this.giveUp(this.phase === "connecting" ? "no connection in time" : "no welcome in time", now);
    } else if (now >= this.#drainAt) {
      // Not 1000, which means "offline": others would see this agent disconnected for a moment.
      this.#close = { code: GOING_AWAY, reason: "moving" };
      this.closed(GOING_AWAY, "moving", now);
    } else if (this.phase === "ready" && !this.#heartbeat.tick(now, this.#pending.inFlight > 0)) {
      this.giveUp("no answer from the router", now);
    }
  }

  /**
   * Return when `tick`, `takeConnect` or `takeOutgoing` will have something to do, Infinity if never.
   *
   * @param {number} now
   */
  wakeAt(now) {
    const ready = this.phase === "ready";
    return Math.min(
      this.phase === "offline" ? this.#reconnection.at : Infinity,
      this.#stepUntil,
      this.#drainAt,
      ready ? this.#heartbeat.wakeAt(this.#pending.inFlight > 0) : Infinity,
      this.#pending.wakeAt(now, ready),
    );
  }

  // Commands.

  /**
   * Submit a command. Throws the client's error if it has stopped, or `RateLimitedError` if too many commands wait.
   *
   * @param {string} type
   * @param {Message} fields The command's fields, without type, id and key.
   * @param {number} deadline When to give up, in milliseconds of the clock.
   * @param {string | null} key The idempotency key; where null, a new one for a command that changes
   *   something.
   * @returns {string} The id of its outcome.
   */
  submit(type, fields, deadline, key = null) {
    if (this.stop !== null) throw this.stop;
    const { id } = this.#pending.add(type, fields, { deadline, key });
    this.#subscriptions.submitted(type);
    return id;
  }

  /**
   * Stop waiting for a command; a command that was sent may still be applied.
   *
   * @param {string} commandId
   */
  forget(commandId) {
    this.#pending.drop(commandId);
  }

  /**
   * Settle a command that cannot be sent.
   *
   * @param {string} commandId
   * @param {RelevoError} error
   */
  reject(commandId, error) {
    const command = this.#pending.drop(commandId);
    if (command !== undefined) this.#settle(command, error);
  }

  /**
   * Acknowledge an assigned session; the latest fence of each counts.
   *
   * @param {string} sessionId
   * @param {number} fence
   */
  acknowledge(sessionId, fence) {
    this.#acknowledgements.add(sessionId, fence);
  }

  /**
   * Send the router a fresh token without waiting for the outcome.
   *
   * @param {string} token
   */
  refreshToken(token) {
    if (this.phase !== "ready") return;
    this.#pending.dropInternal("token.refresh");
    this.#pending.add("token.refresh", { token });
  }

  // Effects.

  /**
   * Return the messages to send now, in order.
   *
   * @param {number} now
   * @returns {Message[]}
   */
  takeOutgoing(now) {
    const hello = this.#hello;
    this.#hello = null;
    if (hello !== null) return [hello];
    if (this.phase !== "ready") return [];
    const messages = this.#acknowledgements.take();
    if (this.#heartbeat.takePing()) messages.push({ type: "ping", id: "ping" });
    for (const command of this.#pending.takeDue(now)) {
      const message = command.message();
      const { position } = this.directory;
      // Set when sent: the position may have moved since the command was submitted.
      if (command.type === "directory.subscribe" && position !== null) message.resume = { ...position };
      messages.push(message);
    }
    return messages;
  }

  /** Return the settled commands, each with its result or error. */
  takeOutcomes() {
    return this.#outcomes.splice(0);
  }

  /** Return the events, in order. */
  takeEvents() {
    return this.#events.splice(0);
  }

  /** Return the code and reason to close the connection or attempt with, or null. The core has left it already. */
  takeClose() {
    const close = this.#close;
    this.#close = null;
    return close;
  }

  /** Return whether the router asked for a fresh token since the last call. */
  takeTokenWanted() {
    const wanted = this.#tokenWanted;
    this.#tokenWanted = false;
    return wanted;
  }

  // Messages.

  /**
   * @param {Message} map
   * @param {number} now
   */
  #onWelcome(map, now) {
    if (this.phase !== "hello") return;
    const reconnected = this.welcome !== null;
    const parsed = welcome(map);
    this.welcome = parsed;
    this.agent = parsed.agent;
    this.#tokenRefused = false;
    this.#setPhase("ready");
    this.#readyAt = now;
    this.#stepUntil = Infinity;
    this.#heartbeat.start(parsed.pingIntervalMs, now);
    for (const { id, fence, transfer } of this.inbox.replace(parsed.inbox)) {
      // Its session.assigned went to a lost connection, or to none: the sender still waits for `delivered`. The
      // router ignores a repeated acknowledgement.
      if (this.#settings.acknowledge && transfer !== null) this.acknowledge(id, fence);
    }
    this.#subscriptions.welcomed();
    this.connected = Object.freeze({
      type: /** @type {const} */ ("connected"),
      welcome: parsed,
      reconnected,
    });
    this.#events.push(this.connected);
  }

  /**
   * @param {Message} map
   * @param {number} now
   */
  #onReply(map, now) {
    const error = map.error === null || map.error === undefined ? null : errorFromWire(map.error);
    if (this.phase === "hello") {
      if (map.id === HELLO_ID) this.#helloError = error;
      return;
    }
    // The id of an aborted command is unknown, too.
    const command = this.#pending.get(String(map.id));
    if (command === undefined) return;
    if (error !== null) {
      if (!this.#pending.refused(command, error, now)) this.#settle(command, error);
      return;
    }
    this.#pending.drop(command.id);
    this.#settle(command, this.#readResult(command, map.result));
  }

  /**
   * @param {import("./pending-commands.js").PendingCommand} command
   * @param {unknown} result
   */
  #readResult({ type, mayBeReplayed }, result) {
    if (!isMap(result)) return new InvalidReplyError(`${type} was answered without a result`);
    try {
      // A program that awaited a command finds its effect in the client before the push comes. A replayed reply may
      // be older than the last welcome, and is left out.
      if (!mayBeReplayed && this.agent !== null) this.#observe(result, this.agent.id);
    } catch (cause) {
      if (cause instanceof InvalidDataError)
        return new InvalidReplyError(`${type}: ${cause.message}`, { cause });
      throw cause;
    }
    return result;
  }

  /**
   * @param {Message} result
   * @param {string} agentId
   */
  #observe(result, agentId) {
    if ("session" in result) this.inbox.observe(sessionResult(result).session, agentId);
    if ("agent" in result) {
      const { agent } = agentResult(result);
      if (agent.id === agentId) this.agent = agent;
    }
  }

  /**
   * @param {string} type
   * @param {Message} map
   * @param {number} now
   */
  #onPush(type, map, now) {
    if (type === "pong") return;
    const directory = type === "directory.snapshot" || type === "directory.patch";
    const event = directory
      ? this.#subscriptions.received(type, map, now)
      : (PUSHES.get(type)?.(map) ?? unknownPush(type, map));
    if (event === null) return;
    if (event.type === "sessionAssigned" || event.type === "sessionPending")
      this.inbox.observe(event.session);
    else if (event.type === "sessionRemoved") this.inbox.remove(event.sessionId, event.fence);
    else if (event.type === "sessionChanged" && this.agent !== null && this.inbox.get(event.session.id))
      this.inbox.observe(event.session, this.agent.id);
    else if (event.type === "agentChanged" || event.type === "statusChanged") this.agent = event.agent;
    else if (event.type === "tokenExpiring") this.#tokenWanted = true;
    else if (event.type === "serverDraining") this.#drainAt = now + Math.max(0, event.reconnectInMs);
    if (event.type === "sessionAssigned" && this.#settings.acknowledge) {
      this.acknowledge(event.session.id, event.session.fence);
    }
    this.#events.push(event);
  }

  // Internals.

  /**
   * @param {import("./pending-commands.js").PendingCommand} command
   * @param {Message | RelevoError} outcome
   */
  #settle({ id, type, internal }, outcome) {
    const failed = outcome instanceof RelevoError;
    if (failed) this.#subscriptions.failed(type);
    if (!internal) this.#outcomes.push(failed ? { id, error: outcome } : { id, result: outcome });
  }

  /**
   * @param {number} closeCode
   * @param {string} reason
   */
  #stopAfter(closeCode, reason) {
    const refusal = this.#helloError;
    const refused = refusal !== null && !refusal.retryable;
    const stop = refused ? stopFromRefusal(refusal, closeCode) : stopFromClose(closeCode, reason);
    const token = stop instanceof SignInRefusedError || stop instanceof TokenExpiredError;
    if (!token || !this.#settings.tokenRenewable || this.#tokenRefused) return stop;
    // It was stale, or expired while the machine slept: the next attempt has a fresh one.
    this.#tokenRefused = true;
    return null;
  }

  /** @param {Phase} phase */
  #setPhase(phase) {
    const before = this.state;
    this.phase = phase;
    if (this.state !== before)
      this.#events.push({ type: "stateChanged", state: this.state, error: this.stop });
  }

  #forgetConnection() {
    this.#hello = null;
    this.#helloError = null;
    this.#stepUntil = Infinity;
    this.#drainAt = Infinity;
    this.#tokenWanted = false;
    this.#heartbeat.stop();
    // The next hello carries a fresh token itself.
    this.#pending.dropInternal("token.refresh");
    this.#pending.connectionLost();
    this.#subscriptions.connectionLost();
    this.directory.cut();
  }

  /** @param {RelevoError} error */
  #stop(error) {
    this.stop = error;
    this.#setPhase("stopped");
    for (const command of this.#pending) {
      this.#pending.drop(command.id);
      this.#settle(command, error);
    }
  }

  /**
   * @param {number} closeCode
   * @param {string} reason
   * @param {number} now
   */
  #emitDisconnected(closeCode, reason, now) {
    const reconnectInMs = this.stop === null ? Math.max(0, this.#reconnection.at - now) : null;
    this.#events.push({ type: "disconnected", closeCode, reason, reconnectInMs, error: this.stop });
  }
}
