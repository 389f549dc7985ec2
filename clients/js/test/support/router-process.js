/** A router in a process of its own, with its own store and data, and tokens for it. Needs no package. */

import { spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The command `relevo`, as `make install` at the project's root installs it. */
const RELEVO =
  process.env.RELEVO_COMMAND ?? fileURLToPath(new URL("../../../../.venv/bin/relevo", import.meta.url));
const SECRET = randomBytes(32).toString("hex");

/**
 * Sign a token, like `relevo token`.
 *
 * @param {string} sub
 * @param {{ role?: string, tenant?: string, ttlSeconds?: number, [claim: string]: unknown }} [options] Other names are
 *   claims.
 */
export function makeToken(sub, { role = "agent", tenant = "acme", ttlSeconds = 3600, ...claims } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const body = { sub, tenant, role, iat: now, exp: now + ttlSeconds, ...claims };
  const signed = [{ alg: "HS256", typ: "JWT" }, body]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

export class RouterProcess {
  /** A free port from the first start on. */
  port = 0;
  #settings;
  #folder = "";
  /** @type {import("node:child_process").ChildProcess | null} */
  #process = null;

  /** @param {Readonly<Record<string, string>>} [settings] As environment variables, where they differ from the defaults. */
  constructor(settings = {}) {
    this.#settings = settings;
  }

  get url() {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  get httpUrl() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Start the router, with the data of its last run. */
  async start() {
    this.#folder ||= await mkdtemp(join(tmpdir(), "relevo-"));
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
    /** @type {string[]} */
    const log = [];
    await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", () => reject(new Error(`the router did not start:\n${log.join("\n")}`)));
      createInterface(child.stderr).on("line", (line) => {
        log.push(line);
        if (!line.includes('"port opened"')) return;
        this.port = JSON.parse(line).port;
        resolve(undefined);
      });
    });
    child.removeAllListeners("exit");
  }

  /** Stop the router with SIGTERM, and wait until it has exited. */
  async stop() {
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    await exit;
  }

  /** Stop the router, and remove its data. */
  async remove() {
    await this.stop();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
