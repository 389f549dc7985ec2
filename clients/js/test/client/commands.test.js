import assert from "node:assert/strict";
import test from "node:test";
import {
  BadMessageError,
  ClientClosedError,
  CommandAbortedError,
  CommandTimeoutError,
  ConflictError,
  InvalidReplyError,
  Target,
} from "../../src/index.js";
import { FakeEnvironment } from "../support/fake-environment.js";
import {
  agentRow,
  departmentRow,
  ENTRY,
  sessionMap,
  snapshotMap,
  transferMap,
} from "../support/wire-messages.js";

test("each command has a method with a typed result", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected();
  const session = sessionMap();
  const calls = [
    [() => client.agents.setStatus("pause"), { type: "status.set", status: "pause" }, { agent: agentRow() }],
    [
      () => client.agents.setStatus("disconnected", { agentId: "bo" }),
      { type: "status.set", status: "disconnected", agent_id: "bo" },
      { agent: agentRow("bo") },
    ],
    [
      () => client.sessions.open("c-1", { id: "u-1", name: "Eva" }, Target.department("sales")),
      {
        type: "session.open",
        session_id: "c-1",
        customer: { id: "u-1", name: "Eva" },
        target: { kind: "department", id: "sales" },
      },
      { session },
    ],
    [
      () => client.sessions.transfer("c-1", Target.agent("bo"), { reason: "busy", fence: 3, key: "mine" }),
      {
        type: "session.transfer",
        session_id: "c-1",
        target: { kind: "agent", id: "bo" },
        reason: "busy",
        fence: 3,
        key: "mine",
      },
      { session, transfer: transferMap() },
    ],
    [
      () => client.sessions.accept("c-1", { fence: 2 }),
      { type: "session.accept", session_id: "c-1", fence: 2 },
      { session },
    ],
    [
      () => client.sessions.decline("c-1", { reason: "no" }),
      { type: "session.decline", session_id: "c-1", reason: "no" },
      { session },
    ],
    [() => client.sessions.recall("c-1"), { type: "session.recall", session_id: "c-1" }, { session }],
    [
      () => client.sessions.note("c-1", "hola"),
      { type: "session.note", session_id: "c-1", text: "hola" },
      { entry: ENTRY },
    ],
    [() => client.sessions.close("c-1"), { type: "session.close", session_id: "c-1" }, { session }],
    [() => client.sessions.get("c-1"), { type: "session.get", session_id: "c-1" }, { session }],
    [() => client.sessions.place("c-1"), { type: "session.place", session_id: "c-1" }, { place: 3 }],
    [
      () => client.sessions.explain("c-1", { seq: 3, agentId: "ana" }),
      { type: "session.explain", session_id: "c-1", seq: 3, agent_id: "ana" },
      { decision: null, why_not: "behind" },
    ],
    [
      () => client.sessions.historyPage("c-1", { after: 0, limit: 5 }),
      { type: "session.history", session_id: "c-1", after: 0, limit: 5 },
      { entries: [ENTRY], more: false },
    ],
    [
      () => client.sessions.listPage({ state: "queued", departmentId: "sales" }),
      { type: "session.list", state: "queued", department_id: "sales" },
      { sessions: [session], cursor: null },
    ],
    [
      () => client.agents.put("bo", "Bo", { departments: ["sales"] }),
      {
        type: "agent.put",
        agent: { id: "bo", name: "Bo", role: "agent", departments: ["sales"], capacity: 10 },
      },
      { agent: agentRow("bo") },
    ],
    [() => client.agents.remove("bo"), { type: "agent.remove", agent_id: "bo" }, {}],
    [
      () => client.departments.put("sales", "Sales"),
      { type: "department.put", department: { id: "sales", name: "Sales" } },
      { department: departmentRow() },
    ],
    [() => client.departments.remove("sales"), { type: "department.remove", department_id: "sales" }, {}],
    [() => client.sessions.watch(), { type: "session.watch" }, {}],
    [
      () => client.sessions.watch({ resume: { epoch: "e", seq: 4 } }),
      { type: "session.watch", resume: { epoch: "e", seq: 4 } },
      { resumed: true },
    ],
    [() => client.sessions.unwatch(), { type: "session.unwatch" }, {}],
    [() => client.directory.unsubscribe(), { type: "directory.unsubscribe" }, {}],
    [() => client.refreshToken("new"), { type: "token.refresh", token: "new" }, { expires_at: 7 }],
  ];
  for (const [call, message, result] of calls) {
    const answering = call();
    const { id, key, ...sent } = await socket.expect(message.type);
    assert.deepEqual({ ...sent, ...(message.key && { key }) }, message);
    socket.reply({ id }, result);
    await answering;
  }
});

test("a whole row can be passed as customer and target", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected();
  const transferring = client.sessions.transfer("c-1", {
    .../** @type {any} */ (agentRow("bo")),
    kind: "agent",
  });
  const command = await socket.expect("session.transfer");
  assert.deepEqual(command.target, { kind: "agent", id: "bo" });
  socket.reply(command, { session: sessionMap("c-1", { opened_at: 42 }), transfer: transferMap() });
  const { session, transfer } = await transferring;

  assert.equal(session.openedAt, 42);
  assert.deepEqual([transfer.sessionId, transfer.assignedTo, transfer.from.name], ["c-1", null, "Bo"]);
});

test("a rejected command throws its typed error", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected();
  const accepting = client.sessions.accept("c-1");
  socket.refuse(await socket.expect("session.accept"), "conflict", { fence: 9 });

  await assert.rejects(accepting, (error) => error instanceof ConflictError && error.fence === 9);
});

test("commands given together share a frame; replies come in any order", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected();
  const before = socket.frames;
  const getting = [1, 2, 3, 4].map((number) => client.sessions.get(`c-${number}`));
  const commands = [];
  for (const _ of getting) commands.push(await socket.expect("session.get"));
  assert.equal(socket.frames, before + 1);
  for (const command of commands.reverse())
    socket.reply(command, { session: sessionMap(command.session_id) });

  assert.deepEqual(
    (await Promise.all(getting)).map(({ id }) => id),
    ["c-1", "c-2", "c-3", "c-4"],
  );
});

test("a command without a reply times out, also offline", async (t) => {
  const environment = new FakeEnvironment(t);
  const { client, socket } = await environment.connected();
  const answered = assert.rejects(
    client.sessions.note("c-1", "hola", { key: "mine", timeout: 20 }),
    (error) => error instanceof CommandTimeoutError && error.key === "mine",
  );
  await environment.pass(20);
  await answered;

  socket.cut();
  const later = assert.rejects(client.sessions.get("c-1", { timeout: 20 }), CommandTimeoutError);
  await environment.pass(20);
  await later;
});

test("an aborted command is not resent and frees its slot", async (t) => {
  const environment = new FakeEnvironment(t);
  const { client, socket } = await environment.connected({ inFlightMax: 1 });
  const controller = new AbortController();
  const { signal } = controller;
  const given = assert.rejects(client.sessions.note("c-1", "hola", { signal }), { name: "AbortError" });
  const getting = client.sessions.get("c-2");
  await socket.expect("session.note");
  controller.abort();
  await given;
  socket.reply(await socket.expect("session.get"), { session: sessionMap("c-2") });

  assert.equal((await getting).id, "c-2");
  await assert.rejects(client.sessions.note("c-1", "hola", { signal }), { name: "AbortError" });
  const silent = { aborted: true, addEventListener() {}, removeEventListener() {} };
  await assert.rejects(client.sessions.note("c-1", "hola", { signal: silent }), CommandAbortedError);
  socket.cut();
  const next = await environment.nextSocket();
  await next.letIn();
  await environment.pass(0);
  assert.deepEqual(next.inbound, []);
});

test("an invalid command is rejected before it is sent", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected();
  await assert.rejects(client.sessions.note("c-1", "x".repeat(70_000)), BadMessageError);
  await assert.rejects(client.sessions.note("c-1", "é".repeat(33_000)), BadMessageError);
  await assert.rejects(client.sessions.note("c-1", "\ud800"), BadMessageError);
  await assert.rejects(client.command("session.note", { text: NaN }), BadMessageError);

  const getting = client.sessions.get("c-1");
  socket.reply(await socket.expect("session.get"), { session: sessionMap() });
  assert.equal((await getting).id, "c-1");
});

test("a codec that fails on a message fails that command only", async (t) => {
  const codec = {
    subprotocol: "relevo.v1.json",
    encode(message) {
      if (message.text === "!") throw new Error("no form");
      return JSON.stringify(message);
    },
    join: (messages) => `[${messages}]`,
    decode: (data) => [JSON.parse(data)],
  };
  const { client, socket } = await new FakeEnvironment(t).connected({ codec });
  const refused = assert.rejects(client.sessions.note("c-1", "!"), BadMessageError);
  const noting = client.sessions.note("c-1", "?");
  await refused;
  socket.reply(await socket.expect("session.note"), { entry: ENTRY });
  await noting;
});

test("a result of another shape rejects with InvalidReplyError", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected();
  const getting = client.sessions.historyPage("c-1");
  socket.reply(await socket.expect("session.history"), { entries: [{ ...ENTRY, seq: "1" }], more: false });

  await assert.rejects(
    getting,
    (error) => error instanceof InvalidReplyError && /entries\[0\]\.seq/.test(error.message),
  );
});

test("histories and lists are iterated page by page", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected();
  const reading = (async () => {
    const seqs = [];
    for await (const entry of client.sessions.history("c-1", { after: 4 })) seqs.push(entry.seq);
    return seqs;
  })();
  for (const [after, entries, more] of [
    [4, [5, 6], true],
    [6, [7], true],
    [7, [], true],
  ]) {
    const command = await socket.expect("session.history");
    assert.equal(command.after, after);
    socket.reply(command, { entries: entries.map((seq) => ({ ...ENTRY, seq })), more });
  }
  assert.deepEqual(await reading, [5, 6, 7]);

  const listing = (async () => {
    const ids = [];
    for await (const session of client.sessions.list({ state: "pending", agentId: "ana" }))
      ids.push(session.id);
    return ids;
  })();
  for (const [cursor, id, next] of [
    [undefined, "c-1", "more"],
    ["more", "c-2", null],
  ]) {
    const command = await socket.expect("session.list");
    assert.deepEqual([command.cursor, command.state, command.agent_id], [cursor, "pending", "ana"]);
    socket.reply(command, { sessions: [sessionMap(id)], cursor: next });
  }
  assert.deepEqual(await listing, ["c-1", "c-2"]);
});

test("subscribeDirectory resolves when the directory is loaded", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected();
  const subscribing = client.directory.subscribe();
  socket.reply(await socket.expect("directory.subscribe"), {});
  socket.push(snapshotMap(3));
  const directory = await subscribing;

  assert.equal(directory.live, true);
  assert.deepEqual([...directory.agents.keys()], ["ana"]);
});

test("a subscription without a snapshot times out", async (t) => {
  const environment = new FakeEnvironment(t);
  const { client, socket } = await environment.connected();
  const refused = assert.rejects(client.directory.subscribe({ timeout: 50 }), CommandTimeoutError);
  socket.reply(await socket.expect("directory.subscribe"), {});
  await environment.pass(50);
  await refused;
});

test("a client not started, or closed, rejects commands", async (t) => {
  const environment = new FakeEnvironment(t);
  await assert.rejects(environment.client().sessions.get("c-1"), ClientClosedError);

  const { client } = await environment.connected();
  await client.close();
  await assert.rejects(client.sessions.get("c-1"), ClientClosedError);
});
