/** The commands as methods of what they are about, the same over a websocket and over HTTP. */

import { asMap, InvalidDataError, shape } from "./decode.js";
import { InvalidReplyError } from "./errors.js";
import {
  agentPage,
  agentResult,
  departmentPage,
  departmentResult,
  departmentSettings,
  entryResult,
  explanation,
  historyPage,
  placeResult,
  sessionPage,
  sessionResult,
  transferPreview,
  transferResult,
} from "./objects.js";

/** @typedef {import("./objects.js").Agent} Agent */
/** @typedef {import("./objects.js").AgentRole} AgentRole */
/** @typedef {import("./objects.js").Customer} Customer */
/** @typedef {import("./objects.js").Department} Department */
/** @typedef {import("./objects.js").Entry} Entry */
/** @typedef {import("./objects.js").Explanation} Explanation */
/** @typedef {import("./objects.js").Session} Session */
/** @typedef {import("./objects.js").SessionState} SessionState */
/** @typedef {import("./objects.js").Status} Status */
/** @typedef {import("./objects.js").Target} Target */
/** @typedef {Readonly<Record<string, string | number | boolean>>} AttributesMap At most 4 KiB as JSON. */
/** @typedef {Readonly<Record<string, unknown>>} SettingsMap Settings by name. */

/**
 * What every command takes: `timeout`, when to give up, in milliseconds, instead of at the client's own default; `signal`,
 * which gives the command up when it is aborted (what was sent may still be applied).
 *
 * @typedef {{ timeout?: number, signal?: import("./platform.js").AbortSignalLike }} CallOptions
 */

/**
 * What a command that changes something takes too: `key`, an idempotency key of the caller's own. Where absent, each call
 * has a new one. Give one to make a change once over several calls, for instance after a restart in the middle of one.
 *
 * @typedef {CallOptions & { key?: string }} ChangeOptions
 */

/** @typedef {ChangeOptions & { fence?: number }} FencedOptions The session's fence as last seen; refused if it is another. */

/** @typedef {{ cursor?: string | null, limit?: number }} PageOptions `cursor` is that of the page before. */

/**
 * @typedef {{
 *   agentId?: string,
 *   departmentId?: string,
 *   customerId?: string,
 *   mine?: boolean,
 *   closedFromAt?: number,
 *   closedToAt?: number,
 *   sort?: "age" | "-age",
 * }} SessionFilter `mine`: those that the caller had in progress before; `closedFromAt`, `closedToAt`: those closed then,
 *   in milliseconds; `sort` `"-age"`: the newest first.
 */

/**
 * Send a command by its type, and return its result as it came.
 *
 * @typedef {(type: string, fields: Record<string, unknown>, options?: ChangeOptions) => Promise<Record<string, unknown>>} Send
 */

/** In the order in which sessions usually go on: one that does is not missed. @type {readonly SessionState[]} */
const OPEN_STATES = ["queued", "pending", "in_progress"];

const settingsResult = shape((map) => ({ settings: asMap(map.settings) }));

/**
 * The commands, by what they are about.
 *
 * Each method rejects with the typed error of the router's refusal, or with `CommandTimeoutError` when there was no final
 * answer in time. An argument that is undefined is not sent.
 */
export class CommandMethods {
  constructor() {
    /** @type {Send} */
    const send = (type, fields, options) => this.command(type, fields, options);
    this.sessions = new Sessions(send);
    this.agents = new Agents(send);
    this.departments = new Departments(send);
    this.settings = new Settings(send);
  }

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
}

/** Conversations: open, transfer, answer, close, read, list. */
export class Sessions {
  #send;

  /** @param {Send} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * Open a session and place it; without a target, as an admin, it is in progress with oneself.
   *
   * @param {string} sessionId
   * @param {Customer} customer
   * @param {Target} [target]
   * @param {ChangeOptions & { attributes?: AttributesMap }} [options] `attributes`: what is to be kept with it.
   * @returns {Promise<Session>}
   */
  async open(sessionId, customer, target, { attributes, key, timeout, signal } = {}) {
    const fields = {
      session_id: sessionId,
      customer: pick(customer, "id", "name"),
      target: wireTarget(target),
      attributes,
    };
    return this.#session("session.open", fields, { key, timeout, signal });
  }

  /**
   * Replace what is kept with a session: `attributes` as a whole, if they are given.
   *
   * @param {string} sessionId
   * @param {ChangeOptions & { attributes?: AttributesMap }} [options]
   * @returns {Promise<Session>}
   */
  async update(sessionId, { attributes, key, timeout, signal } = {}) {
    return this.#session("session.update", { session_id: sessionId, attributes }, { key, timeout, signal });
  }

  /**
   * Hand a session over to an agent or a department.
   *
   * @param {string} sessionId
   * @param {Target} target Where it is to go.
   * @param {FencedOptions & { reason?: string, force?: boolean }} [options] `reason`: why, up to 1,000 characters; the next
   *   agent reads it in the chat. `force`: in progress with a connected agent, whatever its status and capacity; for admins
   *   and back ends.
   * @returns {Promise<import("./objects.js").TransferResult>} `transfer.outcome` says whether it was assigned, went into a
   *   pending list or into a queue. Rejects with a `ConflictError` that names the present owner, if the session has moved;
   *   with a `NotAllowedError` that has alternatives, if a rule forbids it.
   */
  async transfer(sessionId, target, { reason, fence, force, key, timeout, signal } = {}) {
    const fields = {
      session_id: sessionId,
      target: wireTarget(target),
      reason,
      fence,
      force: force || undefined,
    };
    const result = await this.#send("session.transfer", fields, { key, timeout, signal });
    return decodeResult(transferResult, "session.transfer", result);
  }

  /**
   * Say what `transfer` would do now, and change nothing; rejects as it would.
   *
   * @param {string} sessionId
   * @param {Target} target
   * @param {CallOptions & { reason?: string, fence?: number }} [options]
   */
  async checkTransfer(sessionId, target, { reason, fence, timeout, signal } = {}) {
    const fields = { session_id: sessionId, target: wireTarget(target), reason, fence, check: true };
    const result = await this.#send("session.transfer", fields, { timeout, signal });
    return decodeResult(transferPreview, "session.transfer", result);
  }

  /**
   * Take a session from the own pending list, or from the queue of an own department.
   *
   * @param {string} sessionId
   * @param {FencedOptions} [options]
   * @returns {Promise<Session>}
   */
  async accept(sessionId, { fence, key, timeout, signal } = {}) {
    return this.#session("session.accept", { session_id: sessionId, fence }, { key, timeout, signal });
  }

  /**
   * Say that a person has opened a session in progress: it is answered, and does not move on by itself.
   *
   * @param {string} sessionId
   * @param {FencedOptions} [options]
   * @returns {Promise<Session>}
   */
  async answer(sessionId, { fence, key, timeout, signal } = {}) {
    return this.#session("session.answer", { session_id: sessionId, fence }, { key, timeout, signal });
  }

  /**
   * Give a session back that is pending with oneself, or not answered yet.
   *
   * @param {string} sessionId
   * @param {ChangeOptions & { reason?: string }} [options]
   * @returns {Promise<Session>}
   */
  async decline(sessionId, { reason, key, timeout, signal } = {}) {
    return this.#session("session.decline", { session_id: sessionId, reason }, { key, timeout, signal });
  }

  /**
   * Take back a transfer that was made, while it is not taken up.
   *
   * @param {string} sessionId
   * @param {ChangeOptions} [options]
   * @returns {Promise<Session>}
   */
  async recall(sessionId, { key, timeout, signal } = {}) {
    return this.#session("session.recall", { session_id: sessionId }, { key, timeout, signal });
  }

  /**
   * Add an internal entry to a session's history.
   *
   * @param {string} sessionId
   * @param {string} text
   * @param {ChangeOptions} [options]
   * @returns {Promise<Entry>}
   */
  async note(sessionId, text, { key, timeout, signal } = {}) {
    const fields = { session_id: sessionId, text };
    const result = await this.#send("session.note", fields, { key, timeout, signal });
    return decodeResult(entryResult, "session.note", result).entry;
  }

  /**
   * Close a session.
   *
   * @param {string} sessionId
   * @param {FencedOptions} [options]
   * @returns {Promise<Session>}
   */
  async close(sessionId, { fence, key, timeout, signal } = {}) {
    return this.#session("session.close", { session_id: sessionId, fence }, { key, timeout, signal });
  }

  /**
   * Return a session as it is now.
   *
   * @param {string} sessionId
   * @param {CallOptions} [options]
   * @returns {Promise<Session>}
   */
  async get(sessionId, { timeout, signal } = {}) {
    return this.#session("session.get", { session_id: sessionId }, { timeout, signal });
  }

  /**
   * Say why the router chose an owner of a session: for its owner, an admin or a back end. `seq`: the entry of the history
   * in which the choice stands, the last one unless given; `agentId`: an agent that was not chosen.
   *
   * @param {string} sessionId
   * @param {CallOptions & { seq?: number, agentId?: string }} [options]
   * @returns {Promise<Explanation>}
   */
  async explain(sessionId, { seq, agentId, timeout, signal } = {}) {
    const fields = { session_id: sessionId, seq, agent_id: agentId };
    const result = await this.#send("session.explain", fields, { timeout, signal });
    return decodeResult(explanation, "session.explain", result);
  }

  /**
   * Return where a queued session stands in its department's queue, from 1: for its sender, and for the department's
   * members.
   *
   * @param {string} sessionId
   * @param {CallOptions} [options]
   * @returns {Promise<number>}
   */
  async place(sessionId, { timeout, signal } = {}) {
    const result = await this.#send("session.place", { session_id: sessionId }, { timeout, signal });
    return decodeResult(placeResult, "session.place", result).place;
  }

  /**
   * Iterate over a session's history, page by page: from the first entry, or from the one after the `seq` `after`.
   *
   * @param {string} sessionId
   * @param {CallOptions & { after?: number }} [options]
   * @returns {AsyncGenerator<Entry, void, void>}
   */
  async *history(sessionId, { after, timeout, signal } = {}) {
    let more = true;
    while (more) {
      const page = await this.historyPage(sessionId, { after, timeout, signal });
      for (const line of page.entries) {
        yield line;
        after = line.seq;
      }
      // An empty page that promises more would be asked for again without end.
      more = page.more && page.entries.length > 0;
    }
  }

  /**
   * Return up to `limit` (1 to 500) entries of a history, those that follow the `seq` `after`.
   *
   * @param {string} sessionId
   * @param {CallOptions & { after?: number, limit?: number }} [options]
   * @returns {Promise<import("./objects.js").HistoryPage>}
   */
  async historyPage(sessionId, { after, limit, timeout, signal } = {}) {
    const fields = { session_id: sessionId, after, limit };
    const result = await this.#send("session.history", fields, { timeout, signal });
    return decodeResult(historyPage, "session.history", result);
  }

  /**
   * Iterate over sessions, each once, those longest in their present state first.
   *
   * @param {CallOptions & SessionFilter & { state?: SessionState | "open" | "any" }} [options] `state`: `"open"`, the
   *   default: all but closed ones, queued first, then pending, then in progress; `"any"`: closed ones too, which the router
   *   keeps for days. `agentId`: in progress with, or pending on, this agent; `departmentId`, `customerId`: of these.
   * @returns {AsyncGenerator<Session, void, void>}
   */
  async *list({ state = "open", timeout, signal, ...filter } = {}) {
    // The wire has no state "open". What is with an agent is never closed, so that one list has it.
    const every = state === "any" || (state === "open" && filter.agentId !== undefined);
    const states = every ? [undefined] : state === "open" ? OPEN_STATES : [state];
    const seen = new Set();
    for (const listed of states) {
      /** @type {string | null | undefined} */
      let cursor;
      do {
        /** @type {import("./objects.js").SessionPage} */
        const page = await this.listPage({
          state: /** @type {SessionState | undefined} */ (listed),
          ...filter,
          cursor,
          timeout,
          signal,
        });
        // One that changes its state meanwhile may be on a page of each.
        for (const session of page.sessions) if (!seen.has(session.id)) yield session;
        for (const { id } of page.sessions) seen.add(id);
        cursor = page.cursor;
      } while (cursor !== null);
    }
  }

  /**
   * Return one page of sessions, as the router lists them: where `state` is absent, closed ones too, and with `departmentId`
   * alone those that are queued there.
   *
   * @param {CallOptions & SessionFilter & PageOptions & { state?: SessionState }} [options]
   * @returns {Promise<import("./objects.js").SessionPage>}
   */
  async listPage({ state, cursor, limit, timeout, signal, ...filter } = {}) {
    const fields = {
      state,
      agent_id: filter.agentId,
      department_id: filter.departmentId,
      customer_id: filter.customerId,
      mine: filter.mine,
      closed_from_at: filter.closedFromAt,
      closed_to_at: filter.closedToAt,
      sort: filter.sort,
      cursor: cursor ?? undefined,
      limit,
    };
    const result = await this.#send("session.list", fields, { timeout, signal });
    return decodeResult(sessionPage, "session.list", result);
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} fields
   * @param {ChangeOptions} options
   */
  async #session(type, fields, options) {
    return decodeResult(sessionResult, type, await this.#send(type, fields, options)).session;
  }
}

/** Agents: their status, and their rows in the directory. */
export class Agents {
  #send;

  /** @param {Send} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * Choose a status: one's own, or as an admin that of `agentId`.
   *
   * @param {Status} status
   * @param {ChangeOptions & { agentId?: string, reason?: string, untilAt?: number }} [options] `reason`: why, up to 64
   *   characters; one of the tenant's `reasons` where it has any. `untilAt`: until when, in milliseconds of the epoch; nothing
   *   happens by itself then.
   * @returns {Promise<Agent>}
   */
  async setStatus(status, { agentId, reason, untilAt, key, timeout, signal } = {}) {
    const fields = { status, agent_id: agentId, reason, until_at: untilAt };
    return this.#agent("status.set", fields, { key, timeout, signal });
  }

  /**
   * Create an agent, or replace its name, role, departments and capacity.
   *
   * @param {string} agentId
   * @param {string} name
   * @param {ChangeOptions & { role?: AgentRole, departments?: readonly string[], capacity?: number }} [options]
   * @returns {Promise<Agent>}
   */
  async put(agentId, name, { role = "agent", departments = [], capacity = 10, key, timeout, signal } = {}) {
    const agent = { id: agentId, name, role, departments: [...departments], capacity };
    return this.#agent("agent.put", { agent }, { key, timeout, signal });
  }

  /**
   * Return an agent's row as it is now.
   *
   * @param {string} agentId
   * @param {CallOptions} [options]
   * @returns {Promise<Agent>}
   */
  async get(agentId, { timeout, signal } = {}) {
    return this.#agent("agent.get", { agent_id: agentId }, { timeout, signal });
  }

  /**
   * Iterate over all agents, page by page.
   *
   * @param {CallOptions} [options]
   * @returns {AsyncGenerator<Agent, void, void>}
   */
  async *list({ timeout, signal } = {}) {
    /** @type {string | null | undefined} */
    let cursor;
    do {
      /** @type {import("./objects.js").AgentPage} */
      const page = await this.listPage({ cursor, timeout, signal });
      yield* page.agents;
      cursor = page.cursor;
    } while (cursor !== null);
  }

  /**
   * Return one page of agents.
   *
   * @param {CallOptions & PageOptions} [options]
   * @returns {Promise<import("./objects.js").AgentPage>}
   */
  async listPage({ cursor, limit, timeout, signal } = {}) {
    const fields = { cursor: cursor ?? undefined, limit };
    return decodeResult(agentPage, "agent.list", await this.#send("agent.list", fields, { timeout, signal }));
  }

  /**
   * Remove an agent that has no sessions; its connections are closed.
   *
   * @param {string} agentId
   * @param {ChangeOptions} [options]
   */
  async remove(agentId, { key, timeout, signal } = {}) {
    await this.#send("agent.remove", { agent_id: agentId }, { key, timeout, signal });
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} fields
   * @param {ChangeOptions} options
   */
  async #agent(type, fields, options) {
    return decodeResult(agentResult, type, await this.#send(type, fields, options)).agent;
  }
}

/** Departments: their rows in the directory, and their settings. */
export class Departments {
  #send;

  /** @param {Send} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * Create a department, or rename it.
   *
   * @param {string} departmentId
   * @param {string} name
   * @param {ChangeOptions & { settings?: SettingsMap }} [options] `settings`: its own settings to change; null puts one back
   *   to the tenant's.
   * @returns {Promise<Department>}
   */
  async put(departmentId, name, { settings, key, timeout, signal } = {}) {
    const department = present({ id: departmentId, name, settings });
    const result = await this.#send("department.put", { department }, { key, timeout, signal });
    return decodeResult(departmentResult, "department.put", result).department;
  }

  /**
   * Return a department's row, its own settings, and those in effect.
   *
   * @param {string} departmentId
   * @param {CallOptions} [options]
   */
  async get(departmentId, { timeout, signal } = {}) {
    const result = await this.#send("department.get", { department_id: departmentId }, { timeout, signal });
    return decodeResult(departmentSettings, "department.get", result);
  }

  /**
   * Iterate over all departments, page by page.
   *
   * @param {CallOptions} [options]
   * @returns {AsyncGenerator<Department, void, void>}
   */
  async *list({ timeout, signal } = {}) {
    /** @type {string | null | undefined} */
    let cursor;
    do {
      /** @type {import("./objects.js").DepartmentPage} */
      const page = await this.listPage({ cursor, timeout, signal });
      yield* page.departments;
      cursor = page.cursor;
    } while (cursor !== null);
  }

  /**
   * Return one page of departments.
   *
   * @param {CallOptions & PageOptions} [options]
   * @returns {Promise<import("./objects.js").DepartmentPage>}
   */
  async listPage({ cursor, limit, timeout, signal } = {}) {
    const fields = { cursor: cursor ?? undefined, limit };
    const result = await this.#send("department.list", fields, { timeout, signal });
    return decodeResult(departmentPage, "department.list", result);
  }

  /**
   * Remove a department that has no sessions.
   *
   * @param {string} departmentId
   * @param {ChangeOptions} [options]
   */
  async remove(departmentId, { key, timeout, signal } = {}) {
    await this.#send("department.remove", { department_id: departmentId }, { key, timeout, signal });
  }
}

/** The tenant's settings, by name. */
export class Settings {
  #send;

  /** @param {Send} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * Return the settings that the tenant has set.
   *
   * @param {CallOptions} [options]
   * @returns {Promise<SettingsMap>}
   */
  async get({ timeout, signal } = {}) {
    const result = await this.#send("settings.get", {}, { timeout, signal });
    return decodeResult(settingsResult, "settings.get", result).settings;
  }

  /**
   * Change the settings that `settings` names; null puts one back to its default.
   *
   * @param {SettingsMap} settings
   * @param {ChangeOptions} [options]
   * @returns {Promise<SettingsMap>}
   */
  async put(settings, { key, timeout, signal } = {}) {
    const result = await this.#send("settings.put", { settings }, { key, timeout, signal });
    return decodeResult(settingsResult, "settings.put", result).settings;
  }
}

/**
 * @template T
 * @param {import("./decode.js").Decoder<T>} decode
 * @param {string} type
 * @param {Record<string, unknown>} result
 */
function decodeResult(decode, type, result) {
  try {
    return decode(result);
  } catch (cause) {
    if (cause instanceof InvalidDataError)
      throw new InvalidReplyError(`${type}: ${cause.message}`, { cause });
    throw cause;
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
