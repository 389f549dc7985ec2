/** A router process with a store of its own, and clients that connect to it. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { Client } from "../../../clients/js/src/index.js";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const SECRET = "a secret that only these tests know, and that is long enough";
const TENANT = "acme";

/**
 * @typedef {object} Person
 * @property {string} id
 * @property {string} [name]
 * @property {"agent" | "admin" | "service"} [role]
 * @property {string[]} [departments]
 * @property {number} [capacity]
 */

export class Router {
  #process;
  #folder;
  #exited;
  /** @type {Client[]} */
  #clients = [];

  /**
   * @param {import("node:child_process").ChildProcess} process
   * @param {string} folder
   * @param {number} port
   */
  constructor(process, folder, port) {
    this.#process = process;
    this.#folder = folder;
    this.#exited = new Promise((done) => process.once("exit", done));
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  /**
   * Start a router on a free port.
   *
   * @param {readonly string[]} origins Origins whose pages may connect, besides the router's own.
   * @param {Readonly<Record<string, string>>} settings As environment variables.
   */
  static async start(origins = [], settings = {}) {
    const folder = await mkdtemp(join(tmpdir(), "relevo-browser-"));
    const allowed = origins.length > 0 ? { RELEVO_ALLOWED_ORIGINS: origins.join(",") } : {};
    const child = spawn(join(ROOT, ".venv/bin/relevo"), ["serve", "--port", "0", "--data-dir", folder], {
      env: { ...process.env, RELEVO_JWT_SECRET: SECRET, ...allowed, ...settings },
      stdio: ["ignore", "ignore", "pipe"],
    });
    /** @type {string[]} */
    const log = [];
    for await (const line of createInterface({ input: child.stderr })) {
      log.push(line);
      const entry = line.startsWith("{") ? JSON.parse(line) : {};
      if (entry.event !== "listening") continue;
      child.stderr.resume();
      const router = new Router(child, folder, entry.port);
      await router.#ready();
      return router;
    }
    throw new Error(`the router did not start:\n${log.join("\n")}`);
  }

  async stop() {
    await Promise.all(this.#clients.map((client) => client.close()));
    this.#process.kill("SIGTERM");
    await this.#exited;
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /**
   * Return a token.
   *
   * @param {Person} person
   * @param {number} seconds Its validity.
   */
  token({ id, name, role = "agent", departments, capacity }, seconds = 3600) {
    const exp = Math.floor(Date.now() / 1000) + seconds;
    const body = { sub: id, tenant: TENANT, role, exp, name, departments, capacity };
    const signed = [{ alg: "HS256", typ: "JWT" }, body].map(encode).join(".");
    return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
  }

  /**
   * Send a command as a back end.
   *
   * @param {string} type
   * @param {object} fields
   */
  async command(type, fields) {
    const response = await fetch(`${this.url}/api/v1/${type}`, {
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
    const url = `ws://127.0.0.1:${this.port}/ws`;
    const client = new Client(url, this.token(person), { WebSocket: socket, ...options });
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
      const answer = await fetch(`${this.url}/readyz`).catch(() => null);
      if (answer?.ok) return;
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error("the router does not get ready");
  }
}

/** @param {object} value */
function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
