/**
 * Rules: which transfers an agent may make, decided from the directory's rows as the router decides. The cases are in
 * `protocol/vectors/rules.json`.
 */

/** @typedef {import("./objects.js").Agent} Agent */
/** @typedef {import("./objects.js").Department} Department */
/** @typedef {import("./objects.js").Rule} Rule */
/** @typedef {import("./objects.js").Session} Session */
/** @typedef {import("./objects.js").Target} Target */

/** @typedef {"departments" | "agents" | "status" | "capacity" | "hops" | "reason"} Because */

/**
 * Return the rule that counts for a session: its department's, else the tenant's; null where all is allowed.
 *
 * @param {Pick<Session, "department">} session
 * @param {{ departments: ReadonlyMap<string, Pick<Department, "rule">>, rule: Rule | null }} directory
 */
export function ruleOf({ department }, { departments, rule }) {
  const row = department === null ? undefined : departments.get(department);
  return row === undefined ? rule : row.rule;
}

/**
 * Return what of a rule a transfer does not keep, in the order in which the router names it. The router refuses it to an
 * agent with a `NotAllowedError`, `because` of the first; an admin or a back end may pass it over.
 *
 * @param {Rule | null} rule The rule that counts (`ruleOf`).
 * @param {Pick<Session, "department" | "hops" | "hopsFree">} session
 * @param {Target} target
 * @param {Pick<Agent, "role" | "departments" | "status" | "load" | "capacity"> | null} agent The target's row, null
 *   where it is a department.
 * @param {string | null} [reason] Why; none where it is empty.
 * @returns {Because[]}
 */
export function brokenBy(rule, session, target, agent, reason) {
  if (rule === null) return [];
  /** @type {Because[]} */
  const broken = [];
  const allows = (/** @type {string} */ id) => rule.departments === "any" || rule.departments.includes(id);
  if (agent === null) {
    if (!allows(target.id)) broken.push("departments");
  } else {
    if (rule.agents === "none" || (rule.agents === "members" && !agent.departments.some(allows)))
      broken.push("agents");
    if (!rule.statuses.includes(agent.status)) broken.push("status");
    if (!rule.at_capacity && agent.load >= agent.capacity) broken.push("capacity");
  }
  // Beyond the limit a session goes back to its department, or up to an admin.
  const isWayOut = agent === null ? target.id === session.department : agent.role === "admin";
  if (rule.hops_max > 0 && session.hops - session.hopsFree >= rule.hops_max && !isWayOut) broken.push("hops");
  if (rule.reason === "required" && !reason) broken.push("reason");
  return broken;
}
