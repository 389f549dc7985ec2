/** A background tab, a sleeping laptop, a network that changes: nobody's agent flaps for it. */

import assert from "node:assert/strict";
import test from "node:test";
import { pageSignals } from "../../src/index.js";
import { settle, World } from "../support/world.js";
import { ENTRY } from "../support/wire.js";

test("in a page whose timers fire a minute late, a connection that lives is kept", async (t) => {
  const world = new World(t);
  const { client, socket } = await world.connected();
  const seen = [];
  client.on("disconnected", (event) => seen.push(event));
  let pings = 0;
  for (let minute = 0; minute < 10; minute += 1) {
    world.sleep(60_000);
    world.wake();
    await settle();
    // The router answers at once; the page hears it before its next timer.
    for (const { type } of socket.inbound.splice(0)) {
      if (type !== "ping") continue;
      pings += 1;
      socket.push({ type: "pong", id: "ping" });
    }
  }

  assert.ok(pings > 1);
  assert.equal(client.connected, true);
  assert.equal(socket.closedBy, null);
  assert.deepEqual(seen, []);
});

test("what waits in the socket after a sleep counts before anything is called overdue", async (t) => {
  const world = new World(t);
  const { client, socket } = await world.connected();
  const noting = client.note("c-1", "hola");
  const command = await socket.expect("session.note");
  world.sleep(60_000);
  // The overdue timer fires first, then the socket's events, as a browser may order them.
  world.wake();
  socket.reply(command, { entry: ENTRY });
  await world.pass(100);

  assert.equal((await noting).text, "hola");
});

test("a dead connection is found after a sleep, and made again at once", async (t) => {
  const world = new World(t);
  const { socket } = await world.connected();
  socket.dead = true;
  world.sleep(3_600_000);
  world.wake();
  await world.pass(100);
  assert.deepEqual(
    socket.inbound.map(({ type }) => type),
    ["ping"],
  );
  await world.pass(10_000);
  assert.equal(socket.closedBy.code, 4000);

  await (await world.nextSocket()).letIn();
});

test("a client keeps no other timer than one, and none once it is closed", async (t) => {
  const armed = new Set();
  const world = new World(t);
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
  const { client, socket } = await world.connected();
  for (let number = 0; number < 5; number += 1) {
    socket.push({ type: "pong", id: "1" });
    void client.note("c-1", "hola").catch(() => {});
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

test("a page that comes into sight, wakes or comes on line has its connection looked after", async (t) => {
  for (const name of [
    "document.visibilitychange",
    "document.resume",
    "window.pageshow",
    "window.online",
    "window.offline",
  ]) {
    await t.test(name, async (t) => {
      const { page, listeners, fire } = makePage();
      const { client, socket } = await new World(t).connected({ signals: pageSignals(page) });
      page.document.visibilityState = "visible";
      fire(name);
      await socket.expect("ping");
      await client.close();
      assert.equal(listeners.size, 0);
    });
  }
});

test("a page that goes out of sight does nothing", async (t) => {
  const { page, fire } = makePage();
  const { socket } = await new World(t).connected({ signals: pageSignals(page) });
  fire("document.visibilitychange");
  await settle();

  assert.deepEqual(socket.inbound, []);
});

test("a page that starts without a network says so", () => {
  const told = [];
  const { page } = makePage();
  page.navigator.onLine = false;
  pageSignals(page)({ wake() {}, online: (online) => told.push(online) });

  assert.deepEqual(told, [false]);
});

test("where there is no page nothing is ever told", () => {
  pageSignals({})({ wake: assert.fail, online: assert.fail })();
});

test("an app tells by hand what no page tells", async (t) => {
  const world = new World(t);
  const { client, socket } = await world.connected();
  client.setOnline(false);
  socket.push({ type: "pong", id: "1" });
  socket.cut();
  client.setOnline(true);
  await world.pass(250);

  assert.equal(world.sockets.length, 1);
});
