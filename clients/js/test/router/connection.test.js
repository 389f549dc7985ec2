/** Losing a real router and finding it again. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Backoff, SentAwayError, SignInRefusedError, Target } from "../../src/index.js";
import { directoryShows, makeToken, nextEvent, Router } from "../support/router.js";

const reconnect = new Backoff({ initialMs: 50, capMs: 200 });

const router = new Router();
before(() => router.start());
after(() => router.end());

test("a wrong, a foreign and an expired token are rejected", async () => {
  for (const token of [
    "wrong",
    `${makeToken("ana").slice(0, -4)}AAAA`,
    makeToken("ana", { ttlSeconds: -60 }),
  ]) {
    await assert.rejects(router.client("ana", { token }).start(), SignInRefusedError);
  }
});

test("a removed agent gets SentAwayError", async () => {
  const claims = { tenant: "removed" };
  const ana = await router.connect("ana", { claims });
  const gone = nextEvent(ana, "disconnected");
  await router.http("boss", { ...claims, role: "admin" }).agents.remove("ana");

  assert.ok((await gone).error instanceof SentAwayError);
  assert.equal((await gone).closeCode, 4502);
});

test("an expiring token is replaced by a fresh one", async () => {
  let asked = 0;
  const token = () => {
    asked += 1;
    return makeToken("ana", { tenant: "fresh", ttlSeconds: asked === 1 ? 61 : 3600 });
  };
  const ana = await router.connect("ana", { token });
  await nextEvent(ana, "tokenExpiring");
  const before = ana.welcome.expiresAt;
  const expiresAt = await ana.refreshToken();

  assert.ok(asked >= 3, "once to connect, once by itself, once by hand");
  assert.ok(expiresAt > before);
});

test("a cut connection applies its commands once and keeps presence", async () => {
  const claims = { tenant: "cut" };
  const watcher = await router.connect("watcher", { claims, reconnect });
  const ana = await router.connect("ana", {
    claims: { ...claims, role: "admin" },
    reconnect,
    format: "msgpack",
  });
  await watcher.directory.subscribe();
  await ana.directory.subscribe();
  await ana.sessions.open("s-1", { id: "c-1", name: "Customer" });
  const statuses = new Set();
  watcher.on("directoryChanged", ({ agents }) => {
    for (const { id, status } of agents) if (id === "ana") statuses.add(status);
  });
  for (let round = 0; round < 5; round += 1) {
    const back = nextEvent(ana, "connected");
    const noting = ana.sessions.note("s-1", `note ${round}`);
    // Before the note, with it, or after it: it goes out at the end of this turn.
    if (round % 2 === 1) await Promise.resolve().then(() => {});
    router.cutAll();
    await Promise.all([back, noting]);
  }
  const bo = await router.connect("bo", { claims });
  await directoryShows(ana, ({ live, agents }) => live && agents.has("bo"));
  const texts = [];
  for await (const entry of ana.sessions.history("s-1"))
    if (entry.kind === "internal") texts.push(entry.text);

  assert.deepEqual(texts, ["note 0", "note 1", "note 2", "note 3", "note 4"]);
  assert.ok(!statuses.has("disconnected"), "the grace hides a short absence");
  assert.equal(ana.inbox.inProgress.size, 1);
  await bo.close();
});

test("a session assigned during a disconnection is acknowledged", async () => {
  const claims = { tenant: "away" };
  const soon = new Backoff({ initialMs: 0, capMs: 0 });
  const later = { reconnect: new Backoff({ initialMs: 200, capMs: 200 }), random: () => 0.99 };
  const ana = await router.connect("ana", { claims: { ...claims, role: "admin" }, reconnect: soon });
  await ana.sessions.open("s-1", { id: "c-1", name: "Customer" });
  const bo = await router.connect("bo", { claims, ...later });
  await bo.directory.subscribe();
  const delivered = nextEvent(ana, "transferUpdated");
  const lost = nextEvent(bo, "disconnected");
  const back = nextEvent(bo, "connected");
  router.cutAll();
  await Promise.all([lost, nextEvent(ana, "connected")]);
  assert.equal((await ana.sessions.transfer("s-1", Target.agent("bo"))).transfer.outcome, "assigned");
  await back;

  assert.deepEqual([...bo.inbox.inProgress.keys()], ["s-1"]);
  assert.equal((await delivered).state, "delivered");
  await directoryShows(bo, ({ live, agents }) => live && agents.get("bo").load === 1);
});

test("a restarted router gets its clients and their commands back", async () => {
  const claims = { tenant: "restart", role: "admin" };
  const ana = await router.connect("ana", { claims, reconnect });
  await ana.sessions.open("s-1", { id: "c-1", name: "Customer" });
  await ana.directory.subscribe();
  const lost = nextEvent(ana, "disconnected");
  const stopping = router.stop();
  assert.equal((await lost).error, null);
  await stopping;
  const noting = ana.sessions.note("s-1", "written while offline");
  const back = nextEvent(ana, "connected");
  await router.start();

  assert.equal((await back).reconnected, true);
  assert.equal((await noting).seq, 2);
  assert.deepEqual([...ana.inbox.inProgress.keys()], ["s-1"]);
  await directoryShows(ana, ({ live }) => live);
});
