import assert from "node:assert/strict";
import test from "node:test";
import { Driver } from "../support/driver.js";

const types = (messages) => messages.map(({ type }) => type);

function connected() {
  const driver = new Driver();
  driver.connect();
  driver.events();
  return driver;
}

test("a silent router is asked after one and a half of its own ping intervals", () => {
  const driver = connected();
  assert.equal(driver.wakeIn(), 30_000);
  driver.wait(29_999);
  assert.deepEqual(driver.sent(), []);
  driver.wait(1);

  assert.deepEqual(driver.sent(), [{ type: "ping", id: "ping" }]);
  assert.deepEqual(driver.sent(), []);
});

test("a router that answers stays, and whatever it sends is an answer", () => {
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

test("a router that does not answer within ten seconds is left, and the commands in hand go elsewhere", () => {
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

test("time that nobody measured proves nothing: after an hour the router is asked, not left", () => {
  const driver = connected();
  driver.wait(3_600_000);

  assert.equal(driver.core.takeClose(), null);
  assert.deepEqual(types(driver.sent()), ["ping"]);
  assert.equal(driver.core.phase, "ready");
});

test("the router is asked when the network or the screen changes, once", () => {
  for (const tell of [
    (core, now) => core.woke(now),
    (core, now) => core.setOnline(true, now),
    (core, now) => core.setOnline(false, now),
  ]) {
    const driver = connected();
    tell(driver.core, driver.now);
    tell(driver.core, driver.now);

    assert.deepEqual(types(driver.sent()), ["ping"]);
    assert.equal(driver.wakeIn(), 10_000);
  }
});

test("a connection that is not there is not asked", () => {
  const driver = new Driver();
  driver.core.woke(driver.now);
  driver.open();
  driver.core.woke(driver.now);

  assert.deepEqual(driver.sent(), []);
});
