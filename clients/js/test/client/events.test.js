import assert from "node:assert/strict";
import test from "node:test";
import { SentAwayError } from "../../src/index.js";
import { FakeEnvironment } from "../support/fake-environment.js";
import { agentRow, sessionMap, transferMap } from "../support/wire-messages.js";

const assigned = (id) => ({ type: "session.assigned", session: sessionMap(id), transfer: transferMap(id) });

test("a listener is called for its type, after the inbox, until removed", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected();
  const received = [];
  const off = client.on("sessionAssigned", ({ session, transfer }) => {
    received.push([session.id, transfer.by.name, client.inbox.inProgress.size]);
  });
  socket.push(assigned("c-1"), { type: "session.changed", session: sessionMap("c-9") });
  off();
  socket.push(assigned("c-2"));

  assert.deepEqual(received, [["c-1", "Bo", 1]]);
  const ack = await socket.expect("session.ack");
  assert.deepEqual([ack.session_id, ack.fence], ["c-1", 1]);
});

test("a listener that throws is reported as uncaught; others run", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected();
  const uncaught = new Promise((resolve) => {
    const [before] = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.once("unhandledRejection", (error) => {
      if (before) process.on("unhandledRejection", before);
      resolve(error);
    });
  });
  const received = [];
  client.on("sessionAssigned", () => {
    throw new Error("mine");
  });
  client.on("sessionAssigned", ({ session }) => received.push(session.id));
  socket.push(assigned("c-1"));

  assert.deepEqual(received, ["c-1"]);
  assert.equal((await uncaught).message, "mine");
  assert.equal(client.state, "connected");
});

test("a loop gets every event until the client is closed", async (t) => {
  const environment = new FakeEnvironment(t);
  const client = environment.client();
  const events = client.events();
  const starting = client.start();
  const socket = await environment.nextSocket();
  await socket.letIn();
  await starting;
  socket.push(assigned("c-1"));
  await client.close();
  const types = [];
  for await (const event of events) types.push(event.type);

  assert.deepEqual(types, ["stateChanged", "connected", "sessionAssigned", "stateChanged"]);
});

test("a loop that is left gets no more events; others do", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected();
  const first = client.events();
  const second = client[Symbol.asyncIterator]();
  socket.push(assigned("c-1"), assigned("c-2"));
  // A loop begins with the connection as it is.
  for (const loop of [first, second]) assert.equal((await loop.next()).value.type, "connected");
  for await (const event of first) {
    assert.equal(event.session.id, "c-1");
    break;
  }
  assert.deepEqual(await first.next(), { value: undefined, done: true });
  assert.equal((await second.next()).value.session.id, "c-1");
  const waiting = [second.next(), second.next()];
  socket.push(assigned("c-3"));

  assert.deepEqual(
    (await Promise.all(waiting)).map(({ value }) => value.session.id),
    ["c-2", "c-3"],
  );
});

test("a loop throws the error that ended the client", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected();
  const events = client.events();
  socket.cut(4502, "removed");

  const types = [];
  let last;
  while (last?.type !== "disconnected") types.push((last = (await events.next()).value).type);
  assert.deepEqual(types, ["connected", "stateChanged", "disconnected"]);
  assert.deepEqual([last.type, last.closeCode, last.reconnectInMs], ["disconnected", 4502, null]);
  assert.ok(last.error instanceof SentAwayError);
  await assert.rejects(events.next(), SentAwayError);
});

test("a slow loop gets eventsLost with the count", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected({ eventsMax: 2 });
  const events = client.events();
  socket.push([1, 2, 3, 4].map((number) => assigned(`c-${number}`)));
  const taken = [];
  for (let count = 0; count < 3; count += 1) taken.push((await events.next()).value);

  assert.deepEqual(taken[0], { type: "eventsLost", count: 3 });
  assert.deepEqual(
    taken.slice(1).map(({ session }) => session.id),
    ["c-3", "c-4"],
  );
  assert.equal(client.inbox.inProgress.size, 4);
});

test("ack sends session.ack when acknowledge is false", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected({ acknowledge: false });
  client.on("sessionAssigned", ({ session }) => client.sessions.ack(session.id, session.fence));
  socket.push(assigned("c-1"));

  assert.deepEqual(await socket.expect("session.ack"), { type: "session.ack", session_id: "c-1", fence: 1 });
});

test("the state follows the connection", async (t) => {
  const environment = new FakeEnvironment(t);
  const client = environment.client();
  const states = [client.state];
  client.on("stateChanged", ({ state, error }) => {
    assert.deepEqual([state, error], [client.state, client.error]);
    states.push(state);
  });
  const starting = client.start();
  const socket = await environment.nextSocket();
  await socket.letIn();
  await starting;
  socket.cut(1006, "");
  await (await environment.nextSocket()).letIn();
  await client.close();

  assert.deepEqual(states, ["connecting", "connected", "connecting", "connected", "stopped"]);
});

test("the own row is live without the directory", async (t) => {
  const { client, socket } = await new FakeEnvironment(t).connected();
  socket.push({ type: "agent.changed", agent: agentRow("ana", { load: 3 }) });

  assert.equal(client.agent.load, 3);
});
