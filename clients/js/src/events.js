/** A client's events: listeners are called at once, loops read a bounded queue. */

import {
  agent,
  entry,
  integerOrNull,
  personOrNull,
  session,
  textOrNull,
  transfer,
  transferOrNull,
  wordOrNull,
} from "./objects.js";
import { ENVELOPE, integer, openShape, string, word } from "./decode.js";

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
 * @typedef {{
 *   readonly type: "connected",
 *   readonly welcome: Welcome,
 *   readonly reconnected: boolean,
 * }} Connected
 */

/**
 * The connection ended.
 *
 * - `closeCode`: the websocket close code, 1006 if the connection was lost without one.
 * - `reason`: what was given as the reason, possibly empty.
 * - `reconnectInMs`: when the first new attempt starts, or null if there will be none.
 * - `error`: why there will be none.
 *
 * @typedef {{
 *   readonly type: "disconnected",
 *   readonly closeCode: number,
 *   readonly reason: string,
 *   readonly reconnectInMs: number | null,
 *   readonly error: RelevoError | null,
 * }} Disconnected
 */

/**
 * A connection attempt failed; the next one starts in `reconnectInMs`.
 *
 * - `attempts`: how many have failed in a row.
 *
 * @typedef {{
 *   readonly type: "unreachable",
 *   readonly reason: string,
 *   readonly attempts: number,
 *   readonly reconnectInMs: number,
 * }} Unreachable
 */

/**
 * `connecting`: the client tries to connect, or is not started yet; `connected`: a router has let it in; `stopped`: it makes
 * no further attempt, and `error` says why.
 *
 * @typedef {"connecting" | "connected" | "stopped"} ClientState
 */

/**
 * The client's `state` is another.
 *
 * @typedef {{
 *   readonly type: "stateChanged",
 *   readonly state: ClientState,
 *   readonly error: RelevoError | null,
 * }} StateChanged
 */

/**
 * A session is in progress with this agent now; `transfer` has the sender, the target and the reason.
 *
 * @typedef {{
 *   readonly type: "sessionAssigned",
 *   readonly session: Session,
 *   readonly transfer: Transfer | null,
 * }} SessionAssigned
 */

/**
 * A session is in this agent's pending list now.
 *
 * @typedef {{
 *   readonly type: "sessionPending",
 *   readonly session: Session,
 *   readonly transfer: Transfer | null,
 * }} SessionPending
 */

/**
 * The session left this agent.
 *
 * @typedef {{
 *   readonly type: "sessionRemoved",
 *   readonly sessionId: string,
 *   readonly fence: number,
 *   readonly why: import("./objects.js").RemovalCause | import("./objects.js").MoveCause,
 *   readonly transfer: Transfer | null,
 * }} SessionRemoved
 */

/**
 * The history of a session of this agent has a new entry.
 *
 * @typedef {{
 *   readonly type: "sessionEntry",
 *   readonly sessionId: string,
 *   readonly entry: Entry,
 * }} SessionEntry
 */

/**
 * A session of the tenant changed; for admins and back ends that watch. `why`: the kind of the entry that caused it, null if
 * the router does not say. `epoch` and `seq`: the position from which `watch` resumes.
 *
 * @typedef {{
 *   readonly type: "sessionChanged",
 *   readonly session: Session,
 *   readonly why: string | null,
 *   readonly epoch: string | null,
 *   readonly seq: number | null,
 * }} SessionChanged
 */

/**
 * A transfer that this agent made was delivered, accepted, declined, recalled or moved. `why`: why the system moved it.
 *
 * @typedef {{
 *   readonly type: "transferUpdated",
 *   readonly transfer: Transfer,
 *   readonly state: import("./objects.js").TransferState,
 *   readonly session: Session,
 *   readonly why: import("./objects.js").MoveCause | null,
 * }} TransferUpdated
 */

/**
 * The own row of this agent changed; `client.agent` is this one already.
 *
 * @typedef {{ readonly type: "agentChanged", readonly agent: Agent }} AgentChanged
 */

/**
 * Another person, or the system (`by` is null), changed this agent's status; `client.agent` has it already.
 *
 * @typedef {{
 *   readonly type: "statusChanged",
 *   readonly agent: Agent,
 *   readonly by: import("./objects.js").Person | null,
 *   readonly reason: string | null,
 * }} StatusChanged
 */

/**
 * A push of a newer router, that this client does not know: its type on the wire, and its other fields as they came.
 *
 * @typedef {{
 *   readonly type: "unknownPush",
 *   readonly push: string,
 *   readonly fields: Readonly<Record<string, unknown>>,
 * }} UnknownPush
 */

/**
 * Rows of `client.directory` changed; it holds them already. With `snapshot` everything was replaced, and the
 * rows are all rows.
 *
 * @typedef {{
 *   readonly type: "directoryChanged",
 *   readonly agents: readonly Agent[],
 *   readonly departments: readonly Department[],
 *   readonly agentsRemoved: readonly string[],
 *   readonly departmentsRemoved: readonly string[],
 *   readonly snapshot: boolean,
 * }} DirectoryChanged
 */

/**
 * The token expires at `expiresAt`. A token function is called at once.
 *
 * @typedef {{
 *   readonly type: "tokenExpiring",
 *   readonly expiresAt: number,
 * }} TokenExpiring
 */

/**
 * The router drains; the client reconnects in `reconnectInMs`.
 *
 * @typedef {{
 *   readonly type: "serverDraining",
 *   readonly reconnectInMs: number,
 * }} ServerDraining
 */

/**
 * The loop read too slowly: the oldest `count` events were dropped. Only loops get it.
 *
 * @typedef {{
 *   readonly type: "eventsLost",
 *   readonly count: number,
 * }} EventsLost
 */

/** @typedef {Connected | Disconnected | Unreachable | StateChanged | TokenExpiring | ServerDraining} ConnectionEvent */
/** @typedef {SessionAssigned | SessionPending | SessionRemoved | SessionEntry | SessionChanged} SessionEvent */
/** @typedef {AgentChanged | StatusChanged | DirectoryChanged | UnknownPush} OtherEvent */
/** @typedef {ConnectionEvent | SessionEvent | TransferUpdated | OtherEvent} ClientEvent */

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

/**
 * @template {object} T
 * @param {(map: Readonly<Record<string, unknown>>) => T} read
 */
const message = (read) => openShape(read, ENVELOPE);

const received = message((map) => ({
  session: session(map.session),
  transfer: transferOrNull(map.transfer),
}));
const removed = message((map) => ({
  sessionId: string(map.session_id),
  fence: integer(map.fence),
  why: word(map.why),
  transfer: transferOrNull(map.transfer),
}));
const added = message((map) => ({ sessionId: string(map.session_id), entry: entry(map.entry) }));
const changed = message((map) => ({
  session: session(map.session),
  why: wordOrNull(map.why),
  epoch: textOrNull(map.epoch),
  seq: integerOrNull(map.seq),
}));
const updated = message((map) => ({
  transfer: transfer(map.transfer),
  state: word(map.state),
  session: session(map.session),
  why: wordOrNull(map.why),
}));
const ownRow = message((map) => ({ agent: agent(map.agent) }));
const ownStatus = message((map) => ({
  agent: agent(map.agent),
  by: personOrNull(map.by),
  reason: textOrNull(map.reason),
}));
const expiring = message((map) => ({ expiresAt: integer(map.expires_at) }));
const draining = message((map) => ({ reconnectInMs: integer(map.reconnect_in_ms) }));

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
  ["agent.changed", push("agentChanged", ownRow)],
  ["status.changed", push("statusChanged", ownStatus)],
  ["token.expiring", push("tokenExpiring", expiring)],
  ["server.draining", push("serverDraining", draining)],
]);

/**
 * Return the event of a push that this client does not know.
 *
 * @param {string} type
 * @param {Readonly<Record<string, unknown>>} map
 * @returns {UnknownPush}
 */
export function unknownPush(type, map) {
  const { type: _, ...fields } = map;
  return Object.freeze({ type: "unknownPush", push: type, fields: Object.freeze(fields) });
}

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
