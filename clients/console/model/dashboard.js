/** The admin's dashboard: every open conversation, the waiting ones, and the agents. */

import { hasTerms, isNewer, searchTerms } from "../../js/src/index.js";
import { Samples } from "./samples.js";

/** @typedef {import("../../js/src/index.js").Session} Session */
/** @typedef {import("../../js/src/index.js").SessionState} SessionState */
/** @typedef {import("../../js/src/index.js").Status} Status */
/** @typedef {import("./connection.js").Connection} Connection */

/**
 * @typedef {object} Filter Empty texts let everything pass.
 * @property {string} text A part of a customer's, agent's or department's name, or of an id.
 * @property {SessionState | ""} state
 * @property {string} agentId
 * @property {string} departmentId Queued there, or with one of its members.
 */

/**
 * @typedef {object} Totals
 * @property {number} inProgress
 * @property {number} pending
 * @property {number} queued
 * @property {number | null} oldestAt Since when the longest waiting conversation waits.
 * @property {number} available
 * @property {number} present Agents that are not disconnected.
 * @property {number} busy Agents with a conversation in progress.
 */

/** @typedef {{ count: number, oldestAt: number }} Waiting */

/** @type {readonly SessionState[]} */
const OPEN_STATES = ["in_progress", "pending", "queued"];
const PAGE_SESSIONS = 500;
const SAMPLE_MS = 5_000;
const RETRY_MS = 3_000;

/**
 * Return whether a conversation is pending or queued with the target of its latest transfer, and so can be recalled.
 * A declined or recalled one is back with its former owner.
 *
 * @param {Session} session
 */
export function canRecall({ state, owner, transfer }) {
  if (transfer === null || owner === null || transfer.outcome === "assigned" || state === "in_progress")
    return false;
  return owner.kind === transfer.to.kind && owner.id === transfer.to.id;
}

/** Emits `change`. */
export class Dashboard extends EventTarget {
  connection;
  /** Open ones by id. @type {Map<string, Session>} */
  sessions = new Map();
  /** Whether `sessions` is complete. */
  complete = false;
  samples = new Samples();
  /** When each closed session was opened: a listing in progress may still contain it. @type {Map<string, number>} */
  #closed = new Map();
  /** Sessions that changed since the listing in progress began. @type {Set<string> | null} */
  #changedIds = null;
  #ends;
  #listing = 0;
  #timer;

  /** @param {Connection} connection */
  constructor(connection) {
    super();
    this.connection = connection;
    const { client } = connection;
    this.#ends = [
      client.on("connected", () => void this.#reload()),
      client.on("sessionChanged", ({ session }) => this.#onSessionChanged(session)),
      client.on("directoryChanged", () => this.dispatchEvent(new Event("change"))),
    ];
    this.#timer = setInterval(() => this.#addSample(), SAMPLE_MS);
    if (client.state === "connected") void this.#reload();
  }

  end() {
    clearInterval(this.#timer);
    this.#listing += 1;
    for (const end of this.#ends) end();
  }

  get directory() {
    return this.connection.client.directory;
  }

  /** @returns {Totals} */
  totals() {
    const totals = { inProgress: 0, pending: 0, queued: 0, available: 0, present: 0 };
    const busy = new Set();
    let oldestAt = Infinity;
    for (const { state, owner, updatedAt } of this.sessions.values()) {
      if (state === "in_progress") {
        totals.inProgress += 1;
        busy.add(owner?.id);
      } else if (state === "pending" || state === "queued") {
        totals[state] += 1;
        oldestAt = Math.min(oldestAt, updatedAt);
      }
    }
    for (const agent of this.directory.agents.values()) {
      if (agent.status !== "disconnected") totals.present += 1;
      if (agent.available) totals.available += 1;
    }
    return { ...totals, busy: busy.size, oldestAt: oldestAt === Infinity ? null : oldestAt };
  }

  /**
   * Return the waiting conversations: pending by agent, queued by department, each with the oldest.
   *
   * @returns {{ pending: Map<string, Waiting>, queues: Map<string, Waiting> }}
   */
  waiting() {
    /** @type {Map<string, Waiting>} */
    const pending = new Map();
    /** @type {Map<string, Waiting>} */
    const queues = new Map();
    for (const { state, owner, updatedAt } of this.sessions.values()) {
      if (owner === null || (state !== "pending" && state !== "queued")) continue;
      const lists = state === "pending" ? pending : queues;
      const { count, oldestAt } = lists.get(owner.id) ?? { count: 0, oldestAt: Infinity };
      lists.set(owner.id, { count: count + 1, oldestAt: Math.min(oldestAt, updatedAt) });
    }
    return { pending, queues };
  }

  /**
   * Return the conversations that pass a filter: waiting ones first, then the longest in their state first.
   *
   * @param {Filter} filter
   */
  matching({ text, state, agentId, departmentId }) {
    const { agents, departments } = this.directory;
    const terms = searchTerms(text);
    const found = [];
    for (const session of this.sessions.values()) {
      const { owner, customer } = session;
      const agent = owner?.kind === "agent" ? agents.get(owner.id) : undefined;
      const department = owner?.kind === "department" ? departments.get(owner.id) : undefined;
      if (state !== "" && session.state !== state) continue;
      if (agentId !== "" && !(owner?.kind === "agent" && owner.id === agentId)) continue;
      const home = department?.id === departmentId || agent?.departments.includes(departmentId);
      if (departmentId !== "" && !home) continue;
      const names = [customer.name, agent?.name ?? department?.name ?? "", session.id, customer.id];
      if (!hasTerms(terms, names)) continue;
      found.push(session);
    }
    return found.sort(
      (one, other) =>
        Number(one.state === "in_progress") - Number(other.state === "in_progress") ||
        one.updatedAt - other.updatedAt ||
        (one.id < other.id ? -1 : 1),
    );
  }

  /** @param {Session} session */
  async recall(session) {
    const changed = await this.connection.track((client) => client.sessions.recall(session.id));
    this.#onSessionChanged(changed);
  }

  /** @param {string} agentId @param {Status} status */
  async setStatus(agentId, status) {
    await this.connection.track((client) => client.agents.setStatus(status, { agentId }));
  }

  /** Watch first, then list, and keep the newest version of each session. */
  async #reload() {
    const listing = (this.#listing += 1);
    this.#changedIds = new Set();
    const { client } = this.connection;
    try {
      await client.sessions.watch();
      const listed = new Set();
      for (const state of OPEN_STATES) {
        /** @type {string | null | undefined} */
        let cursor;
        do {
          const page = await client.sessions.listPage({ state, cursor, limit: PAGE_SESSIONS });
          if (listing !== this.#listing) return;
          for (const session of page.sessions) {
            listed.add(session.id);
            this.#store(session);
          }
          cursor = page.cursor;
          this.dispatchEvent(new Event("change"));
        } while (cursor !== null);
      }
      // A session that changed its state meanwhile may be on no page: it came as a push.
      for (const id of this.sessions.keys()) {
        if (!listed.has(id) && !this.#changedIds.has(id)) this.sessions.delete(id);
      }
      this.#closed.clear();
      this.#changedIds = null;
      this.complete = true;
      this.#addSample();
      this.dispatchEvent(new Event("change"));
    } catch {
      // After a lost connection `connected` lists again; after any other error this timer does.
      if (client.state === "stopped") return;
      setTimeout(
        () => listing === this.#listing && client.state === "connected" && void this.#reload(),
        RETRY_MS,
      );
    }
  }

  /** @param {Session} session */
  #onSessionChanged(session) {
    this.#changedIds?.add(session.id);
    this.#store(session);
    const { transfer } = session;
    if (transfer !== null && transfer.at >= session.updatedAt)
      this.samples.addTransfer(transfer.id, transfer.at);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Session} session */
  #store(session) {
    const known = this.sessions.get(session.id);
    if (known !== undefined && isNewer(known, session)) return;
    if (session.state === "closed") {
      this.sessions.delete(session.id);
      if (this.#changedIds !== null) this.#closed.set(session.id, session.openedAt);
    } else if ((this.#closed.get(session.id) ?? -1) < session.openedAt) {
      this.sessions.set(session.id, session);
    }
  }

  #addSample() {
    const { pending, queued, inProgress, available } = this.totals();
    if (this.complete && this.connection.live) {
      this.samples.add(this.connection.now(), { waiting: pending + queued, inProgress, available });
    }
  }
}
