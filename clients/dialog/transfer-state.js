/** A transfer's progress after the command, and its description in words. */

import { readiness } from "./predicted-outcome.js";

/** @typedef {import("../js/src/events.js").SessionRemoved} SessionRemoved */
/** @typedef {import("../js/src/events.js").TransferUpdated} TransferUpdated */
/** @typedef {import("../js/src/objects.js").Owner} Owner */
/** @typedef {import("../js/src/objects.js").Session} Session */
/** @typedef {import("../js/src/objects.js").Transfer} Transfer */
/** @typedef {import("../js/src/objects.js").TransferResult} TransferResult */
/** @typedef {import("../js/src/objects.js").TransferState} TransferState */
/** @typedef {import("./locales/index.js").Words} Words */
/** @typedef {import("./predicted-outcome.js").Rows} Rows */

/**
 * A transfer that was made, and its progress.
 *
 * @typedef {object} TransferProgress
 * @property {Session} session
 * @property {Transfer} transfer
 * @property {Exclude<TransferState, "delivered"> | null} state The last update, null before the first.
 * @property {number | null} deliveredAt When it was delivered to the receiver's screen.
 * @property {number | null} place In the department's queue, null while unknown.
 */

/** @typedef {{ words: Words, rows: Rows, me: string | null }} DescribeContext */

/**
 * @typedef {object} Description
 * @property {"good" | "waiting" | "bad" | "neutral"} tone
 * @property {string} title
 * @property {string[]} details
 */

/** The command may have been applied: it is safe to send again with the same idempotency key. */
const OUTCOME_UNKNOWN = new Set(["timeout", "unavailable", "internal", "aborted", "invalid_reply"]);
const STOPPED = new Set([
  "unauthorized",
  "client_closed",
  "connection_stopped",
  "hello_timeout",
  "handshake_refused",
]);
/** Codes with a text of their own. */
const EXPLAINED = new Set(["not_found", "closed", "same_target", "forbidden", "rate_limited"]);

/**
 * @param {TransferResult} result
 * @returns {TransferProgress}
 */
export function startProgress({ session, transfer }) {
  return { session, transfer, state: null, deliveredAt: null, place: null };
}

/**
 * Apply a `transferUpdated`.
 *
 * @param {TransferProgress} progress
 * @param {TransferUpdated} event
 * @param {number} now
 * @returns {TransferProgress} The same object if the event is of another transfer, or older.
 */
export function applyUpdate(progress, { transfer, state, session }, now) {
  if (transfer.id !== progress.transfer.id || session.fence < progress.session.fence) return progress;
  if (state === "delivered") return { ...progress, session, transfer, deliveredAt: now };
  return { ...progress, session, transfer, state, deliveredAt: null, place: null };
}

/**
 * Apply the session that a recall returned.
 *
 * @param {TransferProgress} progress
 * @param {Session} session
 * @returns {TransferProgress}
 */
export function applyRecall(progress, session) {
  return { ...progress, session, state: "recalled", deliveredAt: null, place: null };
}

/**
 * Return whether a transfer is pending or queued, and so can be recalled.
 *
 * @param {TransferProgress} progress
 */
export function isWaiting({ session, state }) {
  const open = state === null || state === "moved";
  return open && (session.state === "pending" || session.state === "queued");
}

/**
 * Describe a transfer's present state.
 *
 * @param {TransferProgress} progress
 * @param {DescribeContext} context
 * @returns {Description}
 */
export function describeTransfer(progress, context) {
  const { words, rows } = context;
  const { session, transfer, state, deliveredAt } = progress;
  const name = session.owner === null ? "" : nameOf(session.owner, rows, transfer);
  const time = deliveredAt === null ? "" : words.clock(deliveredAt);
  if (state === "declined" || state === "recalled") {
    const tone = state === "declined" ? "bad" : "neutral";
    return { tone, title: words.say(`dialog.${state}`), details: [describeOwner(session, context)] };
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
    // An agent at capacity may not accept another.
    const full = because === "at_capacity" ? "_at_capacity" : "";
    const details = [words.say(`dialog.pending_detail${full}`, { name })];
    if (because !== "available") details.unshift(words.say(`dialog.pending_${because}`, { name }, because));
    return { tone: "waiting", title: words.say("dialog.pending", { name }), details };
  }
  if (session.state === "queued" && state !== "moved") {
    const { place } = progress;
    const title =
      place === null
        ? words.say("dialog.queued", { name })
        : words.say("dialog.queued_as", { name, place: words.ordinal(place) });
    return { tone: "waiting", title, details: [words.say("dialog.queued_detail", { name })] };
  }
  return { tone: "waiting", title: words.say("dialog.moved"), details: [describeOwner(session, context)] };
}

/**
 * Describe why a command failed.
 *
 * @param {any} error As the client rejected with it.
 * @param {DescribeContext} context
 * @param {"transfer" | "recall"} command
 * @returns {Description & { retry: "same" | "other" | "never" }} `retry`: whether the same command makes sense again, another one,
 *   or neither.
 */
export function describeError(error, context, command) {
  const { words } = context;
  const code = typeof error?.code === "string" ? error.code : "";
  const tone = "bad";
  if (code === "conflict") {
    const title = words.say(command === "recall" ? "dialog.recall_late" : "dialog.conflict");
    const details = [describeOwner(error, context)];
    if (error.by !== null && error.at !== null && error.by.id !== context.me) {
      details.push(words.say("dialog.conflict_by", { name: error.by.name, time: words.clock(error.at) }));
    }
    return { tone, title, details, retry: "never" };
  }
  if (EXPLAINED.has(code)) {
    const retry =
      code === "rate_limited" ? "same" : code === "closed" || code === "forbidden" ? "never" : "other";
    return {
      tone,
      title: words.say(`dialog.error_${code}`),
      details: [words.say(`dialog.error_${code}_detail`)],
      retry,
    };
  }
  const kind = OUTCOME_UNKNOWN.has(code) ? "unknown" : STOPPED.has(code) ? "stopped" : "other";
  const detail = words.say(`dialog.error_${kind}_detail`, { message: String(error?.message ?? error) });
  const retry = kind === "unknown" ? "same" : "other";
  return { tone, title: words.say(`dialog.error_${kind}`), details: [detail], retry };
}

/**
 * Return whether a command that failed may have been applied.
 *
 * @param {any} error
 */
export function mayBeApplied(error) {
  return OUTCOME_UNKNOWN.has(error?.code);
}

/**
 * Describe how the session left the agent while the agent was choosing.
 *
 * @param {SessionRemoved} event
 * @param {DescribeContext} context
 * @returns {Description}
 */
export function describeRemoval({ why, transfer }, context) {
  const { words } = context;
  const details = [];
  if (why === "closed") details.push(words.say("dialog.closed_now"));
  if (why === "transferred" && transfer !== null) {
    details.push(describeOwner(locationOf(transfer), context));
    details.push(words.say("dialog.conflict_by", { name: transfer.by.name, time: words.clock(transfer.at) }));
  }
  return { tone: "bad", title: words.say("dialog.left"), details };
}

/**
 * Describe how a session of another owner moved while the agent was choosing.
 *
 * @param {Session} session
 * @param {DescribeContext} context
 * @returns {Description}
 */
export function describeMove(session, context) {
  return {
    tone: "bad",
    title: context.words.say("dialog.conflict"),
    details: [describeOwner(session, context)],
  };
}

/**
 * @param {Transfer} transfer
 * @returns {{ state: string, owner: Owner }}
 */
function locationOf({ outcome, assignedTo, to }) {
  const state = outcome === "assigned" ? "in_progress" : outcome;
  return { state, owner: assignedTo === null ? to : { kind: "agent", id: assignedTo } };
}

/**
 * Name the present owner.
 *
 * @param {{ state: string | null, owner: Owner | null }} location
 * @param {DescribeContext} context
 */
function describeOwner({ state, owner }, { words, rows, me }) {
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
 * @param {Transfer} [transfer] Has its target's name, also when that is no longer in the directory.
 */
function nameOf(owner, rows, transfer) {
  const row = owner.kind === "agent" ? rows.agents.get(owner.id) : rows.departments.get(owner.id);
  const party = transfer?.to.kind === owner.kind && transfer.to.id === owner.id ? transfer.to : owner;
  return row?.name ?? party.name ?? owner.id;
}
