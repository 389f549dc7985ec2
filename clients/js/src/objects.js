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
 * The author of a change: an agent, an admin or a back end.
 *
 * @typedef {object} Actor
 * @property {string} id
 * @property {string} name
 * @property {Role} role
 */

/**
 * The customer of a conversation.
 *
 * @typedef {object} Customer
 * @property {string} id
 * @property {string} name
 */

/**
 * The target of a session.
 *
 * @typedef {object} Target
 * @property {TargetKind} kind
 * @property {string} id
 */

/**
 * The owner of a session: an agent (in progress or pending), or a department's queue.
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
 * One transfer of a session: from, to, by, reason and outcome.
 *
 * @typedef {object} Transfer
 * @property {string} id
 * @property {string} sessionId
 * @property {Party | null} from
 * @property {Party} to
 * @property {Actor} by
 * @property {string | null} reason
 * @property {Outcome} outcome
 * @property {string | null} assignedTo The agent assigned by a department.
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
 * An agent's sessions at its connection.
 *
 * @typedef {object} InboxContent
 * @property {readonly Session[]} inProgress
 * @property {readonly Session[]} pending
 */

/**
 * The router's reply to `hello`. `agent` is null for a back end; `expiresAt` is the token's expiry.
 *
 * @typedef {object} Welcome
 * @property {string} connectionId
 * @property {string} tenant
 * @property {Role} role
 * @property {Agent | null} agent
 * @property {number} expiresAt
 * @property {number} serverAt
 * @property {number} pingIntervalMs
 * @property {string | null} server The router's name and version; null if it does not send them.
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
 * A page of a history; `more`: entries follow the last.
 *
 * @typedef {object} HistoryPage
 * @property {readonly Entry[]} entries
 * @property {boolean} more
 */

/**
 * A page of sessions; `cursor` of the next page, null at the end.
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
export const actor = shape((map) => ({ id: string(map.id), name: string(map.name), role: word(map.role) }));
/** @type {Decoder<Customer>} */
export const customer = shape((map) => ({ id: string(map.id), name: string(map.name) }));
/** @type {Decoder<Owner>} */
export const owner = shape((map) => ({ kind: word(map.kind), id: string(map.id) }));
/** @type {Decoder<Party>} */
export const party = shape((map) => ({ kind: word(map.kind), id: string(map.id), name: string(map.name) }));

const strings = list(string);

/** @type {Decoder<Agent>} */
export const agent = shape((map) => ({
  id: string(map.id),
  name: string(map.name),
  role: word(map.role),
  departments: strings(map.departments),
  status: word(map.status),
  statusSinceAt: integer(map.status_since_at),
  load: integer(map.load),
  capacity: integer(map.capacity),
  pending: integer(map.pending),
  available: boolean(map.available),
}));

/** @type {Decoder<Department>} */
export const department = shape((map) => ({
  id: string(map.id),
  name: string(map.name),
  agents: integer(map.agents),
  available: integer(map.available),
  queued: integer(map.queued),
}));

const textOrNull = nullable(string);
const actorOrNull = nullable(actor);
const ownerOrNull = nullable(owner);
const partyOrNull = nullable(party);

/** @type {Decoder<Transfer>} */
export const transfer = shape((map) => ({
  id: string(map.id),
  sessionId: string(map.session_id),
  from: partyOrNull(map.from),
  to: party(map.to),
  by: actor(map.by),
  reason: textOrNull(map.reason),
  outcome: word(map.outcome),
  assignedTo: textOrNull(map.assigned_to),
  at: integer(map.at),
}));

/** @type {Decoder<Transfer | null>} */
export const transferOrNull = nullable(transfer);

/** @type {Decoder<Session>} */
export const session = shape((map) => ({
  id: string(map.id),
  customer: customer(map.customer),
  state: word(map.state),
  owner: ownerOrNull(map.owner),
  fence: integer(map.fence),
  hops: integer(map.hops),
  openedAt: integer(map.opened_at),
  updatedAt: integer(map.updated_at),
  transfer: transferOrNull(map.transfer),
}));

/** @type {Decoder<Entry>} */
export const entry = shape((map) => ({
  seq: integer(map.seq),
  kind: word(map.kind),
  at: integer(map.at),
  by: actorOrNull(map.by),
  text: textOrNull(map.text),
  transfer: transferOrNull(map.transfer),
}));

const sessions = list(session);
const sessionsIfAny = optional(sessions, []);
const agentOrNull = nullable(agent);
/** @type {Decoder<InboxContent>} */
const inbox = optional(
  shape((map) => ({ inProgress: sessionsIfAny(map.in_progress), pending: sessionsIfAny(map.pending) })),
  Object.freeze({ inProgress: [], pending: [] }),
);

/** @type {Decoder<Welcome>} */
export const welcome = shape((map) => ({
  connectionId: string(map.connection_id),
  tenant: string(map.tenant),
  role: word(map.role),
  agent: agentOrNull(map.agent),
  expiresAt: integer(map.expires_at),
  serverAt: integer(map.server_at),
  pingIntervalMs: integer(map.ping_interval_ms),
  server: textOrNull(map.server),
  inbox: inbox(map.inbox),
}));

const entries = list(entry);

/** What most commands on a session answer. */
export const sessionResult = shape((map) => ({ session: session(map.session) }));
/** @type {Decoder<TransferResult>} */
export const transferResult = shape((map) => ({
  session: session(map.session),
  transfer: transfer(map.transfer),
}));
export const placeResult = shape((map) => ({ place: integer(map.place) }));
/** @type {Decoder<HistoryPage>} */
export const historyPage = shape((map) => ({ entries: entries(map.entries), more: boolean(map.more) }));
/** @type {Decoder<SessionPage>} */
export const sessionPage = shape((map) => ({
  sessions: sessions(map.sessions),
  cursor: textOrNull(map.cursor),
}));

const agents = list(agent);
const departments = list(department);
const agentsIfAny = optional(agents, []);
const departmentsIfAny = optional(departments, []);
const idsIfAny = optional(strings, []);

/** @type {Decoder<Snapshot>} */
export const snapshot = shape((map) => ({
  epoch: string(map.epoch),
  seq: integer(map.seq),
  departments: departments(map.departments),
  agents: agents(map.agents),
}));

/** @type {Decoder<Patch>} */
export const patch = shape((map) => ({
  epoch: string(map.epoch),
  since: integer(map.since),
  seq: integer(map.seq),
  departments: departmentsIfAny(map.departments),
  agents: agentsIfAny(map.agents),
  departmentsRemoved: idsIfAny(map.departments_removed),
  agentsRemoved: idsIfAny(map.agents_removed),
}));
