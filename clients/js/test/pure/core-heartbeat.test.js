import assert from "node:assert/strict";
import test from "node:test";
import { CoreDriver } from "../support/core-driver.js";

const types = (messages) => messages.map(({ type }) => type);

function connected() {
  const driver = new CoreDriver();
  driver.connect();
  driver.events();
  return driver;
}

test("a silent router is pinged after 1.5 of its ping intervals", () => {
  const driver = connected();
  assert.equal(driver.wakeIn(), 30_000);
  driver.wait(29_999);
  assert.deepEqual(driver.sent(), []);
  driver.wait(1);

  assert.deepEqual(driver.sent(), [{ type: "ping", id: "ping" }]);
  assert.deepEqual(driver.sent(), []);
});

test("any message counts as the reply to a ping", () => {
  for (const answer of [{ type: "pong", id: "ping" }, { type: "news.of.tomorrow" }]) {
    const driver = connected();
    driver.wait(30_000);
    driver.sent();
    driver.wait(9_999);
    driver.receive(answer);
    driver.wait(1);

    assert.equal(driver.core.phase, "ready");
    assert.equal(driver.wakeIn(), 29_999);
  }
});

test("a ping without a reply for 10 s moves the commands elsewhere", () => {
  const driver = connected();
  driver.note();
  const [note] = driver.sent();
  driver.wait(5_000);
  assert.deepEqual(types(driver.sent()), ["ping"], "a command without a reply is reason enough to ask");
  driver.wait(10_000);

  assert.deepEqual(driver.core.takeClose(), { code: 4000, reason: "no answer from the router" });
  assert.deepEqual(
    driver.events().map(({ type, closeCode }) => [type, closeCode]),
    [["disconnected", 1006]],
  );
  assert.deepEqual(driver.connect(), [note]);
});

test("after a sleep of an hour the router is pinged, not left", () => {
  const driver = connected();
  driver.wait(3_600_000);

  assert.equal(driver.core.takeClose(), null);
  assert.deepEqual(types(driver.sent()), ["ping"]);
  assert.equal(driver.core.phase, "ready");
});

test("a change of network or visibility sends one ping", () => {
  for (const trigger of [
    (core, now) => core.woke(now),
    (core, now) => core.setOnline(true, now),
    (core, now) => core.setOnline(false, now),
  ]) {
    const driver = connected();
    trigger(driver.core, driver.now);
    trigger(driver.core, driver.now);

    assert.deepEqual(types(driver.sent()), ["ping"]);
    assert.equal(driver.wakeIn(), 10_000);
  }
});

test("a client without a connection sends no ping", () => {
  const driver = new CoreDriver();
  driver.core.woke(driver.now);
  driver.open();
  driver.core.woke(driver.now);

  assert.deepEqual(driver.sent(), []);
});
