/** The examples of the README, run as they are printed. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Target } from "../../src/index.js";
import { makeToken, Router } from "../support/router.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const examples = new Map(
  [...readme.matchAll(/^## (.+)\n(?:(?!^## |^```)[\s\S])*^```js\n([\s\S]*?)^```/gm)].map(
    ([, title, code]) => [title, code],
  ),
);

const router = new Router();
before(() => router.start());
after(() => router.end());

/**
 * Run an example until it ends, or has said something.
 *
 * @param {string} title
 * @param {{ token: string, until?: RegExp, meanwhile?: () => Promise<unknown> }} options
 */
async function run(title, { token, until, meanwhile }) {
  const code = examples.get(title)?.replaceAll("127.0.0.1:8765", `127.0.0.1:${router.port}`);
  assert.ok(code, `no example under "${title}"`);
  // On Node 20 the examples have no WebSocket of their own, as the README says.
  const child = spawn(process.execPath, ["--import", "./test/support/websocket.js", "--input-type=module"], {
    cwd: ROOT,
    env: { ...process.env, RELEVO_TOKEN: token, RELEVO_SERVICE_TOKEN: token },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.end(code);
  let said = "";
  let failed = "";
  child.stderr.on("data", (data) => (failed += data));
  await new Promise((resolve, reject) => {
    let begun = false;
    child.stdout.on("data", (data) => {
      said += data;
      if (!begun) meanwhile?.().catch(reject);
      begun = true;
      if (until?.test(said)) child.kill();
    });
    child.once("close", resolve);
  });
  assert.equal(failed, "");
  return said;
}

test("the README's first example prints the agents", async () => {
  const said = await run("Ten lines", { token: makeToken("ana", { tenant: "lines", name: "Ana" }) });

  assert.match(said, /^Ana +connected +0\/10\n$/);
});

test("the README's agent accepts, and transfers invoices", async () => {
  const claims = { tenant: "agent" };
  const boss = router.http("boss", { ...claims, role: "admin" });
  await boss.departments.put("billing", "Billing");
  const said = await run("An agent that accepts and transfers", {
    token: makeToken("ana", { ...claims, name: "Ana" }),
    until: /has gone/,
    meanwhile: async () => {
      await boss.sessions.open("s-1", { id: "c-1", name: "Eva" });
      await boss.sessions.transfer("s-1", Target.agent("ana"), { reason: "an invoice is wrong" });
    },
  });

  assert.match(said, /in progress: \[\]\n/);
  assert.match(said, /Eva is mine: from boss: an invoice is wrong\ns-1 has gone: transferred/);
});

test("the README's admin watches sessions", async () => {
  const claims = { tenant: "admin", role: "admin" };
  const backEnd = router.http("shop", { ...claims, role: "service" });
  const said = await run("An admin that watches", {
    token: makeToken("boss", claims),
    until: /s-1 is/,
    meanwhile: () => backEnd.sessions.open("s-1", { id: "c-1", name: "Eva" }, Target.agent("boss")),
  });

  assert.match(said, /0 sessions\n/);
  assert.match(said, /s-1 is in_progress with boss/);
});

test("the README's back end opens, transfers and closes", async () => {
  const said = await run("A back end, over HTTP", {
    token: makeToken("shop", { tenant: "shop", role: "service" }),
  });

  assert.match(said, /^chat-\d+: queued\n1 opened\n2 transferred\n3 internal\n$/);
});

test("the README's MessagePack client connects", async () => {
  const said = await run("MessagePack", { token: makeToken("ana", { tenant: "packed", name: "Ana" }) });

  assert.equal(said, "Ana\n");
});
