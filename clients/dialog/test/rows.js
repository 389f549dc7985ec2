/** Rows of a directory for tests. */

/**
 * @param {string} id
 * @param {Partial<import("../../js/src/objects.js").Agent>} facts
 * @returns {import("../../js/src/objects.js").Agent}
 */
export function agent(id, facts = {}) {
  const status = facts.status ?? "connected";
  const { load = 0, capacity = 10 } = facts;
  return {
    id,
    name: id,
    role: "agent",
    departments: [],
    status,
    statusSinceAt: 0,
    load,
    capacity,
    pending: 0,
    available: status === "connected" && load < capacity,
    ...facts,
  };
}

/**
 * @param {string} id
 * @param {Partial<import("../../js/src/objects.js").Department>} facts
 * @returns {import("../../js/src/objects.js").Department}
 */
export function department(id, facts = {}) {
  return { id, name: id, agents: 0, available: 0, queued: 0, rule: null, ...facts };
}

/**
 * @param {{ agents?: any[], departments?: any[] }} rows
 */
export function directory({ agents = [], departments = [] }) {
  const byId = (/** @type {any[]} */ rows) => new Map(rows.map((row) => [row.id, row]));
  return { agents: byId(agents), departments: byId(departments) };
}

/**
 * @param {Partial<import("../../js/src/objects.js").Session>} facts
 * @returns {import("../../js/src/objects.js").Session}
 */
export function session(facts = {}) {
  return {
    id: "s",
    customer: { id: "c", name: "Lucía" },
    state: "in_progress",
    owner: { kind: "agent", id: "ana" },
    fence: 2,
    hops: 1,
    openedAt: 0,
    updatedAt: 0,
    transfer: null,
    department: null,
    hopsFree: 0,
    ...facts,
  };
}

/**
 * @param {Partial<import("../../js/src/objects.js").Transfer>} facts
 * @returns {import("../../js/src/objects.js").Transfer}
 */
export function transfer(facts = {}) {
  return {
    id: "t",
    sessionId: "s",
    from: { kind: "agent", id: "me", name: "Me" },
    to: { kind: "agent", id: "ana", name: "Ana" },
    by: { id: "me", name: "Me", role: "agent" },
    reason: null,
    outcome: "assigned",
    assignedTo: null,
    at: 0,
    ...facts,
  };
}
