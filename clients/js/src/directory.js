/** The live directory: the patch chain, and the order of the transfer dialog. */

import { hasTerms, orderKey, searchTerms } from "./names.js";

/** @typedef {import("./objects.js").Agent} Agent */
/** @typedef {import("./objects.js").Department} Department */
/** @typedef {import("./objects.js").Snapshot} Snapshot */
/** @typedef {import("./objects.js").Patch} Patch */
/** @typedef {import("./events.js").DirectoryChanged} DirectoryChanged */

/** Order keys of rows: a sort compares each row many times. @type {WeakMap<Agent | Department, string>} */
const orderKeys = new WeakMap();

/** @type {Readonly<Record<string, number>>} */
const BEHIND_CONNECTED = { pre_pause: 2, pause: 3, disconnected: 4 };

/**
 * The tenant's agents and departments: a replica of the router's directory.
 *
 * While `live` is false (not subscribed, or disconnected) the rows may be out of date. `agents` and `departments`
 * change with it: copy them for a loop that awaits. The ordered lists are copies.
 */
export class Directory {
  /** @type {Map<string, Agent>} */
  #agents = new Map();
  /** @type {Map<string, Department>} */
  #departments = new Map();
  /** @type {{ epoch: string, seq: number } | null} */
  #position = null;
  #live = false;
  /** @type {import("./objects.js").Rule | null} */
  #rule = null;

  /** The tenant's rule, for sessions without a department; null where all is allowed. */
  get rule() {
    return this.#rule;
  }

  /** Agents by id. @returns {ReadonlyMap<string, Agent>} */
  get agents() {
    return this.#agents;
  }

  /** Departments by id. @returns {ReadonlyMap<string, Department>} */
  get departments() {
    return this.#departments;
  }

  /** The unbroken run of changes that `seq` counts in, null before the first snapshot. */
  get epoch() {
    return this.#position?.epoch ?? null;
  }

  /** The last change that the rows contain, null before the first snapshot. */
  get seq() {
    return this.#position?.seq ?? null;
  }

  /** Whether changes arrive as they happen. */
  get live() {
    return this.#live;
  }

  /** Where to resume from, null before the first snapshot. */
  get position() {
    return this.#position;
  }

  /**
   * Return the agents in the order of `compareAgents`.
   *
   * @param {string} search Only agents with each of its words in their name, their id or a department's name.
   */
  agentsByReadiness(search = "") {
    const terms = searchTerms(search);
    return [...this.#agents.values()]
      .filter((row) => hasTerms(terms, this.#textsOf(row)))
      .sort(compareAgents);
  }

  /**
   * Return the departments in the order of `compareDepartments`.
   *
   * @param {string} search Only departments with each of its words in their name or id.
   */
  departmentsByReadiness(search = "") {
    const terms = searchTerms(search);
    return [...this.#departments.values()]
      .filter(({ name, id }) => hasTerms(terms, [name, id]))
      .sort(compareDepartments);
  }

  /** @param {Agent} agent */
  #textsOf({ name, id, departments }) {
    return [name, id, ...departments.map((home) => this.#departments.get(home)?.name ?? "")];
  }

  /**
   * Replace all rows by a snapshot.
   *
   * @param {Snapshot} snapshot
   * @returns {DirectoryChanged}
   */
  replace({ epoch, seq, agents, departments, rule }) {
    this.#agents = new Map();
    this.#departments = new Map();
    for (const row of agents) this.#agents.set(row.id, row);
    for (const row of departments) this.#departments.set(row.id, row);
    this.#position = { epoch, seq };
    this.#live = true;
    this.#rule = rule;
    const removed = { agentsRemoved: [], departmentsRemoved: [] };
    return { type: "directoryChanged", agents, departments, ...removed, snapshot: true };
  }

  /**
   * Apply a patch that continues this directory.
   *
   * @param {Patch} patch
   * @returns {DirectoryChanged | null} What changed, or null if the patch starts anywhere but at this
   *   directory's position; nothing is applied then, and the rows are not live until a resumed subscription
   *   has filled the gap.
   */
  apply({ epoch, since, seq, agents, departments, agentsRemoved, departmentsRemoved, rule }) {
    if (this.#position?.epoch !== epoch || this.#position.seq !== since) {
      this.#live = false;
      return null;
    }
    // Removed rows first: an id that is removed and put again within one window comes back as a whole row.
    for (const id of agentsRemoved) this.#agents.delete(id);
    for (const id of departmentsRemoved) this.#departments.delete(id);
    for (const row of agents) this.#agents.set(row.id, row);
    for (const row of departments) this.#departments.set(row.id, row);
    this.#position = { epoch, seq };
    this.#live = true;
    if (rule !== null) this.#rule = rule;
    return {
      type: "directoryChanged",
      agents,
      departments,
      agentsRemoved,
      departmentsRemoved,
      snapshot: false,
    };
  }

  /** Note that changes arrive no more; the rows and the position stay. */
  cut() {
    this.#live = false;
  }

  /** Give up the position, so that the next subscription asks for a snapshot. */
  forgetPosition() {
    this.#position = null;
  }
}

/**
 * Order agents as a transfer dialog does: available first, the least loaded (load/capacity) before others,
 * then those at capacity, on pre-pause, on pause and disconnected; by name within each.
 *
 * @param {Agent} one
 * @param {Agent} other
 */
export function compareAgents(one, other) {
  const group = readiness(one);
  return (
    group - readiness(other) ||
    (group === 0 ? loadRatio(one) - loadRatio(other) : 0) ||
    compareTexts(orderKeyOf(one), orderKeyOf(other)) ||
    compareTexts(one.id, other.id)
  );
}

/**
 * Order departments: those with an available agent first, by name within each.
 *
 * @param {Department} one
 * @param {Department} other
 */
export function compareDepartments(one, other) {
  return (
    Number(one.available === 0) - Number(other.available === 0) ||
    compareTexts(orderKeyOf(one), orderKeyOf(other)) ||
    compareTexts(one.id, other.id)
  );
}

/** @param {Agent | Department} row */
function orderKeyOf(row) {
  let key = orderKeys.get(row);
  if (key === undefined) {
    key = orderKey(row.name);
    orderKeys.set(row, key);
  }
  return key;
}

/** @param {Agent} agent */
function readiness(agent) {
  return agent.available ? 0 : (BEHIND_CONNECTED[agent.status] ?? 1);
}

/** @param {Agent} agent */
function loadRatio(agent) {
  // An available agent has capacity; one that has none in spite of that comes last, and compares as a number.
  return agent.capacity > 0 ? agent.load / agent.capacity : Number.MAX_VALUE;
}

/**
 * @param {string} one
 * @param {string} other
 */
function compareTexts(one, other) {
  return one < other ? -1 : Number(one > other);
}
