/** The objects of the protocol, as a client sees them: frozen, typed, times in milliseconds of the epoch. */

import { boolean, integer, list, nullable, optional, shape, string, word } from "./decode.js";

/** @typedef {"agent" | "admin" | "service"} Role */
/** @typedef {"agent" | "admin"} AgentRole */
/** @typedef {"connected" | "pre_pause" | "pause" | "disconnected"} Status */
/** @typedef {"in_progress" | "pending" | "queued" | "closed"} SessionState */
/** @typedef {"assigned" | "pending" | "queued"} Outcome */
/** @typedef {"delivered" | "accepted" | "declined" | "recalled" | "moved"} TransferState */
/** @typedef {"transferred" | "declined" | "recalled" | "moved" | "closed"} RemovalCause */
/** @typedef {"agent" | "department"} TargetKind */
/** @typedef {"opened" | "transferred" | "accepted" | "declined" | "recalled" | "moved" | "closed"} Change */
/** @typedef {Change | "internal"} EntryKind */

/**
 * Who did something: an agent, an admin or a back end.
 *
 * @typedef {object} Actor
 * @property {string} id
 * @property {string} name
 * @property {Role} role
 */

/**
 * The person on the other side of a conversation.
 *
 * @typedef {object} Customer
 * @property {string} id
 * @property {string} name
 */

/**
 * Where a session is to go.
 *
 * @typedef {object} Target
 * @property {TargetKind} kind
 * @property {string} id
 */

/**
 * Who has a session: an agent (in progress or pending), or a department's queue.
 *
 * @typedef {object} Owner
 * @property {TargetKind} kind
 * @property {string} id
 */

/**
 * One side of a transfer, with its name at that time.
 *
 * @typedef {object} Party
 * @property {TargetKind} kind
 * @property {string} id
 * @property {string} name
 */

/**
 * An agent's row in the directory; `load` of `capacity` sessions are in progress with it.
 *
 * @typedef {object} Agent
 * @property {string} id
 * @property {string} name
 * @property {AgentRole} role
 * @property {readonly string[]} departments
 * @property {Status} status
 * @property {number} statusSinceAt
 * @property {number} load
 * @property {number} capacity
 * @property {number} pending Sessions in its pending list.
 * @property {boolean} available Connected, and with room for one more.
 */

/**
 * A department's row: members, members available now, sessions that wait for one.
 *
 * @typedef {object} Department
 * @property {string} id
 * @property {string} name
 * @property {number} agents
 * @property {number} available
 * @property {number} queued
 */

/**
 * One transfer of a session: from whom, to whom, by whom, why, and what became of it.
 *
 * @typedef {object} Transfer
 * @property {string} id
 * @property {string} sessionId
 * @property {Party | null} from
 * @property {Party} to
 * @property {Actor} by
 * @property {string | null} reason
 * @property {Outcome} outcome
 * @property {string | null} assignedTo The agent who has it, when a department was the target.
 * @property {number} at
 */

/**
 * A conversation; `fence` grows by one at each change of owner or state.
 *
 * @typedef {object} Session
 * @property {string} id
 * @property {Customer} customer
 * @property {SessionState} state
 * @property {Owner | null} owner
 * @property {number} fence
 * @property {number} hops
 * @property {number} openedAt
 * @property {number} updatedAt
 * @property {Transfer | null} transfer The latest.
 */

/**
 * A line of a session's history; `seq` counts from 1 without gaps.
 *
 * @typedef {object} Entry
 * @property {number} seq
 * @property {EntryKind} kind
 * @property {number} at
 * @property {Actor | null} by
 * @property {string | null} text
 * @property {Transfer | null} transfer
 */

/**
 * What an agent has when it connects.
 *
 * @typedef {object} InboxContent
 * @property {readonly Session[]} inProgress
 * @property {readonly Session[]} pending
 */

/**
 * The router's answer to `hello`. `agent` is null for a back end; `expiresAt` is the token's end.
 *
 * @typedef {object} Welcome
 * @property {string} connectionId
 * @property {string} tenant
 * @property {Role} role
 * @property {Agent | null} agent
 * @property {number} expiresAt
 * @property {number} serverAt
 * @property {number} pingIntervalMs
 * @property {InboxContent} inbox
 */

/**
 * The session after a transfer, and the transfer itself.
 *
 * @typedef {object} TransferResult
 * @property {Session} session
 * @property {Transfer} transfer
 */

/**
 * Some entries of a history; `more` tells whether others follow the last.
 *
 * @typedef {object} HistoryPage
 * @property {readonly Entry[]} entries
 * @property {boolean} more
 */

/**
 * Some sessions; `cursor` asks for the next page, null at the end.
 *
 * @typedef {object} SessionPage
 * @property {readonly Session[]} sessions
 * @property {string | null} cursor
 */

/**
 * All rows of the directory at `seq` of `epoch`.
 *
 * @typedef {object} Snapshot
 * @property {string} epoch
 * @property {number} seq
 * @property {readonly Department[]} departments
 * @property {readonly Agent[]} agents
 */

/**
 * The rows that changed after `since` up to `seq`, whole.
 *
 * @typedef {object} Patch
 * @property {string} epoch
 * @property {number} since
 * @property {number} seq
 * @property {readonly Department[]} departments
 * @property {readonly Agent[]} agents
 * @property {readonly string[]} departmentsRemoved
 * @property {readonly string[]} agentsRemoved
 */

/** Names of the two kinds of target. */
export const Target = Object.freeze({
  /** @param {string} id @returns {Target} */
  agent: (id) => ({ kind: "agent", id }),
  /** @param {string} id @returns {Target} */
  department: (id) => ({ kind: "department", id }),
});

/**
 * @template T
 * @typedef {import("./decode.js").Decoder<T>} Decoder
 */

/** @type {Decoder<Actor>} */
export const actor = shape({ id: string, name: string, role: word });
/** @type {Decoder<Customer>} */
export const customer = shape({ id: string, name: string });
/** @type {Decoder<Owner>} */
export const owner = shape({ kind: word, id: string });
/** @type {Decoder<Party>} */
export const party = shape({ kind: word, id: string, name: string });

/** @type {Decoder<Agent>} */
export const agent = shape({
  id: string,
  name: string,
  role: word,
  departments: list(string),
  status: word,
  statusSinceAt: integer,
  load: integer,
  capacity: integer,
  pending: integer,
  available: boolean,
});

/** @type {Decoder<Department>} */
export const department = shape({
  id: string,
  name: string,
  agents: integer,
  available: integer,
  queued: integer,
});

/** @type {Decoder<Transfer>} */
export const transfer = shape({
  id: string,
  sessionId: string,
  from: nullable(party),
  to: party,
  by: actor,
  reason: nullable(string),
  outcome: word,
  assignedTo: nullable(string),
  at: integer,
});

/** @type {Decoder<Session>} */
export const session = shape({
  id: string,
  customer,
  state: word,
  owner: nullable(owner),
  fence: integer,
  hops: integer,
  openedAt: integer,
  updatedAt: integer,
  transfer: nullable(transfer),
});

/** @type {Decoder<Entry>} */
export const entry = shape({
  seq: integer,
  kind: word,
  at: integer,
  by: nullable(actor),
  text: nullable(string),
  transfer: nullable(transfer),
});

/** @type {InboxContent} */
const EMPTY_INBOX = Object.freeze({ inProgress: [], pending: [] });

/** @type {Decoder<Welcome>} */
export const welcome = shape({
  connectionId: string,
  tenant: string,
  role: word,
  agent: nullable(agent),
  expiresAt: integer,
  serverAt: integer,
  pingIntervalMs: integer,
  inbox: optional(
    shape({ inProgress: optional(list(session), []), pending: optional(list(session), []) }),
    EMPTY_INBOX,
  ),
});

/** What most commands on a session answer. */
export const sessionResult = shape({ session });
/** @type {Decoder<TransferResult>} */
export const transferResult = shape({ session, transfer });
export const placeResult = shape({ place: integer });
/** @type {Decoder<HistoryPage>} */
export const historyPage = shape({ entries: list(entry), more: boolean });
/** @type {Decoder<SessionPage>} */
export const sessionPage = shape({ sessions: list(session), cursor: nullable(string) });

/** @type {Decoder<Snapshot>} */
export const snapshot = shape({
  epoch: string,
  seq: integer,
  departments: list(department),
  agents: list(agent),
});

/** @type {Decoder<Patch>} */
export const patch = shape({
  epoch: string,
  since: integer,
  seq: integer,
  departments: optional(list(department), []),
  agents: optional(list(agent), []),
  departmentsRemoved: optional(list(string), []),
  agentsRemoved: optional(list(string), []),
});
