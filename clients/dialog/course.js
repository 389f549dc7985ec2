/** What becomes of one transfer, and how it is told. */

import { readiness } from "./forecast.js";

/** @typedef {import("../js/src/events.js").SessionRemoved} SessionRemoved */
/** @typedef {import("../js/src/events.js").TransferUpdated} TransferUpdated */
/** @typedef {import("../js/src/objects.js").Owner} Owner */
/** @typedef {import("../js/src/objects.js").Session} Session */
/** @typedef {import("../js/src/objects.js").Transfer} Transfer */
/** @typedef {import("../js/src/objects.js").TransferResult} TransferResult */
/** @typedef {import("../js/src/objects.js").TransferState} TransferState */
/** @typedef {import("../console/locales/index.js").Words} Words */
/** @typedef {import("./forecast.js").Rows} Rows */

/**
 * A transfer that was made, as far as it has come.
 *
 * @typedef {object} Course
 * @property {Session} session
 * @property {Transfer} transfer
 * @property {Exclude<TransferState, "delivered"> | null} state What happened to it last, null for nothing yet.
 * @property {number | null} deliveredAt When it was on the receiver's screen.
 * @property {number | null} place In the department's queue, null as long as it is not known.
 */

/** @typedef {{ words: Words, rows: Rows, me: string | null }} Teller */

/**
 * @typedef {object} Telling
 * @property {"good" | "waiting" | "bad" | "neutral"} tone
 * @property {string} title
 * @property {string[]} details
 */

/** What may have been applied all the same: the same command, with the same key, is safe to send again. */
const UNKNOWN = new Set(["timeout", "unavailable", "internal", "aborted", "invalid_reply"]);
const STOPPED = new Set([
  "unauthorized",
  "client_closed",
  "connection_stopped",
  "hello_timeout",
  "handshake_refused",
]);
const TOLD = new Set(["not_found", "closed", "same_target", "forbidden", "rate_limited"]);

/**
 * @param {TransferResult} result
 * @returns {Course}
 */
export function begin({ session, transfer }) {
  return { session, transfer, state: null, deliveredAt: null, place: null };
}

/**
 * Take what the router tells of a transfer.
 *
 * @param {Course} course
 * @param {TransferUpdated} event
 * @param {number} now
 * @returns {Course} The same, if the event is of another transfer or of before.
 */
export function advance(course, { transfer, state, session }, now) {
  if (transfer.id !== course.transfer.id || session.fence < course.session.fence) return course;
  if (state === "delivered") return { ...course, session, transfer, deliveredAt: now };
  return { ...course, session, transfer, state, deliveredAt: null, place: null };
}

/**
 * Take a session as it came back from a recall.
 *
 * @param {Course} course
 * @param {Session} session
 * @returns {Course}
 */
export function recalled(course, session) {
  return { ...course, session, state: "recalled", deliveredAt: null, place: null };
}

/**
 * Return whether a transfer still waits, and so can be recalled.
 *
 * @param {Course} course
 */
export function waits({ session, state }) {
  const open = state === null || state === "moved";
  return open && (session.state === "pending" || session.state === "queued");
}

/**
 * Say what has become of a transfer.
 *
 * @param {Course} course
 * @param {Teller} teller
 * @returns {Telling}
 */
export function tell(course, teller) {
  const { words, rows } = teller;
  const { session, transfer, state, deliveredAt } = course;
  const name = session.owner === null ? "" : nameOf(session.owner, rows, transfer);
  const time = deliveredAt === null ? "" : words.clock(deliveredAt);
  if (state === "declined" || state === "recalled") {
    const tone = state === "declined" ? "bad" : "neutral";
    return { tone, title: words.say(`dialog.${state}`), details: [where(session, teller)] };
  }
  if (session.state === "in_progress") {
    const details = [
      words.say(deliveredAt === null ? "dialog.sent_detail" : "dialog.delivered_detail", { name, time }),
    ];
    const title = state === "accepted" ? "accepted" : deliveredAt === null ? "sent" : "delivered";
    if (transfer.to.kind === "department" && state !== "accepted") {
      details.unshift(words.say("dialog.by_department", { department: transfer.to.name }));
    }
    return { tone: "good", title: words.say(`dialog.${title}`, { name }), details };
  }
  if (session.state === "pending" && state !== "moved") {
    const agent = session.owner === null ? undefined : rows.agents.get(session.owner.id);
    const because = agent === undefined ? "available" : readiness(agent);
    // Who is at capacity may not accept one more.
    const full = because === "at_capacity" ? "_at_capacity" : "";
    const details = [words.say(`dialog.pending_detail${full}`, { name })];
    if (because !== "available") details.unshift(words.say(`dialog.pending_${because}`, { name }));
    return { tone: "waiting", title: words.say("dialog.pending", { name }), details };
  }
  if (session.state === "queued" && state !== "moved") {
    const { place } = course;
    const title =
      place === null
        ? words.say("dialog.queued", { name })
        : words.say("dialog.queued_as", { name, place: words.ordinal(place) });
    return { tone: "waiting", title, details: [words.say("dialog.queued_detail", { name })] };
  }
  return { tone: "waiting", title: words.say("dialog.moved"), details: [where(session, teller)] };
}

/**
 * Say why a command was not carried out.
 *
 * @param {any} error As the client rejected with it.
 * @param {Teller} teller
 * @param {"transfer" | "recall"} command
 * @returns {Telling & { again: "same" | "other" | "never" }} `again`: whether the same can be sent again, whether something
 *   else can be, or neither.
 */
export function tellTrouble(error, teller, command) {
  const { words } = teller;
  const code = typeof error?.code === "string" ? error.code : "";
  const tone = "bad";
  if (code === "conflict") {
    const title = words.say(command === "recall" ? "dialog.recall_late" : "dialog.conflict");
    const details = [where(error, teller)];
    if (error.by !== null && error.at !== null && error.by.id !== teller.me) {
      details.push(words.say("dialog.conflict_by", { name: error.by.name, time: words.clock(error.at) }));
    }
    return { tone, title, details, again: "never" };
  }
  if (TOLD.has(code)) {
    const again =
      code === "rate_limited" ? "same" : code === "closed" || code === "forbidden" ? "never" : "other";
    return {
      tone,
      title: words.say(`dialog.error_${code}`),
      details: [words.say(`dialog.error_${code}_detail`)],
      again,
    };
  }
  const kind = UNKNOWN.has(code) ? "unknown" : STOPPED.has(code) ? "stopped" : "other";
  const detail = words.say(`dialog.error_${kind}_detail`, { message: String(error?.message ?? error) });
  const again = kind === "unknown" ? "same" : "other";
  return { tone, title: words.say(`dialog.error_${kind}`), details: [detail], again };
}

/**
 * Return whether a command that failed may have been applied.
 *
 * @param {any} error
 */
export function mayBeApplied(error) {
  return UNKNOWN.has(error?.code);
}

/**
 * Say how a conversation left the agent while the choice was still open.
 *
 * @param {SessionRemoved} event
 * @param {Teller} teller
 * @returns {Telling}
 */
export function tellLeft({ why, transfer }, teller) {
  const { words } = teller;
  const details = [];
  if (why === "closed") details.push(words.say("dialog.closed_now"));
  if (why === "transferred" && transfer !== null) {
    details.push(where(placeOf(transfer), teller));
    details.push(words.say("dialog.conflict_by", { name: transfer.by.name, time: words.clock(transfer.at) }));
  }
  return { tone: "bad", title: words.say("dialog.left"), details };
}

/**
 * Say how a conversation moved, of which this agent is not the owner, while the choice was still open.
 *
 * @param {Session} session
 * @param {Teller} teller
 * @returns {Telling}
 */
export function tellMoved(session, teller) {
  return { tone: "bad", title: teller.words.say("dialog.conflict"), details: [where(session, teller)] };
}

/**
 * @param {Transfer} transfer
 * @returns {{ state: string, owner: Owner }}
 */
function placeOf({ outcome, assignedTo, to }) {
  const state = outcome === "assigned" ? "in_progress" : outcome;
  return { state, owner: assignedTo === null ? to : { kind: "agent", id: assignedTo } };
}

/**
 * Say who has a conversation now.
 *
 * @param {{ state: string | null, owner: Owner | null }} place
 * @param {Teller} teller
 */
function where({ state, owner }, { words, rows, me }) {
  if (state === "closed" || owner === null) return words.say("dialog.closed_now");
  const name = nameOf(owner, rows);
  if (owner.kind === "department") return words.say("dialog.with_department", { name });
  const pending = state === "pending" ? "_pending" : "";
  if (owner.id === me) return words.say(`dialog.with_you${pending}`);
  return words.say(`dialog.with_agent${pending}`, { name });
}

/**
 * @param {Owner & { name?: string }} owner
 * @param {Rows} rows
 * @param {Transfer} [transfer] Knows its target by name, also when that is no longer in the directory.
 */
function nameOf(owner, rows, transfer) {
  const row = owner.kind === "agent" ? rows.agents.get(owner.id) : rows.departments.get(owner.id);
  const party = transfer?.to.kind === owner.kind && transfer.to.id === owner.id ? transfer.to : owner;
  return row?.name ?? party.name ?? owner.id;
}
