/** A real router in a process of its own, with its own store and data. */

import { spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import * as library from "@msgpack/msgpack";
import { WebSocket } from "ws";
import { Client, HttpClient, messagePack } from "../../src/index.js";

/** The command that starts one; `make install` of the project puts it there. */
const RELEVO =
  process.env.RELEVO_COMMAND ?? fileURLToPath(new URL("../../../../.venv/bin/relevo", import.meta.url));
const SECRET = randomBytes(32).toString("hex");

export const CODECS = { json: undefined, msgpack: messagePack(library) };

/** Sign claims as `relevo token` does. */
export function makeToken(sub, { role = "agent", tenant = "acme", ttl = 3600, ...claims } = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const body = { sub, tenant, role, iat: now, exp: now + ttl, ...claims };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(body)}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

export class Router {
  port = 0;
  #folder = "";
  /** @type {import("node:child_process").ChildProcess} */
  #process;
  #settings;
  #clients = [];
  #sockets = [];

  /** @param {Record<string, string>} [settings] Its settings by variable, where they differ from the defaults. */
  constructor(settings = {}) {
    this.#settings = settings;
  }

  async start() {
    this.#folder ||= await mkdtemp(join(tmpdir(), "relevo-js-"));
    const child = spawn(RELEVO, ["serve", "--host", "127.0.0.1", "--port", String(this.port)], {
      env: {
        PATH: process.env.PATH,
        RELEVO_JWT_SECRET: SECRET,
        RELEVO_DATA_DIR: this.#folder,
        ...this.#settings,
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#process = child;
    const said = [];
    const started = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", () => reject(new Error(`the router ended:\n${said.join("\n")}`)));
      createInterface(child.stderr).on("line", (line) => {
        said.push(line);
        if (!line.includes('"listening"')) return;
        this.port = JSON.parse(line).port;
        resolve(undefined);
      });
    });
    await started;
    child.removeAllListeners("exit");
  }

  /** Stop it as an operator does, and wait until it has left. */
  async stop() {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    await exit;
  }

  get url() {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  /** Make a client of its own tenant's agent; it is closed at the end. */
  client(sub, { format = "json", token, claims = {}, ...options } = {}) {
    const sockets = this.#sockets;
    class Recorded extends WebSocket {
      constructor(...args) {
        super(...args);
        sockets.push(this);
      }
    }
    const client = new Client(this.url, token ?? makeToken(sub, claims), {
      WebSocket: /** @type {any} */ (Recorded),
      codec: CODECS[format],
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  async connect(sub, options) {
    const client = this.client(sub, options);
    await client.start();
    return client;
  }

  http(sub, claims) {
    return new HttpClient(`http://127.0.0.1:${this.port}`, makeToken(sub, claims));
  }

  /** Cut the connections that were made so far, without a word. */
  cutAll() {
    for (const socket of this.#sockets.splice(0)) socket.terminate();
  }

  /** Close the clients that were made, stop, and leave nothing behind. */
  async end() {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Wait for the next event of a type that passes. */
export function nextEvent(client, type, passes = () => true) {
  return new Promise((resolve) => {
    const off = client.on(type, (event) => {
      if (!passes(event)) return;
      off();
      resolve(event);
    });
  });
}

/** Wait until the directory shows something. */
export async function directoryShows(client, condition) {
  while (!condition(client.directory)) await nextEvent(client, "directoryChanged");
}
