/** A router process, clients without a browser, and commands of a back end. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { WebSocket } from "ws";
import { Client } from "../../../clients/js/src/index.js";
import { makeToken, RouterProcess } from "../../../clients/js/test/support/router-process.js";

/**
 * @typedef {object} Person
 * @property {string} id
 * @property {string} [name]
 * @property {"agent" | "admin" | "service"} [role]
 * @property {string[]} [departments]
 * @property {number} [capacity]
 */

export class Router extends RouterProcess {
  /** @type {Client[]} */
  #clients = [];

  /**
   * Start a router on a free port.
   *
   * @param {readonly string[]} origins Origins whose pages may connect, besides the router's own.
   * @param {Readonly<Record<string, string>>} settings As environment variables.
   */
  static async start(origins = [], settings = {}) {
    /** @type {Record<string, string>} */
    const allowed = origins.length > 0 ? { RELEVO_ALLOWED_ORIGINS: origins.join(",") } : {};
    const router = new Router({ ...allowed, ...settings });
    await router.start();
    await router.#ready();
    return router;
  }

  /** Close the clients, stop, and remove the data. */
  async end() {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.remove();
  }

  /**
   * Return a token.
   *
   * @param {Person} person
   * @param {number} ttlSeconds
   */
  token({ id, ...claims }, ttlSeconds = 3600) {
    return makeToken(id, { ...claims, ttlSeconds });
  }

  /**
   * Send a command as a back end.
   *
   * @param {string} type
   * @param {object} fields
   */
  async command(type, fields) {
    const response = await fetch(`${this.httpUrl}/api/v1/${type}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${this.token({ id: "back-end", role: "service" })}`,
        "content-type": "application/json",
        "idempotency-key": randomUUID(),
      },
      body: JSON.stringify(fields),
    });
    const result = /** @type {any} */ (await response.json());
    assert.ok(response.ok, `${type}: ${JSON.stringify(result)}`);
    return result;
  }

  /**
   * Connect a client without a browser.
   *
   * @param {Person} person
   * @param {import("../../../clients/js/src/client.js").ClientOptions} options
   */
  async connect(person, options = {}) {
    const socket = /** @type {any} */ (WebSocket);
    const client = new Client(this.url, this.token(person), { WebSocket: socket, ...options });
    this.#clients.push(client);
    await client.start();
    return client;
  }

  /**
   * Create departments, each called like its id with a capital letter.
   *
   * @param {...string} ids
   */
  async departments(...ids) {
    for (const id of ids) {
      const name = id[0]?.toUpperCase() + id.slice(1);
      await this.command("department.put", { department: { id, name } });
    }
  }

  /**
   * Open a conversation with a customer, for an agent.
   *
   * @param {string} sessionId
   * @param {string} customer
   * @param {string} agentId
   */
  async open(sessionId, customer, agentId) {
    const target = { kind: "agent", id: agentId };
    return this.command("session.open", {
      session_id: sessionId,
      customer: { id: `of-${sessionId}`, name: customer },
      target,
    });
  }

  async #ready() {
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const answer = await fetch(`${this.httpUrl}/readyz`).catch(() => null);
      if (answer?.ok) return;
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error("the router does not get ready");
  }
}
