/** The commands as methods, the same over a websocket and over HTTP. */

import { InvalidDataError, asMap, shape } from "./decode.js";
import { InvalidReplyError } from "./errors.js";
import {
  agentPage,
  agentResult,
  department,
  departmentPage,
  departmentSettings,
  entry,
  historyPage,
  placeResult,
  sessionPage,
  sessionResult,
  transferResult,
} from "./objects.js";

/** @typedef {import("./objects.js").Agent} Agent */
/** @typedef {import("./objects.js").AgentPage} AgentPage */
/** @typedef {import("./objects.js").AgentRole} AgentRole */
/** @typedef {import("./objects.js").Customer} Customer */
/** @typedef {import("./objects.js").Department} Department */
/** @typedef {import("./objects.js").DepartmentPage} DepartmentPage */
/** @typedef {import("./objects.js").DepartmentSettings} DepartmentSettings */
/** @typedef {import("./objects.js").Entry} Entry */
/** @typedef {import("./objects.js").HistoryPage} HistoryPage */
/** @typedef {import("./objects.js").Session} Session */
/** @typedef {import("./objects.js").SessionPage} SessionPage */
/** @typedef {import("./objects.js").SessionState} SessionState */
/** @typedef {import("./objects.js").Settings} Settings */
/** @typedef {import("./objects.js").Status} Status */
/** @typedef {import("./objects.js").Target} Target */
/** @typedef {import("./objects.js").TransferResult} TransferResult */

/**
 * What every command takes.
 *
 * @typedef {object} ReadOptions
 * @property {number} [timeoutMs] When to give up, instead of at the client's own default.
 * @property {import("./platform.js").AbortSignalLike} [signal] Gives the command up when it is aborted; what
 *   was sent may still be applied.
 */

/**
 * What a command that changes something takes too: an idempotency key of the caller's own. Where absent, each
 * call has a new one. Give one to make a change once over several calls, for instance after a restart in the
 * middle of one.
 *
 * @typedef {ReadOptions & { key?: string }} ChangeOptions
 */

/** @typedef {{ fence?: number }} Fenced The session's fence as last seen; refused if it is another by now. */

/** @typedef {{ role?: AgentRole, departments?: readonly string[], capacity?: number }} AgentProfile */

/** @typedef {{ state?: SessionState, agentId?: string, departmentId?: string }} SessionFilter */

const departmentResult = shape((map) => ({ department: department(map.department) }));
const settingsResult = shape((map) => ({ settings: asMap(map.settings) }));
const entryResult = shape((map) => ({ entry: entry(map.entry) }));

/**
 * The commands that need no connection of their own.
 *
 * Each method rejects with the typed error of the router's refusal, or with `CommandTimeoutError` when there was
 * no final answer in time. An argument that is undefined is not sent.
 */
export class CommandMethods {
  /**
   * Send a command by its type, and return its result as it came.
   *
   * @param {string} type Such as `session.transfer`.
   * @param {Record<string, unknown>} _fields The command's fields as on the wire, without type, id and key.
   * @param {ChangeOptions} [_options]
   * @returns {Promise<Record<string, unknown>>}
   */
  async command(type, _fields, _options) {
    throw new TypeError(`${type} cannot be sent: command() is not overridden`);
  }

  /**
   * Choose a status: one's own, or as an admin that of `agentId`.
   *
   * @param {Status} status
   * @param {ChangeOptions & { agentId?: string }} [options]
   * @returns {Promise<Agent>}
   */
  async setStatus(status, { agentId, ...options } = {}) {
    return (await this.#result(agentResult, "status.set", { status, agent_id: agentId }, options)).agent;
  }

  /**
   * Open a session and place it; without a target, as an admin, it is in progress with oneself.
   *
   * @param {string} sessionId
   * @param {Customer} customer
   * @param {Target} [target]
   * @param {ChangeOptions} [options]
   * @returns {Promise<Session>}
   */
  async openSession(sessionId, customer, target, options) {
    const fields = {
      session_id: sessionId,
      customer: pick(customer, "id", "name"),
      target: wireTarget(target),
    };
    return (await this.#result(sessionResult, "session.open", fields, options)).session;
  }

  /**
   * Hand a session over to an agent or a department.
   *
   * @param {string} sessionId
   * @param {Target} target Where it is to go.
   * @param {string} [reason] Why, up to 1,000 characters; the next agent reads it in the chat.
   * @param {ChangeOptions & Fenced} [options]
   * @returns {Promise<TransferResult>} `transfer.outcome` says whether it was assigned, went into a pending
   *   list or into a queue. Rejects with a `ConflictError` that names the present owner, if the session has moved.
   */
  async transfer(sessionId, target, reason, { fence, ...options } = {}) {
    const fields = { session_id: sessionId, target: wireTarget(target), reason, fence };
    return this.#result(transferResult, "session.transfer", fields, options);
  }

  /**
   * Say that a person has opened a session in progress: until then it may be recalled and declined.
   *
   * @param {string} sessionId
   * @param {ChangeOptions & Fenced} [options]
   * @returns {Promise<Session>}
   */
  async answer(sessionId, { fence, ...options } = {}) {
    return (await this.#result(sessionResult, "session.answer", { session_id: sessionId, fence }, options))
      .session;
  }

  /**
   * Take a session from the own pending list, or from the queue of an own department.
   *
   * @param {string} sessionId
   * @param {ChangeOptions & Fenced} [options]
   * @returns {Promise<Session>}
   */
  async accept(sessionId, { fence, ...options } = {}) {
    return (await this.#result(sessionResult, "session.accept", { session_id: sessionId, fence }, options))
      .session;
  }

  /**
   * Give a session of the own pending list back.
   *
   * @param {string} sessionId
   * @param {string} [reason]
   * @param {ChangeOptions} [options]
   * @returns {Promise<Session>}
   */
  async decline(sessionId, reason, options) {
    return (await this.#result(sessionResult, "session.decline", { session_id: sessionId, reason }, options))
      .session;
  }

  /**
   * Take back a transfer that was made, while it is pending or queued.
   *
   * @param {string} sessionId
   * @param {ChangeOptions} [options]
   * @returns {Promise<Session>}
   */
  async recall(sessionId, options) {
    return (await this.#result(sessionResult, "session.recall", { session_id: sessionId }, options)).session;
  }

  /**
   * Add an internal entry to a session's history.
   *
   * @param {string} sessionId
   * @param {string} text
   * @param {ChangeOptions} [options]
   * @returns {Promise<Entry>}
   */
  async note(sessionId, text, options) {
    return (await this.#result(entryResult, "session.note", { session_id: sessionId, text }, options)).entry;
  }

  /**
   * Close a session.
   *
   * @param {string} sessionId
   * @param {ChangeOptions & Fenced} [options]
   * @returns {Promise<Session>}
   */
  async closeSession(sessionId, { fence, ...options } = {}) {
    return (await this.#result(sessionResult, "session.close", { session_id: sessionId, fence }, options))
      .session;
  }

  /**
   * Return where a queued session stands in its department's queue, from 1: for its sender, and for the
   * department's members.
   *
   * @param {string} sessionId
   * @param {ReadOptions} [options]
   * @returns {Promise<number>}
   */
  async placeInQueue(sessionId, options) {
    return (await this.#result(placeResult, "session.place", { session_id: sessionId }, options)).place;
  }

  /**
   * Return a session as it is now.
   *
   * @param {string} sessionId
   * @param {ReadOptions} [options]
   * @returns {Promise<Session>}
   */
  async getSession(sessionId, options) {
    return (await this.#result(sessionResult, "session.get", { session_id: sessionId }, options)).session;
  }

  /**
   * Return up to `limit` (1 to 500) entries of a history, those that follow the `seq` `after`.
   *
   * @param {string} sessionId
   * @param {ReadOptions & { after?: number, limit?: number }} [options]
   * @returns {Promise<HistoryPage>}
   */
  async history(sessionId, { after, limit, ...options } = {}) {
    return this.#result(historyPage, "session.history", { session_id: sessionId, after, limit }, options);
  }

  /**
   * Iterate over a session's whole history, page by page.
   *
   * @param {string} sessionId
   * @param {ReadOptions & { after?: number }} [options]
   * @returns {AsyncGenerator<Entry, void, void>}
   */
  async *historyEntries(sessionId, { after, ...options } = {}) {
    let more = true;
    while (more) {
      const page = await this.history(sessionId, { after, ...options });
      for (const line of page.entries) {
        yield line;
        after = line.seq;
      }
      // An empty page that promises more would be asked for again without end.
      more = page.more && page.entries.length > 0;
    }
  }

  /**
   * Return a page of sessions, those longest in their present state first.
   *
   * @param {ReadOptions & SessionFilter & { cursor?: string | null, limit?: number }} [options] `agentId`: in
   *   progress with, or pending on, this agent; `departmentId`: queued there; `cursor`: of the page before.
   * @returns {Promise<SessionPage>}
   */
  async listSessions({ state, agentId, departmentId, cursor, limit, ...options } = {}) {
    const fields = {
      state,
      agent_id: agentId,
      department_id: departmentId,
      cursor: cursor ?? undefined,
      limit,
    };
    return this.#result(sessionPage, "session.list", fields, options);
  }

  /**
   * Iterate over all sessions that `listSessions` gives, page by page.
   *
   * @param {ReadOptions & SessionFilter} [options]
   * @returns {AsyncGenerator<Session, void, void>}
   */
  async *sessions(options = {}) {
    /** @type {string | null | undefined} */
    let cursor;
    do {
      /** @type {SessionPage} */
      const page = await this.listSessions({ ...options, cursor });
      yield* page.sessions;
      cursor = page.cursor;
    } while (cursor !== null);
  }

  /**
   * Create an agent, or replace its name, role, departments and capacity.
   *
   * @param {string} agentId
   * @param {string} name
   * @param {ChangeOptions & AgentProfile} [options]
   * @returns {Promise<Agent>}
   */
  async putAgent(agentId, name, { role = "agent", departments = [], capacity = 10, ...options } = {}) {
    const profile = { id: agentId, name, role, departments: [...departments], capacity };
    return (await this.#result(agentResult, "agent.put", { agent: profile }, options)).agent;
  }

  /**
   * Remove an agent that has no sessions; its connections are closed.
   *
   * @param {string} agentId
   * @param {ChangeOptions} [options]
   */
  async removeAgent(agentId, options) {
    await this.command("agent.remove", { agent_id: agentId }, options);
  }

  /**
   * Return an agent's row as it is now.
   *
   * @param {string} agentId
   * @param {ReadOptions} [options]
   * @returns {Promise<Agent>}
   */
  async getAgent(agentId, options) {
    return (await this.#result(agentResult, "agent.get", { agent_id: agentId }, options)).agent;
  }

  /**
   * Return a page of agents; `cursor` is of the page before.
   *
   * @param {ReadOptions & { cursor?: string, limit?: number }} [options]
   * @returns {Promise<AgentPage>}
   */
  async listAgents({ cursor, limit, ...options } = {}) {
    return this.#result(agentPage, "agent.list", { cursor, limit }, options);
  }

  /**
   * Create a department, or rename it, and change its settings as `putSettings` does.
   *
   * @param {string} departmentId
   * @param {string} name
   * @param {ChangeOptions & { settings?: Settings }} [options]
   * @returns {Promise<Department>}
   */
  async putDepartment(departmentId, name, { settings, ...options } = {}) {
    const fields = { department: present({ id: departmentId, name, settings }) };
    return (await this.#result(departmentResult, "department.put", fields, options)).department;
  }

  /**
   * Return a department, its own settings, and those that hold in it.
   *
   * @param {string} departmentId
   * @param {ReadOptions} [options]
   * @returns {Promise<DepartmentSettings>}
   */
  async getDepartment(departmentId, options) {
    return this.#result(departmentSettings, "department.get", { department_id: departmentId }, options);
  }

  /**
   * Return a page of departments; `cursor` is of the page before.
   *
   * @param {ReadOptions & { cursor?: string, limit?: number }} [options]
   * @returns {Promise<DepartmentPage>}
   */
  async listDepartments({ cursor, limit, ...options } = {}) {
    return this.#result(departmentPage, "department.list", { cursor, limit }, options);
  }

  /**
   * Return the tenant's settings.
   *
   * @param {ReadOptions} [options]
   * @returns {Promise<Settings>}
   */
  async getSettings(options) {
    return (await this.#result(settingsResult, "settings.get", {}, options)).settings;
  }

  /**
   * Change the settings that are named, and return all; null puts one back to its default.
   *
   * @param {Settings} settings
   * @param {ChangeOptions} [options]
   * @returns {Promise<Settings>}
   */
  async putSettings(settings, options) {
    return (await this.#result(settingsResult, "settings.put", { settings }, options)).settings;
  }

  /**
   * Remove a department that has no sessions.
   *
   * @param {string} departmentId
   * @param {ChangeOptions} [options]
   */
  async removeDepartment(departmentId, options) {
    await this.command("department.remove", { department_id: departmentId }, options);
  }

  /**
   * @template T
   * @param {import("./decode.js").Decoder<T>} decode
   * @param {string} type
   * @param {Record<string, unknown>} fields
   * @param {ChangeOptions} [options]
   */
  async #result(decode, type, fields, options) {
    const result = await this.command(type, fields, options);
    try {
      return decode(result);
    } catch (cause) {
      if (cause instanceof InvalidDataError)
        throw new InvalidReplyError(`${type}: ${cause.message}`, { cause });
      throw cause;
    }
  }
}

/**
 * Return a command's fields without those that are undefined.
 *
 * @param {Record<string, unknown>} fields
 */
export function present(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** @param {Target | undefined} target */
function wireTarget(target) {
  return target === undefined ? undefined : pick(target, "kind", "id");
}

/**
 * Copy what the protocol knows: a whole row of the directory may be given as a customer or a target.
 *
 * @template {object} T
 * @template {keyof T} K
 * @param {T} from
 * @param {K[]} names
 */
function pick(from, ...names) {
  return Object.fromEntries(names.map((name) => [name, from[name]]));
}
