/** What a choice will lead to, and what is nearest to it. */

import { compareAgents } from "../js/src/directory.js";

/** @typedef {import("../js/src/objects.js").Agent} Agent */
/** @typedef {import("../js/src/objects.js").Department} Department */
/** @typedef {import("../js/src/objects.js").Owner} Owner */
/** @typedef {import("../js/src/objects.js").Target} Target */

/** @typedef {"available" | "at_capacity" | "pre_pause" | "pause" | "disconnected"} Readiness */

/**
 * What the router will do, as far as the directory tells.
 *
 * @typedef {{ outcome: "assigned" }
 *   | { outcome: "pending", because: Exclude<Readiness, "available"> }
 *   | { outcome: "queued", place: number }
 *   | { outcome: "gone" }} Forecast
 */

/** @typedef {{ agents: ReadonlyMap<string, Agent>, departments: ReadonlyMap<string, Department> }} Rows */

/**
 * Return an agent's status as people read it: `connected` is either available or at capacity.
 *
 * @param {Agent} agent
 * @returns {Readiness}
 */
export function readiness(agent) {
  if (agent.available) return "available";
  return agent.status === "connected" ? "at_capacity" : agent.status;
}

/**
 * Return what a transfer will lead to.
 *
 * @param {Target} target
 * @param {Rows} rows
 * @param {Owner | null} owner Who has the session: a department never gives it to the same agent again.
 * @returns {Forecast}
 */
export function forecast(target, { agents, departments }, owner) {
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
 * Return the available agents that are nearest to one who is not: those who share most departments, then the least
 * loaded.
 *
 * @param {Agent} agent
 * @param {Iterable<Agent>} agents
 * @param {string | null} except The id of an agent who is no choice, such as the present owner.
 * @param {number} countMax
 * @returns {Agent[]}
 */
export function nearest(agent, agents, except, countMax = 3) {
  const wanted = new Set(agent.departments);
  /** @type {{ row: Agent, shared: number }[]} */
  const best = [];
  for (const row of agents) {
    if (!row.available || row.id === agent.id || row.id === except) continue;
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
 * Say what a choice will lead to.
 *
 * @param {Forecast} foreseen
 * @param {Target & { name: string, wasAvailable: boolean }} chosen `wasAvailable`: when it was chosen.
 * @param {import("../console/locales/index.js").Words} words
 * @returns {{ text: string, tone: "good" | "waiting" | "bad" }}
 */
export function tellForecast(foreseen, { kind, name, wasAvailable }, words) {
  switch (foreseen.outcome) {
    case "gone":
      return { text: words.say("dialog.gone", { name }), tone: "bad" };
    case "assigned": {
      const key = kind === "agent" ? "dialog.will_assign" : "dialog.will_assign_department";
      return { text: words.say(key, { name }), tone: "good" };
    }
    case "queued": {
      const place = words.ordinal(foreseen.place);
      return { text: words.say("dialog.will_queue", { name, place }), tone: "waiting" };
    }
    case "pending": {
      const text = words.say(`dialog.will_pend_${foreseen.because}`, { name });
      const changed = wasAvailable ? `${words.say("dialog.became_unavailable", { name })} ` : "";
      return { text: changed + text, tone: "waiting" };
    }
  }
}
