import assert from "node:assert/strict";
import test from "node:test";
import { InvalidDataError } from "../../src/decode.js";
import { CoreDriver } from "../support/core-driver.js";
import { agentRow, ENTRY, patchMap, sessionMap, snapshotMap, transferMap } from "../support/wire-messages.js";

const types = (messages) => messages.map(({ type }) => type);

function connected(settings, welcome) {
  const driver = new CoreDriver(settings);
  driver.connect(welcome);
  driver.events();
  return driver;
}

function subscribed(seq = 4) {
  const driver = connected();
  driver.reply(driver.subscribe(), {});
  driver.receive(snapshotMap(seq));
  driver.events();
  return driver;
}

test("each push becomes its event", () => {
  const driver = connected();
  const [session, transfer] = [sessionMap(), transferMap()];
  driver.receive(
    { type: "session.assigned", session, transfer },
    { type: "session.pending", session: sessionMap("c-2", { state: "pending" }), transfer: null },
    { type: "session.removed", session_id: "c-1", fence: 2, why: "transferred", transfer },
    { type: "session.entry", session_id: "c-1", entry: ENTRY },
    { type: "session.changed", session },
    { type: "transfer.updated", transfer, state: "delivered", session },
    { type: "token.expiring", expires_at: 60 },
  );
  const events = driver.events();

  assert.deepEqual(types(events), [
    "sessionAssigned",
    "sessionPending",
    "sessionRemoved",
    "sessionEntry",
    "sessionChanged",
    "transferUpdated",
    "tokenExpiring",
  ]);
  assert.equal(events[0].transfer.by.name, "Bo");
  assert.equal(events[2].sessionId, "c-1");
  assert.ok(Object.isFrozen(events[0].session.customer));
  assert.equal(driver.core.takeTokenWanted(), true);
  assert.equal(driver.core.takeTokenWanted(), false);
});

test("an unknown push is passed through", () => {
  const driver = connected();
  driver.receive(
    { type: "session.sung", session: 5 },
    { type: "directory.sung" },
    { type: "pong", id: "1" },
    { type: "__proto__" },
  );

  assert.deepEqual(driver.events(), [
    { type: "unknownPush", push: "session.sung", fields: { session: 5 } },
    { type: "unknownPush", push: "directory.sung", fields: {} },
    { type: "unknownPush", push: "__proto__", fields: {} },
  ]);
});

test("a changed session is taken into the inbox only where it is there", () => {
  const driver = new CoreDriver();
  driver.connect({ inbox: { in_progress: [sessionMap("c-1", { fence: 2 })], pending: [] } });
  for (const id of ["c-1", "c-2"])
    driver.receive({
      type: "session.changed",
      session: sessionMap(id, { fence: 2, attributes: { vip: true } }),
    });
  assert.deepEqual(
    [...driver.core.inbox.inProgress.values()].map(({ id, attributes }) => [id, attributes]),
    [["c-1", { vip: true }]],
  );
});

test("unknown fields are kept in extra", () => {
  const driver = new CoreDriver();
  driver.connect({ weather: "fine", agent: agentRow("ana", { mood: "good" }) });
  const session = sessionMap("c-1", { type: "chat" });
  for (let time = 0; time < 2; time += 1)
    driver.receive({ type: "session.changed", session, why: "sung", verse: 2 });
  const [welcomed, ...changes] = driver.events();

  assert.deepEqual(welcomed.welcome.extra, { weather: "fine" });
  assert.deepEqual(driver.core.agent.extra, { mood: "good" });
  for (const changed of changes)
    assert.deepEqual(
      [changed.why, changed.extra, changed.session.extra],
      ["sung", { verse: 2 }, { type: "chat" }],
    );
});

test("unknown values are passed through", () => {
  const driver = connected();
  driver.receive(
    { type: "session.removed", session_id: "c-1", fence: 2, why: "abducted" },
    { type: "session.entry", session_id: "c-1", entry: { ...ENTRY, kind: "sung", why: "bored" } },
    {
      type: "transfer.updated",
      transfer: transferMap("c-1", { outcome: "thrown" }),
      state: "caught",
      session: sessionMap("c-1", { state: "parked" }),
      why: "windy",
    },
  );
  const [removed, added, updated] = driver.events();

  assert.deepEqual([removed.why, added.entry.kind, added.entry.why], ["abducted", "sung", "bored"]);
  assert.deepEqual([updated.transfer.outcome, updated.state, updated.why], ["thrown", "caught", "windy"]);
  assert.equal(updated.session.state, "parked");
});

test("a session in an unknown state is kept apart", () => {
  const driver = connected({}, { inbox: { in_progress: [sessionMap("c-1")], pending: [] } });
  const session = sessionMap("c-1", { fence: 2, state: "parked" });
  driver.receive({ type: "session.assigned", session, transfer: null });
  const { inProgress, pending, other } = driver.core.inbox;

  assert.deepEqual([inProgress.size, pending.size, [...other.keys()]], [0, 0, ["c-1"]]);
});

test("agent.changed replaces the own row", () => {
  const driver = connected();
  driver.receive({ type: "agent.changed", agent: agentRow("ana", { load: 3 }) });
  const [event] = driver.events();

  assert.equal(event.type, "agentChanged");
  assert.equal(driver.core.agent, event.agent);
  assert.equal(event.agent.load, 3);
});

test("status.changed replaces the own row, and has its author", () => {
  const driver = connected();
  const by = { id: "root", name: "Root" };
  const agent = agentRow("ana", { status: "pause", status_by: by, status_reason: "training" });
  driver.receive({ type: "status.changed", agent, by, reason: "training" });
  const [event] = driver.events();

  assert.deepEqual([event.by, event.reason], [{ ...by, extra: {} }, "training"]);
  assert.equal(driver.core.agent.status, "pause");
  assert.deepEqual(driver.core.agent.statusBy, { ...by, extra: {} });
});

test("a reply with the own row replaces it", () => {
  const driver = connected();
  for (const [id, load] of [
    ["bo", 0],
    ["ana", 4],
  ]) {
    driver.submit("status.set", { status: "pause" });
    driver.reply(driver.sent()[0], { agent: agentRow(id, { load: 4 }) });
    assert.deepEqual([driver.core.agent.id, driver.core.agent.load], ["ana", load]);
  }
});

const snapshotParts = (parts, fields) =>
  Array.from({ length: parts }, (_, index) =>
    snapshotMap(9, {
      agents: [agentRow(`a-${index + 1}`)],
      departments: [],
      part: index + 1,
      parts,
      ...fields,
    }),
  );

test("a snapshot in parts is applied when all are there", () => {
  const driver = subscribed();
  const [one, two, three] = snapshotParts(3);
  driver.receive(one, two);
  assert.deepEqual(driver.events(), []);
  assert.deepEqual([driver.core.directory.seq, driver.core.directory.agents.size], [4, 1]);
  driver.receive(three);
  const [event] = driver.events();

  assert.equal(event.snapshot, true);
  assert.equal(driver.core.directory.seq, 9);
  assert.deepEqual([...driver.core.directory.agents.keys()], ["a-1", "a-2", "a-3"]);
});

test("the parts of a lost connection are forgotten", () => {
  const driver = subscribed();
  driver.receive(snapshotParts(3)[0]);
  driver.close();
  driver.connect();
  driver.receive(...snapshotParts(2, { epoch: "e2" }));

  assert.deepEqual([...driver.core.directory.agents.keys()], ["a-1", "a-2"]);
  assert.equal(driver.core.directory.epoch, "e2");
});

test("a part that does not continue the others throws", () => {
  for (const change of [{ part: 3 }, { seq: 10 }, { epoch: "e2" }, { parts: 4 }]) {
    const driver = subscribed();
    const [one, two] = snapshotParts(3);
    driver.receive(one);
    assert.throws(() => driver.receive({ ...two, ...change }), /part: expected part 2 of 3/);
  }
});

test("an invalid message throws", () => {
  for (const message of [
    7,
    null,
    [],
    {},
    { type: 5 },
    { type: "session.assigned" },
    { type: "session.changed", session: sessionMap("c-1", { fence: 1.5 }) },
    { type: "session.changed", session: sessionMap("c-1", { fence: 2 ** 53 }) },
    { type: "directory.patch" },
    { type: "server.draining" },
  ]) {
    const driver = connected();
    driver.subscribe();

    assert.throws(() => driver.receive(message), InvalidDataError, JSON.stringify(message));
  }
});

test("rows and their departments are frozen", () => {
  const driver = connected();
  driver.subscribe();

  driver.receive(snapshotMap(1));
  const [row] = driver.core.directory.agents.values();

  assert.ok(Object.isFrozen(row));
  assert.ok(row.departments.length > 0);
  assert.throws(() => row.departments.push("support"), TypeError);
});

test("an invalid message's error has the path", () => {
  for (const [message, complaint] of [
    [7, "message: expected a map, got number"],
    [{}, "type: expected a string, got undefined"],
    [
      { type: "session.changed", session: sessionMap("c-1", { fence: "2" }) },
      "session.fence: expected an integer, got string",
    ],
    [snapshotMap(1, { agents: [agentRow(), null] }), "agents[1]: expected a map, got null"],
    [
      snapshotMap(1, { agents: [agentRow(), agentRow("bo", { departments: ["sales", 2] })] }),
      "agents[1].departments[1]: expected a string, got number",
    ],
  ]) {
    const driver = connected();
    driver.subscribe();

    assert.throws(() => driver.receive(message), { name: "InvalidDataError", message: complaint });
  }
});

test("a BigInt time of a MessagePack library becomes a number", () => {
  const driver = connected();
  driver.receive({ type: "token.expiring", expires_at: 1_760_000_000_000n });

  assert.equal(driver.events()[0].expiresAt, 1_760_000_000_000);
});

test("pushes update the inbox", () => {
  const driver = connected();
  const { inbox } = driver.core;
  driver.receive({ type: "session.pending", session: sessionMap("c-1", { fence: 2, state: "pending" }) });
  assert.deepEqual([...inbox.pending.keys()], ["c-1"]);
  driver.receive({ type: "session.assigned", session: sessionMap("c-1", { fence: 3 }) });
  assert.deepEqual([...inbox.inProgress.keys()], ["c-1"]);
  driver.receive({ type: "session.removed", session_id: "c-1", fence: 4, why: "closed" });
  assert.equal(inbox.get("c-1"), undefined);
});

test("a reply updates the inbox before its push", () => {
  const driver = connected({}, { pending: [sessionMap("c-1", { fence: 2, state: "pending" })] });
  driver.submit("session.accept", { session_id: "c-1" });
  driver.reply(driver.sent()[0], { session: sessionMap("c-1", { fence: 3 }) });
  assert.deepEqual([...driver.core.inbox.inProgress.keys()], ["c-1"]);

  driver.submit("session.transfer");
  const session = sessionMap("c-1", { fence: 4, owner: "bo" });
  driver.reply(driver.sent()[0], { session, transfer: transferMap() });
  assert.equal(driver.core.inbox.get("c-1"), undefined);
});

test("an old reply does not bring back a removed session", () => {
  const driver = connected({}, { pending: [sessionMap("c-1", { fence: 2, state: "pending" })] });
  driver.submit("session.accept", { session_id: "c-1" });
  const [accepted] = driver.sent();
  // It was applied, its reply was lost, and the session was transferred meanwhile.
  driver.close();
  driver.connect();
  driver.reply(accepted, { session: sessionMap("c-1", { fence: 3 }) });
  assert.equal(driver.core.inbox.get("c-1"), undefined);

  driver.submit("session.accept", { session_id: "c-1" }, 30_000, String(accepted.key));
  driver.reply(driver.sent()[0], { session: sessionMap("c-1", { fence: 3 }) });
  assert.equal(driver.core.inbox.get("c-1"), undefined);
});

test("an assigned session is acknowledged once, with its latest fence", () => {
  const driver = connected();
  for (const fence of [3, 5]) {
    const session = sessionMap("c-1", { fence });
    driver.receive({ type: "session.assigned", session, transfer: transferMap() });
  }

  assert.deepEqual(driver.sent(), [{ type: "session.ack", session_id: "c-1", fence: 5 }]);
  assert.deepEqual(driver.sent(), []);
});

test("acknowledge: false leaves session.ack to the program", () => {
  const driver = new CoreDriver({ acknowledge: false });
  assert.deepEqual(
    driver.connect({ in_progress: [sessionMap("held", { transfer: transferMap("held") })] }),
    [],
  );
  driver.receive({ type: "session.assigned", session: sessionMap("c-1", { fence: 3 }), transfer: null });
  assert.deepEqual(driver.sent(), []);

  driver.core.acknowledge("c-1", 3);
  assert.deepEqual(driver.sent(), [{ type: "session.ack", session_id: "c-1", fence: 3 }]);
});

test("sessions assigned during a disconnection are acknowledged", () => {
  const known = sessionMap("known", { transfer: transferMap("known") });
  const driver = connected({}, { in_progress: [known] });
  driver.close();
  const missed = sessionMap("missed", { fence: 5, transfer: transferMap("missed") });

  assert.deepEqual(driver.connect({ in_progress: [known, missed] }), [
    { type: "session.ack", session_id: "missed", fence: 5 },
  ]);
});

test("acknowledgements above the bound drop the oldest", () => {
  const driver = new CoreDriver();
  for (let number = 0; number < 2000; number += 1) driver.core.acknowledge(`c-${number}`, 1);
  const acknowledged = driver.connect().map(({ session_id: id }) => id);
  assert.deepEqual(
    acknowledged,
    Array.from({ length: 1024 }, (_, index) => `c-${index + 976}`),
  );
});

test("the directory is live after its snapshot", () => {
  const driver = connected();
  const command = driver.subscribe();
  assert.equal("resume" in command, false);
  driver.reply(command, {});
  assert.equal(driver.live(), false);
  driver.receive(snapshotMap(4), patchMap(4, 5, { agents: [agentRow("ana", { load: 1 })] }));

  assert.equal(driver.live(), true);
  assert.deepEqual(driver.core.directory.position, { epoch: "e1", seq: 5 });
  const [first, second] = driver.events();
  assert.deepEqual([first.snapshot, second.snapshot, second.agents[0].load], [true, false, 1]);
});

test("the directory resumes its position after a reconnection", () => {
  const driver = subscribed();
  driver.close();
  assert.equal(driver.live(), false);

  const [command] = driver.connect();
  assert.deepEqual(command.resume, { epoch: "e1", seq: 4 });
  driver.events();
  driver.receive(patchMap(4, 4));
  assert.equal(driver.live(), true);
  assert.deepEqual(types(driver.events()), ["directoryChanged"], "nothing has changed, but it is live again");
  driver.receive(patchMap(4, 4));
  assert.deepEqual(driver.events(), []);
});

test("a subscription without a reply is sent once on the next connection", () => {
  const driver = connected();
  const command = driver.subscribe();
  driver.receive(snapshotMap(4));
  driver.close();

  assert.deepEqual(driver.connect(), [{ ...command, resume: { epoch: "e1", seq: 4 } }]);
});

test("a gap in the patch chain is filled by one resume", () => {
  const driver = subscribed();
  driver.receive(patchMap(6, 7), patchMap(7, 8));
  assert.equal(driver.live(), false);

  const [command, ...others] = driver.sent();
  assert.deepEqual([command.resume, others], [{ epoch: "e1", seq: 4 }, []]);
  driver.reply(command, {});
  driver.receive(patchMap(4, 8));
  assert.deepEqual(driver.core.directory.position, { epoch: "e1", seq: 8 });
});

test("a second gap requests a snapshot after a delay", () => {
  const driver = subscribed();
  driver.receive(patchMap(6, 7));
  driver.reply(driver.sent()[0], {});
  driver.receive(patchMap(6, 8));

  assert.deepEqual(driver.sent(), []);
  driver.wait(1000);
  const [command] = driver.sent();
  assert.equal("resume" in command, false);
  driver.reply(command, {});
  driver.receive(snapshotMap(8));
  assert.equal(driver.live(), true);
});

test("an unsubscribed directory stays so after a reconnection", () => {
  const driver = subscribed();
  driver.submit("directory.unsubscribe");
  driver.reply(driver.sent()[0], {});
  driver.receive(patchMap(4, 5));
  assert.deepEqual(driver.core.directory.position, { epoch: "e1", seq: 4 });
  assert.equal(driver.live(), false);
  driver.close();

  assert.deepEqual(driver.connect(), []);
});

test("a rejected subscription is not repeated", () => {
  const driver = connected();
  driver.refuse(driver.subscribe(), "forbidden");
  driver.close();

  assert.deepEqual(driver.connect(), []);
});

test("session.watch is repeated after a reconnection until unwatched", () => {
  const driver = connected();
  driver.submit("session.watch");
  driver.reply(driver.sent()[0], {});
  driver.close();
  const [command] = driver.connect();
  assert.equal(command.type, "session.watch");
  driver.reply(command, {});

  driver.submit("session.unwatch");
  driver.reply(driver.sent()[0], {});
  driver.close();
  assert.deepEqual(driver.connect(), []);
});
