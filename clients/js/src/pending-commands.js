/** Pending commands: each is sent once per connection, with one idempotency key, until its deadline. */

import { CommandTimeoutError, RateLimitedError } from "./errors.js";

/** @typedef {import("./backoff.js").Backoff} Backoff */
/** @typedef {import("./errors.js").RelevoError} RelevoError */

/** The commands that change something and so carry an idempotency key. */
export const MUTATING = new Set([
  "status.set",
  "session.open",
  "session.transfer",
  "session.answer",
  "session.update",
  "session.accept",
  "session.decline",
  "session.recall",
  "session.note",
  "session.close",
  "settings.put",
  "agent.put",
  "agent.remove",
  "department.put",
  "department.remove",
]);

/**
 * Return the milliseconds to wait after a retryable refusal.
 *
 * A rate limit's own wait is kept, and spread by the jitter on top: all clients limited at one moment
 * got the same wait.
 *
 * @param {RelevoError} error
 * @param {number} refusals
 * @param {Backoff} backoff
 * @param {() => number} random
 */
export function retryDelayMs(error, refusals, backoff, random) {
  const toldMs = error instanceof RateLimitedError ? (error.retryInMs ?? 0) : 0;
  return backoff.delayMs(refusals, random) + Math.max(0, toldMs);
}

/** A command without its final answer. */
export class PendingCommand {
  /** When it may be sent, after a refusal for the moment. */
  notBefore = 0;
  sent = false;
  refusals = 0;
  /** Whether the reply may be an earlier one, given again for its key. */
  mayBeReplayed = false;
  /** @type {RelevoError | null} */
  lastError = null;

  /**
   * @param {string} id
   * @param {string} type
   * @param {Record<string, unknown>} fields
   * @param {string | null} key
   * @param {number | null} deadline When to give up, in milliseconds of the clock; null for the client's own.
   */
  constructor(id, type, fields, key, deadline) {
    this.id = id;
    this.type = type;
    this.fields = fields;
    this.key = key;
    this.deadline = deadline ?? Infinity;
    /** Whether the client sent it for itself: no caller waits for the outcome. */
    this.internal = deadline === null;
  }

  /**
   * Return the map to send; the same each time, so that the router knows it again.
   *
   * @returns {Record<string, unknown>}
   */
  message() {
    const message = { type: this.type, id: this.id, ...this.fields };
    return this.key === null ? message : { ...message, key: this.key };
  }
}

/** The commands without an answer, in the order they were given. */
export class PendingCommands {
  /** @type {Map<string, PendingCommand>} */
  #commands = new Map();
  #nextId = 1;
  #backoff;
  #random;
  #newKey;
  #inFlightMax;
  #waitingMax;

  /**
   * @param {{ retry: Backoff, inFlightMax: number, waitingMax: number }} settings How many may be sent and
   *   without a reply, and how many others may wait their turn.
   * @param {() => number} random
   * @param {() => string} newKey
   */
  constructor({ retry, inFlightMax, waitingMax }, random, newKey) {
    this.#backoff = retry;
    this.#random = random;
    this.#newKey = newKey;
    this.#inFlightMax = inFlightMax;
    this.#waitingMax = waitingMax;
  }

  [Symbol.iterator]() {
    return [...this.#commands.values()][Symbol.iterator]();
  }

  /** @param {string} commandId */
  get(commandId) {
    return this.#commands.get(commandId);
  }

  /**
   * Append a command. Without a deadline it is one that the client sends for itself; with one it throws if
   * too many wait their turn already.
   *
   * @param {string} type
   * @param {Record<string, unknown>} fields
   * @param {{ deadline?: number | null, key?: string | null, notBefore?: number }} [options]
   */
  add(type, fields, { deadline = null, key = null, notBefore = 0 } = {}) {
    if (deadline !== null && this.#commands.size >= this.#inFlightMax + this.#waitingMax)
      throw new RateLimitedError(`${this.#waitingMax} commands wait for their turn already`);
    const id = String(this.#nextId);
    this.#nextId += 1;
    const ownKey = key === null && MUTATING.has(type) ? this.#newKey() : key;
    const command = new PendingCommand(id, type, fields, ownKey, deadline);
    command.notBefore = notBefore;
    // A caller's own key may have been used before.
    command.mayBeReplayed = key !== null;
    this.#commands.set(id, command);
    return command;
  }

  /**
   * Return whether a command of this type waits for its reply.
   *
   * @param {string} type
   */
  has(type) {
    return [...this].some((command) => command.type === type);
  }

  /**
   * Take out the client's own command of this type.
   *
   * @param {string} type
   */
  dropInternal(type) {
    for (const command of this) if (command.internal && command.type === type) this.drop(command.id);
  }

  /**
   * Take a command out.
   *
   * @param {string} commandId
   */
  drop(commandId) {
    const command = this.#commands.get(commandId);
    this.#commands.delete(commandId);
    return command;
  }

  /** How many were sent on this connection and have no reply. */
  get inFlight() {
    let count = 0;
    for (const command of this.#commands.values()) count += Number(command.sent);
    return count;
  }

  /**
   * Return the commands to send now, and count them as sent.
   *
   * @param {number} now
   */
  takeDue(now) {
    let room = this.#inFlightMax - this.inFlight;
    const due = [];
    for (const command of this.#commands.values()) {
      if (room <= 0) break;
      // An overdue command is about to expire: sent after a long sleep, it could outlive its key at the router.
      if (command.sent || command.notBefore > now || command.deadline <= now) continue;
      command.sent = true;
      room -= 1;
      due.push(command);
    }
    return due;
  }

  /**
   * Note an error reply.
   *
   * @param {PendingCommand} command
   * @param {RelevoError} error
   * @param {number} now
   * @returns {boolean} Whether the command is retried; a final error removes it.
   */
  refused(command, error, now) {
    if (!error.retryable) {
      this.drop(command.id);
      return false;
    }
    command.notBefore = now + retryDelayMs(error, command.refusals, this.#backoff, this.#random);
    command.refusals += 1;
    command.sent = false;
    command.lastError = error;
    return true;
  }

  /** Send every command again on the next connection: it is unknown which arrived. */
  connectionLost() {
    for (const command of this.#commands.values()) {
      command.sent = false;
      command.mayBeReplayed = command.key !== null;
    }
  }

  /**
   * Take out the commands whose deadline has come, each with its error.
   *
   * @param {number} now
   * @returns {[PendingCommand, CommandTimeoutError][]}
   */
  expire(now) {
    const due = [...this].filter((command) => command.deadline <= now);
    return due.map((command) => {
      this.drop(command.id);
      const facts = { key: command.key, cause: command.lastError ?? undefined };
      return [command, new CommandTimeoutError(`${command.type} had no final answer in time`, facts)];
    });
  }

  /**
   * Return when something becomes due next, Infinity if nothing does; what is due already is not counted.
   *
   * @param {number} now
   * @param {boolean} connected Whether commands can be sent; otherwise only deadlines count.
   */
  wakeAt(now, connected) {
    let earliest = Infinity;
    for (const command of this.#commands.values()) {
      earliest = Math.min(earliest, command.deadline);
      if (connected && !command.sent && command.notBefore > now)
        earliest = Math.min(earliest, command.notBefore);
    }
    return earliest;
  }
}

// Beyond it the oldest are dropped: their senders get `delivered` after the next welcome at the latest.
const ACKS_MAX = 1024;

/** The assigned sessions to acknowledge; the latest fence of each counts. */
export class Acknowledgements {
  /** @type {Map<string, number>} */
  #fences = new Map();

  /**
   * @param {string} sessionId
   * @param {number} fence
   */
  add(sessionId, fence) {
    this.#fences.delete(sessionId);
    this.#fences.set(sessionId, fence);
    for (const oldest of this.#fences.keys()) {
      if (this.#fences.size <= ACKS_MAX) break;
      this.#fences.delete(oldest);
    }
  }

  /**
   * Return the `session.ack` messages, once.
   *
   * @returns {Record<string, unknown>[]}
   */
  take() {
    const messages = [...this.#fences].map(([id, fence]) => ({ type: "session.ack", session_id: id, fence }));
    this.#fences.clear();
    return messages;
  }
}
