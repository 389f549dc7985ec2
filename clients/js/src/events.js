/** A client's events: listeners are called at once, loops read a bounded queue. */

import { entry, session, transfer, transferOrNull } from "./objects.js";
import { integer, shape, string, word } from "./decode.js";

/** @typedef {import("./objects.js").Agent} Agent */
/** @typedef {import("./objects.js").Department} Department */
/** @typedef {import("./objects.js").Entry} Entry */
/** @typedef {import("./objects.js").Session} Session */
/** @typedef {import("./objects.js").Transfer} Transfer */
/** @typedef {import("./objects.js").Welcome} Welcome */
/** @typedef {import("./errors.js").RelevoError} RelevoError */

/**
 * The client is connected and welcomed; `client.inbox` is up to date.
 *
 * @typedef {object} Connected
 * @property {"connected"} type
 * @property {Welcome} welcome
 * @property {boolean} reconnected
 */

/**
 * The connection ended.
 *
 * @typedef {object} Disconnected
 * @property {"disconnected"} type
 * @property {number} closeCode The websocket close code, 1006 if the connection was lost without one.
 * @property {string} reason What was given as the reason, possibly empty.
 * @property {number | null} reconnectInMs When the first new attempt starts, or null if there will be none.
 * @property {RelevoError | null} error Why there will be none.
 */

/**
 * A connection attempt failed; the next one starts in `reconnectInMs`.
 *
 * @typedef {object} Unreachable
 * @property {"unreachable"} type
 * @property {string} reason
 * @property {number} attempts How many have failed in a row.
 * @property {number} reconnectInMs
 */

/**
 * A session is in progress with this agent now; `transfer` has the sender, the target and the reason.
 *
 * @typedef {object} SessionAssigned
 * @property {"sessionAssigned"} type
 * @property {Session} session
 * @property {Transfer | null} transfer
 */

/**
 * A session is in this agent's pending list now.
 *
 * @typedef {object} SessionPending
 * @property {"sessionPending"} type
 * @property {Session} session
 * @property {Transfer | null} transfer
 */

/**
 * The session left this agent.
 *
 * @typedef {object} SessionRemoved
 * @property {"sessionRemoved"} type
 * @property {string} sessionId
 * @property {number} fence
 * @property {import("./objects.js").RemovalCause} why
 * @property {Transfer | null} transfer
 */

/**
 * The history of a session of this agent has a new entry.
 *
 * @typedef {object} SessionEntry
 * @property {"sessionEntry"} type
 * @property {string} sessionId
 * @property {Entry} entry
 */

/**
 * A session of the tenant changed; for admins that watch.
 *
 * @typedef {object} SessionChanged
 * @property {"sessionChanged"} type
 * @property {Session} session
 */

/**
 * A transfer that this agent made was delivered, accepted, declined, recalled or moved.
 *
 * @typedef {object} TransferUpdated
 * @property {"transferUpdated"} type
 * @property {Transfer} transfer
 * @property {import("./objects.js").TransferState} state
 * @property {Session} session
 */

/**
 * Rows of `client.directory` changed; it holds them already. With `snapshot` everything was replaced, and the
 * rows are all rows.
 *
 * @typedef {object} DirectoryChanged
 * @property {"directoryChanged"} type
 * @property {readonly Agent[]} agents
 * @property {readonly Department[]} departments
 * @property {readonly string[]} agentsRemoved
 * @property {readonly string[]} departmentsRemoved
 * @property {boolean} snapshot
 */

/**
 * The token expires at `expiresAt`. A token function is called at once.
 *
 * @typedef {object} TokenExpiring
 * @property {"tokenExpiring"} type
 * @property {number} expiresAt
 */

/**
 * The router drains; the client reconnects in `reconnectInMs`.
 *
 * @typedef {object} ServerDraining
 * @property {"serverDraining"} type
 * @property {number} reconnectInMs
 */

/**
 * The loop read too slowly: the oldest `count` events were dropped. Only loops get it.
 *
 * @typedef {object} EventsLost
 * @property {"eventsLost"} type
 * @property {number} count
 */

/** @typedef {Connected | Disconnected | Unreachable | TokenExpiring | ServerDraining} ConnectionEvent */
/** @typedef {SessionAssigned | SessionPending | SessionRemoved | SessionEntry | SessionChanged} SessionEvent */
/** @typedef {ConnectionEvent | SessionEvent | TransferUpdated | DirectoryChanged} ClientEvent */

/** @typedef {ClientEvent | EventsLost} LoopEvent */

/** @typedef {ClientEvent["type"]} EventType */

/**
 * @template {EventType} T
 * @typedef {(event: Extract<ClientEvent, { type: T }>) => void} Listener
 */

/**
 * @template T
 * @param {string} type
 * @param {import("./decode.js").Decoder<T>} decode
 * @returns {import("./decode.js").Decoder<any>}
 */
function push(type, decode) {
  return (value) => Object.freeze({ type, ...decode(value) });
}

const received = shape((map) => ({ session: session(map.session), transfer: transferOrNull(map.transfer) }));
const removed = shape((map) => ({
  sessionId: string(map.session_id),
  fence: integer(map.fence),
  why: word(map.why),
  transfer: transferOrNull(map.transfer),
}));
const added = shape((map) => ({ sessionId: string(map.session_id), entry: entry(map.entry) }));
const changed = shape((map) => ({ session: session(map.session) }));
const updated = shape((map) => ({
  transfer: transfer(map.transfer),
  state: word(map.state),
  session: session(map.session),
}));
const expiring = shape((map) => ({ expiresAt: integer(map.expires_at) }));
const draining = shape((map) => ({ reconnectInMs: integer(map.reconnect_in_ms) }));

/**
 * The pushes whose fields are an event's fields.
 *
 * @type {ReadonlyMap<string, import("./decode.js").Decoder<ClientEvent>>}
 */
export const PUSHES = new Map([
  ["session.assigned", push("sessionAssigned", received)],
  ["session.pending", push("sessionPending", received)],
  ["session.removed", push("sessionRemoved", removed)],
  ["session.entry", push("sessionEntry", added)],
  ["session.changed", push("sessionChanged", changed)],
  ["transfer.updated", push("transferUpdated", updated)],
  ["token.expiring", push("tokenExpiring", expiring)],
  ["server.draining", push("serverDraining", draining)],
]);

/** Hold events for a loop until it takes them. */
export class EventQueue {
  /** @type {ClientEvent[]} */
  #events = [];
  #lost = 0;
  #eventsMax;

  /**
   * @param {number} eventsMax How many events are kept. When it is full the oldest is dropped, and the next
   *   one taken is an `eventsLost` with the number dropped. The newest are kept; the directory and the inbox
   *   are right in any case.
   */
  constructor(eventsMax) {
    this.#eventsMax = eventsMax;
  }

  /** How many can be taken. */
  get size() {
    return this.#events.length + Number(this.#lost > 0);
  }

  /** @param {ClientEvent} event */
  put(event) {
    this.#events.push(event);
    if (this.#events.length > this.#eventsMax) {
      this.#events.shift();
      this.#lost += 1;
    }
  }

  /**
   * Remove and return the oldest event, or undefined if there is none.
   *
   * @returns {LoopEvent | undefined}
   */
  take() {
    if (this.#lost === 0) return this.#events.shift();
    const count = this.#lost;
    this.#lost = 0;
    return { type: "eventsLost", count };
  }
}

/** Hand events to listeners, in the order in which they were added. */
export class Listeners {
  /** @type {Map<string, Set<Function>>} */
  #byType = new Map();

  /**
   * @template {EventType} T
   * @param {T} type
   * @param {Listener<T>} listener
   * @returns {() => void} Ends it.
   */
  add(type, listener) {
    const listeners = this.#byType.get(type) ?? new Set();
    this.#byType.set(type, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** @param {ClientEvent} event */
  emit(event) {
    for (const listener of [...(this.#byType.get(event.type) ?? [])]) {
      try {
        listener(event);
      } catch (error) {
        // As with any EventTarget: the program's error is reported as uncaught, and no other listener misses the
        // event.
        void Promise.reject(error);
      }
    }
  }
}
