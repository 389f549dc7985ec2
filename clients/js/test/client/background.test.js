/** Background tabs, sleep and network changes do not make an agent's presence flap. */

import assert from "node:assert/strict";
import test from "node:test";
import { pageSignals } from "../../src/index.js";
import { settle, FakeEnvironment } from "../support/fake-environment.js";
import { ENTRY } from "../support/wire-messages.js";

test("a live connection survives timers that fire a minute late", async (t) => {
  const environment = new FakeEnvironment(t);
  const { client, socket } = await environment.connected();
  const seen = [];
  client.on("disconnected", (event) => seen.push(event));
  let pings = 0;
  for (let minute = 0; minute < 10; minute += 1) {
    environment.sleep(60_000);
    environment.wake();
    await settle();
    // The router answers at once; the page hears it before its next timer.
    for (const { type } of socket.inbound.splice(0)) {
      if (type !== "ping") continue;
      pings += 1;
      socket.push({ type: "pong", id: "ping" });
    }
  }

  assert.ok(pings > 1);
  assert.equal(client.state, "connected");
  assert.equal(socket.closedBy, null);
  assert.deepEqual(seen, []);
});

test("messages in the socket after a sleep are read before time-outs", async (t) => {
  const environment = new FakeEnvironment(t);
  const { client, socket } = await environment.connected();
  const noting = client.sessions.note("c-1", "hola");
  const command = await socket.expect("session.note");
  environment.sleep(60_000);
  // The overdue timer fires first, then the socket's events, as a browser may order them.
  environment.wake();
  socket.reply(command, { entry: ENTRY });
  await environment.pass(100);

  assert.equal((await noting).text, "hola");
});

test("a dead connection is replaced at once after a sleep", async (t) => {
  const environment = new FakeEnvironment(t);
  const { socket } = await environment.connected();
  socket.dead = true;
  environment.sleep(3_600_000);
  environment.wake();
  await environment.pass(100);
  assert.deepEqual(
    socket.inbound.map(({ type }) => type),
    ["ping"],
  );
  await environment.pass(10_000);
  assert.equal(socket.closedBy.code, 4000);

  await (await environment.nextSocket()).letIn();
});

test("a client has one timer, and none once closed", async (t) => {
  const armed = new Set();
  const environment = new FakeEnvironment(t);
  const { setTimeout: mocked, clearTimeout: clearMocked } = globalThis;
  t.mock.method(globalThis, "setTimeout", (callback, delayMs) => {
    const timer = mocked(() => {
      armed.delete(timer);
      callback();
    }, delayMs);
    armed.add(timer);
    return timer;
  });
  t.mock.method(globalThis, "clearTimeout", (timer) => {
    armed.delete(timer);
    clearMocked(timer);
  });
  const { client, socket } = await environment.connected();
  for (let number = 0; number < 5; number += 1) {
    socket.push({ type: "pong", id: "1" });
    void client.sessions.note("c-1", "hola").catch(() => {});
  }
  await settle();
  assert.equal(armed.size, 1);
  await client.close();
  assert.equal(armed.size, 0);
});

function makePage() {
  const listeners = new Map();
  const source = (name) => ({
    addEventListener: (type, listener) => void listeners.set(`${name}.${type}`, listener),
    removeEventListener: (type) => void listeners.delete(`${name}.${type}`),
  });
  const page = {
    ...source("window"),
    document: { ...source("document"), visibilityState: "hidden" },
    navigator: { onLine: true },
  };
  return { page, listeners, fire: (name) => listeners.get(name)() };
}

test("a page that becomes visible, wakes or comes online sends a ping", async (t) => {
  for (const name of [
    "document.visibilitychange",
    "document.resume",
    "window.pageshow",
    "window.online",
    "window.offline",
  ]) {
    await t.test(name, async (t) => {
      const { page, listeners, fire } = makePage();
      const { client, socket } = await new FakeEnvironment(t).connected({ signals: pageSignals(page) });
      page.document.visibilityState = "visible";
      fire(name);
      await socket.expect("ping");
      await client.close();
      assert.equal(listeners.size, 0);
    });
  }
});

test("a page that becomes hidden causes no event", async (t) => {
  const { page, fire } = makePage();
  const { socket } = await new FakeEnvironment(t).connected({ signals: pageSignals(page) });
  fire("document.visibilitychange");
  await settle();

  assert.deepEqual(socket.inbound, []);
});

test("a page that starts offline reports it", () => {
  const reported = [];
  const { page } = makePage();
  page.navigator.onLine = false;
  pageSignals(page)({ wake() {}, online: (online) => reported.push(online) });

  assert.deepEqual(reported, [false]);
});

test("a platform without a page causes no event", () => {
  pageSignals({})({ wake: assert.fail, online: assert.fail })();
});

test("wake and setOnline replace page events in an app", async (t) => {
  const environment = new FakeEnvironment(t);
  const { client, socket } = await environment.connected();
  client.setOnline(false);
  socket.push({ type: "pong", id: "1" });
  socket.cut();
  client.setOnline(true);
  await environment.pass(250);

  assert.equal(environment.sockets.length, 1);
});
