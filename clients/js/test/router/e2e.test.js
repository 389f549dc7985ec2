/** A transfer from end to end, through a real router. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  AtCapacityError,
  ConflictError,
  ForbiddenError,
  InUseError,
  KeyReusedError,
  NotFoundError,
  SameTargetError,
  SessionClosedError,
  SessionExistsError,
  Target,
  BadMessageError,
} from "../../src/index.js";
import { directoryShows, nextEvent, Router } from "../support/router.js";

const router = new Router();
before(() => router.start());
after(() => router.end());

for (const format of ["json", "msgpack"]) {
  test(`a session is transferred, accepted and closed (${format})`, async () => {
    const tenant = `story-${format}`;
    const connect = (sub, claims) => router.connect(sub, { format, claims: { tenant, ...claims } });
    const admin = await connect("boss", { role: "admin", name: "Boss" });
    await admin.departments.put("sales", "Sales");
    const ana = await connect("ana", { name: "Ana Souza", capacity: 2 });
    const claims = { name: "Bruno Lima", departments: ["sales"], capacity: 2 };
    const phone = await connect("bruno", claims);
    const desktop = await connect("bruno", claims);
    const watcher = await connect("carla", { name: "Carla" });
    const backEnd = router.http("shop", { tenant, role: "service" });

    const arrived = nextEvent(ana, "sessionAssigned");
    const opened = await backEnd.sessions.open("s-1", { id: "c-7", name: "Ñandú 👋" }, Target.agent("ana"));
    assert.deepEqual([opened.state, opened.owner.id, opened.fence], ["in_progress", "ana", 1]);
    assert.equal((await arrived).transfer, null);

    await watcher.directory.subscribe();
    const dialog = await ana.directory.subscribe();
    assert.deepEqual(
      dialog.agentsByReadiness().map(({ id }) => id),
      ["boss", "bruno", "carla", "ana"],
    );
    assert.equal(dialog.departments.get("sales").available, 1);

    const received = [nextEvent(phone, "sessionAssigned"), nextEvent(desktop, "sessionAssigned")];
    const removed = nextEvent(ana, "sessionRemoved");
    const delivered = nextEvent(ana, "transferUpdated");
    const { session, transfer } = await ana.sessions.transfer("s-1", Target.agent("bruno"), {
      reason: "habla español",
      fence: 1,
    });
    assert.deepEqual([session.fence, session.hops, transfer.outcome], [2, 1, "assigned"]);
    assert.equal(ana.inbox.get("s-1"), undefined);
    for (const event of await Promise.all(received)) {
      const { from, to, by, reason } = event.transfer;
      assert.deepEqual([from.id, to.id, by.name, reason], ["ana", "bruno", "Ana Souza", "habla español"]);
    }
    assert.equal((await removed).why, "transferred");
    assert.equal((await delivered).state, "delivered", "a session that is received is acknowledged");
    assert.deepEqual([...phone.inbox.inProgress.keys()], ["s-1"]);
    await directoryShows(
      watcher,
      ({ agents }) => agents.get("ana").load === 0 && agents.get("bruno").load === 1,
    );

    await desktop.agents.setStatus("pause");
    const pending = [nextEvent(phone, "sessionPending"), nextEvent(desktop, "sessionPending")];
    await backEnd.sessions.open("s-2", { id: "c-8", name: "Eva" }, Target.agent("bruno"));
    for (const { session } of await Promise.all(pending)) assert.equal(session.id, "s-2");
    assert.deepEqual([...desktop.inbox.pending.keys()], ["s-2"]);

    await admin.sessions.watch();
    const changed = nextEvent(admin, "sessionChanged");
    const queued = await admin.sessions.transfer("s-2", Target.department("sales"));
    assert.deepEqual([queued.transfer.outcome, queued.session.owner.kind], ["queued", "department"]);
    assert.equal((await changed).session.state, "queued");
    const taken = nextEvent(phone, "sessionAssigned");
    await phone.agents.setStatus("connected");
    assert.equal((await taken).session.id, "s-2");

    const kinds = [];
    for await (const entry of backEnd.sessions.history("s-1")) kinds.push(`${entry.seq} ${entry.kind}`);
    assert.deepEqual(kinds, ["1 opened", "2 transferred", "3 internal"]);
    const open = [];
    for await (const found of admin.sessions.list({ agentId: "bruno" })) open.push(found.id);
    assert.deepEqual(open.sort(), ["s-1", "s-2"]);
    assert.equal((await desktop.sessions.close("s-2")).state, "closed");
  });
}

test("a session sent to a disconnected agent is in its next inbox", async () => {
  const claims = { tenant: "inbox" };
  const admin = router.http("boss", { ...claims, role: "admin" });
  await admin.agents.put("eva", "Eva");
  await admin.sessions.open("s-1", { id: "c-1", name: "Customer" });
  const { transfer } = await admin.sessions.transfer("s-1", Target.agent("eva"), { reason: "later" });
  assert.equal(transfer.outcome, "pending");

  const eva = await router.connect("eva", { claims });
  assert.equal(eva.inbox.pending.get("s-1").transfer.reason, "later");
  await eva.sessions.accept("s-1");
  assert.deepEqual([...eva.inbox.inProgress.keys()], ["s-1"]);
});

test("a pending session is declined, or recalled by its sender", async () => {
  const claims = { tenant: "back" };
  const ana = await router.connect("ana", { claims: { ...claims, role: "admin" } });
  const bo = await router.connect("bo", { claims });
  await bo.agents.setStatus("pause");
  await ana.sessions.open("s-1", { id: "c-1", name: "Customer" });
  await ana.sessions.transfer("s-1", Target.agent("bo"));
  const recalled = await ana.sessions.recall("s-1");
  assert.equal(recalled.owner.id, "ana");

  await ana.sessions.transfer("s-1", Target.agent("bo"));
  const update = nextEvent(ana, "transferUpdated", ({ state }) => state === "declined");
  const declined = await bo.sessions.decline("s-1", { reason: "not mine" });
  assert.equal(declined.owner.id, "ana");
  assert.equal((await update).session.id, "s-1");
});

test("each error code has its class", async () => {
  const claims = { tenant: "refusals" };
  const admin = await router.connect("boss", { claims: { ...claims, role: "admin" } });
  const ana = await router.connect("ana", { claims: { ...claims, capacity: 1, departments: ["sales"] } });
  const customer = { id: "c-1", name: "Customer" };
  await admin.departments.put("sales", "Sales");
  await admin.sessions.open("s-1", customer, Target.agent("ana"));
  await admin.sessions.open("s-2", customer, Target.department("sales"));

  await assert.rejects(ana.sessions.transfer("s-1", Target.agent("ana")), SameTargetError);
  await assert.rejects(ana.sessions.transfer("s-1", Target.agent("unknown")), NotFoundError);
  await assert.rejects(ana.sessions.accept("s-2"), AtCapacityError);
  await assert.rejects(ana.departments.put("x", "X"), ForbiddenError);
  await assert.rejects(admin.sessions.open("s-1", customer), SessionExistsError);
  await assert.rejects(admin.agents.remove("ana"), InUseError);
  await assert.rejects(
    ana.sessions.transfer("s-1", Target.department("sales"), { reason: "x", fence: 7 }),
    (error) => error instanceof ConflictError && error.owner.id === "ana" && error.fence === 1,
  );
  await assert.rejects(
    ana.agents.setStatus(/** @type {any} */ ("asleep")),
    (error) => error instanceof BadMessageError && /status/.test(error.path),
  );
  await ana.sessions.note("s-1", "one", { key: "k-1" });
  assert.equal((await ana.sessions.note("s-1", "one", { key: "k-1" })).seq, 2);
  await assert.rejects(ana.sessions.note("s-1", "two", { key: "k-1" }), KeyReusedError);
  await admin.sessions.close("s-1");
  await assert.rejects(admin.sessions.transfer("s-1", Target.agent("boss")), SessionClosedError);
});
