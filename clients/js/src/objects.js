/** The objects of the protocol, as a client sees them: frozen, typed, times in milliseconds of the epoch. */

import {
  asMap,
  boolean,
  ENVELOPE,
  integer,
  list,
  nullable,
  openShape,
  optional,
  shape,
  string,
  word,
} from "./decode.js";

// The values that this client knows. A newer router may send others: they come through unchanged.

/** @typedef {"agent" | "admin" | "service" | "customer"} Role */
/** @typedef {"agent" | "admin"} AgentRole */
/** @typedef {"connected" | "pre_pause" | "pause" | "disconnected"} Status */
/** @typedef {"in_progress" | "pending" | "queued" | "closed"} SessionState */
/** @typedef {"assigned" | "pending" | "queued" | "offered"} Outcome */
/** @typedef {"delivered" | "accepted" | "declined" | "recalled" | "moved"} TransferState */
/** @typedef {"transferred" | "declined" | "recalled" | "moved" | "closed"} RemovalCause */
/** @typedef {"agent" | "department" | "queue" | "returned" | "forced" | Exclude<MoveCause, "declined">} DecisionCause */
/** @typedef {"only" | "load" | "idle"} Tie */
/** @typedef {"not_member" | "status" | "capacity" | "tried" | "needs" | "behind" | "owner" | "unknown"} WhyNot */
/** @typedef {"unanswered" | "overdue" | "overflow" | "disconnected" | "evacuated" | "queue" | "declined"} MoveCause */
/** @typedef {"agent" | "department"} TargetKind */
/** @typedef {"opened" | "transferred" | "accepted" | "declined" | "recalled" | "moved" | "closed"} Change */
/** @typedef {Change | "internal"} EntryKind */

/**
 * What every object has: the fields that this client does not know, by their names on the wire, as they came.
 *
 * @typedef {{ readonly extra: Readonly<Record<string, unknown>> }} WireObject
 */

/**
 * The author of a change: an agent, an admin or a back end.
 *
 * @typedef {WireObject & { readonly id: string, readonly name: string, readonly role: Role }} Actor
 */

/**
 * An agent or an admin, by id and name.
 *
 * @typedef {WireObject & { readonly id: string, readonly name: string }} Person
 */

/**
 * The customer of a conversation.
 *
 * @typedef {{ readonly id: string, readonly name: string }} Customer
 */

/**
 * The target of a session.
 *
 * @typedef {{ readonly kind: TargetKind, readonly id: string }} Target
 */

/**
 * The owner of a session: an agent (in progress or pending), or a department's queue.
 *
 * @typedef {{ readonly kind: TargetKind, readonly id: string }} Owner
 */

/**
 * One side of a transfer, with its name at that time.
 *
 * @typedef {WireObject & { readonly kind: TargetKind, readonly id: string, readonly name: string }} Party
 */

/**
 * An agent's row in the directory.
 *
 * - `load` of `capacity` sessions are in progress with it, `pending` are in its pending list; `available`: it is
 *   connected, and has room for one more.
 * - `statusReason`, `statusUntilAt`: why it has its status and until when, as it said; nothing happens by itself then.
 *   `statusBy`: the person that set it, null for itself and for the system.
 * - `answeredAt`: when it last answered a session. `missed`: how many placed sessions in a row it has not answered. `wrapping`: how many closed sessions keep their slot
 *   for a while.
 *
 * @typedef {WireObject & {
 *   readonly id: string,
 *   readonly name: string,
 *   readonly role: AgentRole,
 *   readonly departments: readonly string[],
 *   readonly status: Status,
 *   readonly statusSinceAt: number,
 *   readonly load: number,
 *   readonly capacity: number,
 *   readonly pending: number,
 *   readonly available: boolean,
 *   readonly tags: readonly string[],
 *   readonly statusReason: string | null,
 *   readonly statusUntilAt: number | null,
 *   readonly statusBy: Person | null,
 *   readonly missed: number,
 *   readonly wrapping: number,
 *   readonly answeredAt: number | null,
 * }} Agent
 */

/**
 * A department's row: members, members available now, sessions that wait for one; `rule`: which transfers agents may
 * make of its sessions, as on the wire, null for all.
 *
 * @typedef {WireObject & {
 *   readonly id: string,
 *   readonly name: string,
 *   readonly agents: number,
 *   readonly available: number,
 *   readonly queued: number,
 *   readonly rule: Rule | null,
 * }} Department
 */

/**
 * Which transfers agents may make; its fields by their names on the wire.
 *
 * @typedef {{
 *   readonly departments: "any" | readonly string[],
 *   readonly agents: string,
 *   readonly statuses: readonly string[],
 *   readonly at_capacity: boolean,
 *   readonly hops_max: number,
 *   readonly reason: string,
 * }} Rule
 */

/**
 * One transfer of a session: from, to, by, reason and outcome. `assignedTo`: the agent assigned by a department.
 *
 * @typedef {WireObject & {
 *   readonly id: string,
 *   readonly sessionId: string,
 *   readonly from: Party | null,
 *   readonly to: Party,
 *   readonly by: Actor,
 *   readonly reason: string | null,
 *   readonly outcome: Outcome,
 *   readonly assignedTo: string | null,
 *   readonly at: number,
 * }} Transfer
 */

/**
 * A conversation.
 *
 * - `fence` grows by one at each change of owner or state; `openedAt` and `fence` order its versions (`isNewer`).
 * - `transfer`: the latest. `department`: the id of the department that it was last routed through.
 * - `answeredAt`: when its present owner answered it. `dueAt`: when the system moves it on by itself.
 * - `attributes`: what the back end keeps with it.
 * - `hopsFree`: how many of its `hops` count towards no rule's limit: those by back ends.
 *
 * @typedef {WireObject & {
 *   readonly id: string,
 *   readonly customer: Customer,
 *   readonly state: SessionState,
 *   readonly owner: Owner | null,
 *   readonly fence: number,
 *   readonly hops: number,
 *   readonly openedAt: number,
 *   readonly updatedAt: number,
 *   readonly transfer: Transfer | null,
 *   readonly department: string | null,
 *   readonly answeredAt: number | null,
 *   readonly dueAt: number | null,
 *   readonly attributes: Readonly<Record<string, unknown>>,
 *   readonly hopsFree: number,
 * }} Session
 */

/**
 * An agent as it was when an owner was chosen: its load without the session; `idleMs`: how long ago it was assigned a
 * session last, null where that is not known.
 *
 * @typedef {WireObject & {
 *   readonly id: string,
 *   readonly load: number,
 *   readonly capacity: number,
 *   readonly idleMs: number | null,
 * }} Candidate
 */

/**
 * Why the router chose the owner of a session.
 *
 * - `by`: what the choice was made for. `members`: those whom it was made from, of whom so many were `available`.
 * - `leftOut`: how many were not chosen from, by why; `unavailable` where a department has too many to look at each.
 * - `chosen`: the agent that got it in progress, null where it waits. `next`: who would have got it otherwise. `tie`: what
 *   decided: there was `only` one, the `load`, or how long each was `idle`. `place`: its place in the department's queue.
 *
 * @typedef {WireObject & {
 *   readonly by: DecisionCause,
 *   readonly members: number,
 *   readonly available: number,
 *   readonly leftOut: LeftOut,
 *   readonly chosen: Candidate | null,
 *   readonly next: Candidate | null,
 *   readonly tie: Tie | null,
 *   readonly place: number | null,
 * }} Decision
 */

/**
 * @typedef {WireObject & {
 *   readonly owner: number,
 *   readonly tried: number,
 *   readonly needs: number,
 *   readonly capacity: number,
 *   readonly status: number,
 *   readonly unavailable: number,
 * }} LeftOut
 */

/**
 * A line of a session's history; `seq` counts from 1 without gaps.
 *
 * - `why`: why the system moved the session, of kind `moved`. `decision`: why it chose this owner. `passed`: the rules
 *   that an admin or a back end passed over.
 *
 * @typedef {WireObject & {
 *   readonly seq: number,
 *   readonly kind: EntryKind,
 *   readonly at: number,
 *   readonly by: Actor | null,
 *   readonly text: string | null,
 *   readonly transfer: Transfer | null,
 *   readonly why: MoveCause | null,
 *   readonly decision: Decision | null,
 *   readonly passed: readonly string[],
 * }} Entry
 */

/**
 * An agent's sessions at its connection.
 *
 * @typedef {{ readonly inProgress: readonly Session[], readonly pending: readonly Session[] }} InboxContent
 */

/**
 * The router's reply to `hello`. `agent` is null for a back end; `expiresAt` is the token's expiry; `server` is the
 * router's name and version, null if it does not send them; `features` names what it can do beyond the first part of the
 * protocol.
 *
 * @typedef {WireObject & {
 *   readonly connectionId: string,
 *   readonly tenant: string,
 *   readonly role: Role,
 *   readonly agent: Agent | null,
 *   readonly expiresAt: number,
 *   readonly serverAt: number,
 *   readonly pingIntervalMs: number,
 *   readonly server: string | null,
 *   readonly inbox: InboxContent,
 *   readonly features: readonly string[],
 * }} Welcome
 */

/**
 * The session after a transfer, and the transfer itself.
 *
 * @typedef {{ readonly session: Session, readonly transfer: Transfer }} TransferResult
 */

/**
 * A page of a history; `more`: entries follow the last.
 *
 * @typedef {{ readonly entries: readonly Entry[], readonly more: boolean }} HistoryPage
 */

/**
 * A page of sessions; `cursor` of the next page, null at the end.
 *
 * @typedef {{ readonly sessions: readonly Session[], readonly cursor: string | null }} SessionPage
 */

/**
 * A page of agents; `cursor` of the next page, null at the end.
 *
 * @typedef {{ readonly agents: readonly Agent[], readonly cursor: string | null }} AgentPage
 */

/**
 * A page of departments; `cursor` of the next page, null at the end.
 *
 * @typedef {{ readonly departments: readonly Department[], readonly cursor: string | null }} DepartmentPage
 */

/**
 * A department's row, its own settings, and those in effect.
 *
 * @typedef {{
 *   readonly department: Department,
 *   readonly settings: Readonly<Record<string, unknown>>,
 *   readonly effective: Readonly<Record<string, unknown>>,
 * }} DepartmentSettings
 */

/**
 * What a transfer would do now; `assignedTo` is the agent that a department would choose.
 *
 * @typedef {{
 *   readonly outcome: Outcome,
 *   readonly assignedTo: string | null,
 *   readonly decision: Decision | null,
 * }} TransferPreview
 */

/**
 * Why the router chose an owner, null where it chose none; `whyNot`: why not the agent that was asked for, null where it
 * was chosen, or none was asked for.
 *
 * @typedef {{ readonly decision: Decision | null, readonly whyNot: WhyNot | null }} Explanation
 */

/**
 * The rows of the directory at `seq` of `epoch`: all of them, or part `part` (from 1) of `parts`;
 * both are 0 where it is whole. `rule` is the tenant's, in the first part.
 *
 * @typedef {{
 *   readonly epoch: string,
 *   readonly seq: number,
 *   readonly departments: readonly Department[],
 *   readonly agents: readonly Agent[],
 *   readonly part: number,
 *   readonly parts: number,
 *   readonly rule: Rule | null,
 * }} Snapshot
 */

/**
 * The rows that changed after `since` up to `seq`, whole; `rule` is the tenant's where it changed.
 *
 * @typedef {{
 *   readonly epoch: string,
 *   readonly since: number,
 *   readonly seq: number,
 *   readonly departments: readonly Department[],
 *   readonly agents: readonly Agent[],
 *   readonly departmentsRemoved: readonly string[],
 *   readonly agentsRemoved: readonly string[],
 *   readonly rule: Rule | null,
 * }} Patch
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
export const actor = openShape((map) => ({
  id: string(map.id),
  name: string(map.name),
  role: word(map.role),
}));
/** @type {Decoder<Person>} */
const person = openShape((map) => ({ id: string(map.id), name: string(map.name) }));
/** @type {Decoder<WireObject & Customer>} */
export const customer = openShape((map) => ({ id: string(map.id), name: string(map.name) }));
/** @type {Decoder<WireObject & Owner>} */
export const owner = openShape((map) => ({ kind: word(map.kind), id: string(map.id) }));
/** @type {Decoder<Party>} */
export const party = openShape((map) => ({
  kind: word(map.kind),
  id: string(map.id),
  name: string(map.name),
}));

const strings = list(string);
const stringsIfAny = optional(strings, Object.freeze([]));
export const textOrNull = nullable(string);
export const integerOrNull = nullable(integer);
const count = optional(integer, 0);
export const personOrNull = nullable(person);
const mapIfAny = optional(asMap, Object.freeze({}));

/** @type {Decoder<Agent>} */
export const agent = openShape((map) => ({
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
  tags: stringsIfAny(map.tags),
  statusReason: textOrNull(map.status_reason),
  statusUntilAt: integerOrNull(map.status_until_at),
  statusBy: personOrNull(map.status_by),
  missed: count(map.missed),
  wrapping: count(map.wrapping),
  answeredAt: integerOrNull(map.answered_at),
}));

/** @type {Decoder<Department>} */
export const department = openShape((map) => ({
  id: string(map.id),
  name: string(map.name),
  agents: integer(map.agents),
  available: integer(map.available),
  queued: integer(map.queued),
  rule: ruleOrNull(map.rule),
}));

/** @type {Decoder<Rule>} */
const rule = shape((map) => ({
  departments: map.departments === "any" ? "any" : strings(map.departments),
  agents: word(map.agents),
  statuses: strings(map.statuses),
  at_capacity: boolean(map.at_capacity),
  hops_max: integer(map.hops_max),
  reason: word(map.reason),
}));
const ruleOrNull = nullable(rule);

/** Any word of an enumeration, or null. */
export const wordOrNull = nullable(word);
const actorOrNull = nullable(actor);
const ownerOrNull = nullable(owner);
const partyOrNull = nullable(party);

/** @type {Decoder<Transfer>} */
export const transfer = openShape((map) => ({
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
export const session = openShape((map) => ({
  id: string(map.id),
  customer: customer(map.customer),
  state: word(map.state),
  owner: ownerOrNull(map.owner),
  fence: integer(map.fence),
  hops: integer(map.hops),
  openedAt: integer(map.opened_at),
  updatedAt: integer(map.updated_at),
  transfer: transferOrNull(map.transfer),
  department: textOrNull(map.department),
  answeredAt: integerOrNull(map.answered_at),
  dueAt: integerOrNull(map.due_at),
  attributes: mapIfAny(map.attributes),
  hopsFree: count(map.hops_free),
}));

/** @type {Decoder<Candidate>} */
const candidate = openShape((map) => ({
  id: string(map.id),
  load: integer(map.load),
  capacity: integer(map.capacity),
  idleMs: integerOrNull(map.idle_ms),
}));
const candidateOrNull = nullable(candidate);

/** @type {Decoder<LeftOut>} */
const leftOut = openShape((map) => ({
  owner: count(map.owner),
  tried: count(map.tried),
  needs: count(map.needs),
  capacity: count(map.capacity),
  status: count(map.status),
  unavailable: count(map.unavailable),
}));

/** @type {Decoder<Decision>} */
const decision = openShape((map) => ({
  by: word(map.by),
  members: integer(map.members),
  available: integer(map.available),
  leftOut: leftOut(map.left_out),
  chosen: candidateOrNull(map.chosen),
  next: candidateOrNull(map.next),
  tie: wordOrNull(map.tie),
  place: integerOrNull(map.place),
}));
const decisionOrNull = nullable(decision);

/** @type {Decoder<Entry>} */
export const entry = openShape((map) => ({
  seq: integer(map.seq),
  kind: word(map.kind),
  at: integer(map.at),
  by: actorOrNull(map.by),
  text: textOrNull(map.text),
  transfer: transferOrNull(map.transfer),
  why: wordOrNull(map.why),
  decision: decisionOrNull(map.decision),
  passed: stringsIfAny(map.passed),
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
export const welcome = openShape(
  (map) => ({
    connectionId: string(map.connection_id),
    tenant: string(map.tenant),
    role: word(map.role),
    agent: agentOrNull(map.agent),
    expiresAt: integer(map.expires_at),
    serverAt: integer(map.server_at),
    pingIntervalMs: integer(map.ping_interval_ms),
    server: textOrNull(map.server),
    inbox: inbox(map.inbox),
    features: stringsIfAny(map.features),
  }),
  ENVELOPE,
);

const entries = list(entry);

/** What commands on an agent answer. */
export const agentResult = shape((map) => ({ agent: agent(map.agent) }));
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
export const departmentResult = shape((map) => ({ department: department(map.department) }));
export const entryResult = shape((map) => ({ entry: entry(map.entry) }));
/** @type {Decoder<TransferPreview>} */
export const transferPreview = shape((map) => ({
  outcome: word(map.outcome),
  assignedTo: textOrNull(map.assigned_to),
  decision: decisionOrNull(map.decision),
}));
/** @type {Decoder<Explanation>} */
export const explanation = shape((map) => ({
  decision: decisionOrNull(map.decision),
  whyNot: wordOrNull(map.why_not),
}));
/** @type {Decoder<DepartmentSettings>} */
export const departmentSettings = shape((map) => ({
  department: department(map.department),
  settings: asMap(map.settings),
  effective: asMap(map.effective),
}));
/** @type {Decoder<SessionPage>} */
export const sessionPage = shape((map) => ({
  sessions: sessions(map.sessions),
  cursor: textOrNull(map.cursor),
}));

const agents = list(agent);
const departments = list(department);
/** @type {Decoder<AgentPage>} */
export const agentPage = shape((map) => ({ agents: agents(map.agents), cursor: textOrNull(map.cursor) }));
/** @type {Decoder<DepartmentPage>} */
export const departmentPage = shape((map) => ({
  departments: departments(map.departments),
  cursor: textOrNull(map.cursor),
}));
const agentsIfAny = optional(agents, []);
const departmentsIfAny = optional(departments, []);

/** @type {Decoder<Snapshot>} */
export const snapshot = shape((map) => ({
  epoch: string(map.epoch),
  seq: integer(map.seq),
  departments: departments(map.departments),
  agents: agents(map.agents),
  part: count(map.part),
  parts: count(map.parts),
  rule: ruleOrNull(map.rule),
}));

/** @type {Decoder<Patch>} */
export const patch = shape((map) => ({
  epoch: string(map.epoch),
  since: integer(map.since),
  seq: integer(map.seq),
  departments: departmentsIfAny(map.departments),
  agents: agentsIfAny(map.agents),
  departmentsRemoved: stringsIfAny(map.departments_removed),
  agentsRemoved: stringsIfAny(map.agents_removed),
  rule: ruleOrNull(map.rule),
}));
