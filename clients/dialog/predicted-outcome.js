/** Predicts a transfer's outcome from the directory, and finds available agents near an unavailable one. */

import { compareAgents } from "../js/src/directory.js";
import { brokenBy, ruleOf } from "../js/src/rules.js";

/** @typedef {import("../js/src/objects.js").Agent} Agent */
/** @typedef {import("../js/src/objects.js").Department} Department */
/** @typedef {import("../js/src/objects.js").Owner} Owner */
/** @typedef {import("../js/src/objects.js").Session} Session */
/** @typedef {import("../js/src/objects.js").Target} Target */

/** @typedef {"available" | "at_capacity" | "pre_pause" | "pause" | "disconnected"} Readiness */

/**
 * What the router will do, as far as the directory shows; `gone` where the target is not in it.
 *
 * @typedef {{ outcome: "assigned" }
 *   | { outcome: "pending", because: Exclude<Readiness, "available"> }
 *   | { outcome: "queued", place: number }
 *   | { outcome: "refused", because: import("../js/src/rules.js").Because }
 *   | { outcome: "gone" }} PredictedOutcome
 */

/**
 * @typedef {{
 *   agents: ReadonlyMap<string, Agent>,
 *   departments: ReadonlyMap<string, Department>,
 *   rule?: import("../js/src/objects.js").Rule | null,
 * }} Rows
 */

/**
 * What a rule is held against: the session, where its rule binds this agent, and the reason as typed so far.
 *
 * @typedef {{ session: Session | null, reason: string }} Bounds
 */

/**
 * Return an agent's readiness: `connected` is either available or at capacity.
 *
 * @param {Pick<Agent, "status" | "available">} agent
 * @returns {Readiness}
 */
export function readiness({ status, available }) {
  if (available) return "available";
  return status === "connected" ? "at_capacity" : status;
}

/**
 * Return a transfer's outcome, as far as the directory shows.
 *
 * @param {Target} target
 * @param {Rows} rows
 * @param {Owner | null} owner The session's owner: a department never assigns it to the same agent again.
 * @param {Bounds} [bounds] None: no rule binds.
 * @returns {PredictedOutcome}
 */
export function predictOutcome(target, rows, owner, bounds) {
  const { agents, departments } = rows;
  const because = bounds === undefined ? undefined : forbiddenBy(target, rows, bounds)[0];
  if (because !== undefined) return { outcome: "refused", because };
  if (target.kind === "agent") {
    const agent = agents.get(target.id);
    if (agent === undefined) return { outcome: "gone" };
    const state = readiness(agent);
    return state === "available" ? { outcome: "assigned" } : { outcome: "pending", because: state };
  }
  const department = departments.get(target.id);
  if (department === undefined) return { outcome: "gone" };
  const present = owner?.kind === "agent" ? agents.get(owner.id) : undefined;
  const ownerCounts = present?.available === true && present.departments.includes(department.id);
  const others = department.available - Number(ownerCounts);
  return others > 0 ? { outcome: "assigned" } : { outcome: "queued", place: department.queued + 1 };
}

/**
 * Return what of the session's rule a transfer does not keep; nothing of a target that is not in the directory.
 *
 * @param {Target} target
 * @param {Rows} rows
 * @param {Bounds} bounds
 */
export function forbiddenBy(target, { agents, departments, rule = null }, { session, reason }) {
  const agent = target.kind === "agent" ? agents.get(target.id) : null;
  if (session === null || agent === undefined || (agent === null && !departments.has(target.id))) return [];
  return brokenBy(ruleOf(session, { departments, rule }), session, target, agent, reason);
}

/**
 * Return the available agents nearest to an unavailable one: most departments in common first, then the least loaded.
 *
 * @param {Agent} agent
 * @param {Iterable<Agent>} agents
 * @param {string | null} exceptId An agent to leave out, such as the present owner.
 * @param {number} countMax
 * @returns {Agent[]}
 */
export function nearestAvailable(agent, agents, exceptId, countMax = 3) {
  const wanted = new Set(agent.departments);
  /** @type {{ row: Agent, shared: number }[]} */
  const best = [];
  for (const row of agents) {
    if (!row.available || row.id === agent.id || row.id === exceptId) continue;
    let shared = 0;
    for (const id of row.departments) shared += Number(wanted.has(id));
    const candidate = { row, shared };
    const last = best[countMax - 1];
    if (last !== undefined && compareNearness(last, candidate) <= 0) continue;
    best.push(candidate);
    best.sort(compareNearness);
    best.length = Math.min(best.length, countMax);
  }
  return best.map(({ row }) => row);
}

/**
 * @param {{ row: Agent, shared: number }} one
 * @param {{ row: Agent, shared: number }} other
 */
function compareNearness(one, other) {
  return other.shared - one.shared || compareAgents(one.row, other.row);
}

/**
 * Describe a predicted outcome.
 *
 * @param {PredictedOutcome} predicted
 * @param {Target & { name: string, wasAvailable: boolean }} selected `wasAvailable`: when it was selected.
 * @param {import("./locales/index.js").Words} words
 * @returns {{ text: string, tone: "good" | "waiting" | "bad" }}
 */
export function describePrediction(predicted, { kind, name, wasAvailable }, words) {
  switch (predicted.outcome) {
    case "gone":
      return { text: words.say("dialog.gone", { name }), tone: "bad" };
    case "refused":
      return { text: words.say(`dialog.not_allowed_${predicted.because}`, { name }), tone: "bad" };
    case "assigned": {
      const key = kind === "agent" ? "dialog.will_assign" : "dialog.will_assign_department";
      return { text: words.say(key, { name }), tone: "good" };
    }
    case "queued": {
      const place = words.ordinal(predicted.place);
      return { text: words.say("dialog.will_queue", { name, place }), tone: "waiting" };
    }
    case "pending": {
      const text = words.say(`dialog.will_pend_${predicted.because}`, { name }, predicted.because);
      const changed = wasAvailable ? `${words.say("dialog.became_unavailable", { name })} ` : "";
      return { text: changed + text, tone: "waiting" };
    }
  }
}
