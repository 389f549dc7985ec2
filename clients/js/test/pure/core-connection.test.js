import assert from "node:assert/strict";
import test from "node:test";
import { ClientClosedError, SentAwayError, SignInRefusedError, TokenExpiredError } from "../../src/index.js";
import { CoreDriver, SETTINGS } from "../support/core-driver.js";
import { sessionMap, welcomeMap } from "../support/wire-messages.js";

test("hello is the first message and commands wait for the welcome", () => {
  const driver = new CoreDriver();
  driver.note();
  const hello = driver.open();

  assert.deepEqual([hello.type, hello.token], ["hello", "jwt"]);
  assert.match(hello.client, /^relevo-client-js\//);
  assert.deepEqual(driver.sent(), []);
  driver.receive(welcomeMap());
  assert.deepEqual(
    driver.sent().map(({ type }) => type),
    ["session.note"],
  );
});

test("a welcome fills the inbox and emits connected", () => {
  const driver = new CoreDriver();
  driver.connect({ in_progress: [sessionMap("a")], pending: [sessionMap("b", { state: "pending" })] });
  const [event] = driver.events();

  assert.deepEqual([event.type, event.reconnected, event.welcome.tenant], ["connected", false, "acme"]);
  assert.deepEqual([...driver.core.inbox.inProgress.keys()], ["a"]);
  assert.deepEqual([...driver.core.inbox.pending.keys()], ["b"]);
});

test("a back end has no agent and an empty inbox", () => {
  const driver = new CoreDriver();
  driver.connect({ role: "service", agent: null });

  assert.equal(driver.core.welcome.agent, null);
});

test("a rejected hello is final", () => {
  const driver = new CoreDriver();
  const id = driver.note();
  driver.refuse(driver.open(), "unauthorized");
  driver.close(4500);

  assert.equal(driver.core.phase, "stopped");
  assert.ok(driver.core.stop instanceof SignInRefusedError);
  assert.equal(driver.outcome(id), driver.core.stop);
  const [event] = driver.events();
  assert.deepEqual([event.type, event.reconnectInMs, event.error], ["disconnected", null, driver.core.stop]);
});

test("a rejected hello is final without its close code", () => {
  const driver = new CoreDriver();
  driver.refuse(driver.open(), "forbidden");
  driver.close(1006);

  assert.ok(driver.core.stop instanceof SentAwayError);
  assert.equal(driver.core.stop.closeCode, 1006);
});

test("a hello with a retryable error is retried", () => {
  const driver = new CoreDriver();
  driver.refuse(driver.open(), "unavailable", { retryable: true });
  driver.close(4003, "the store was lost");

  assert.deepEqual([driver.core.phase, driver.wakeIn()], ["offline", 500]);
  assert.deepEqual(driver.events(), [
    { type: "unreachable", reason: "the store was lost", attempts: 1, reconnectInMs: 500 },
  ]);
});

test("a router without a welcome in time is left", () => {
  const driver = new CoreDriver();
  driver.open();
  assert.equal(driver.wakeIn(), SETTINGS.helloTimeoutMs);
  driver.wait(SETTINGS.helloTimeoutMs);

  assert.deepEqual(driver.core.takeClose(), { code: 4000, reason: "no welcome in time" });
  assert.equal(driver.core.takeClose(), null);
  assert.equal(driver.core.phase, "offline");
});

test("an attempt without a connection times out", () => {
  const driver = new CoreDriver();
  assert.ok(driver.core.takeConnect(driver.now));
  assert.equal(driver.core.takeConnect(driver.now), false);
  driver.wait(SETTINGS.attemptTimeoutMs);

  assert.equal(driver.core.takeClose().reason, "no connection in time");
  assert.equal(driver.core.phase, "offline");
});

for (const code of [1000, 1006, 1011, 4000, 4001, 4002, 4003]) {
  test(`a connection closed with ${code} is retried after a jittered delay`, () => {
    const driver = new CoreDriver();
    driver.connect();
    driver.events();
    driver.close(code, "bye");

    assert.deepEqual(driver.events(), [
      { type: "disconnected", closeCode: code, reason: "bye", reconnectInMs: 500, error: null },
    ]);
    assert.equal(driver.core.takeConnect(driver.now + 499), false);
    driver.connect();
    assert.equal(driver.events()[0].reconnected, true);
  });
}

test("failed attempts wait longer each time, up to the cap", () => {
  const driver = new CoreDriver();
  const waits = Array.from({ length: 7 }, () => {
    driver.now = driver.core.wakeAt(driver.now);
    driver.core.takeConnect(driver.now);
    driver.close(1006);
    return driver.wakeIn();
  });

  assert.deepEqual(waits, [500, 1000, 2000, 4000, 7500, 7500, 7500]);
  assert.deepEqual(
    driver.events().map(({ type, attempts }) => [type, attempts]),
    [1, 2, 3, 4, 5, 6, 7].map((attempts) => ["unreachable", attempts]),
  );
});

test("only a stable connection resets the delays", () => {
  const driver = new CoreDriver();
  const waits = [0, 0, 0, 10_000, 0].map((livedMs) => {
    driver.connect();
    driver.now += livedMs;
    driver.close();
    return driver.wakeIn();
  });

  assert.deepEqual(waits, [500, 1000, 2000, 500, 1000]);
});

for (const [code, kind] of [
  [4501, TokenExpiredError],
  [4502, SentAwayError],
]) {
  test(`a close with ${code} ends the client`, () => {
    const driver = new CoreDriver();
    driver.connect();
    driver.events();
    const id = driver.note();
    driver.close(code, "why");

    assert.ok(driver.outcome(id) instanceof kind);
    assert.ok(driver.events()[0].error instanceof kind);
    assert.throws(() => driver.note(), kind);
    assert.equal(driver.core.wakeAt(driver.now), Infinity);
  });
}

test("an expired token ends a client only if it cannot be renewed", () => {
  const driver = new CoreDriver({ tokenRenewable: true });
  driver.connect();
  driver.close(4501);
  assert.equal(driver.core.phase, "offline");

  driver.refuse(driver.open("fresh"), "unauthorized");
  driver.close(4500);
  assert.ok(driver.core.stop instanceof SignInRefusedError);
});

test("a draining router is left at its time for the next at once", () => {
  const driver = new CoreDriver();
  driver.connect();
  driver.events();
  driver.receive({ type: "server.draining", reconnect_in_ms: 3000 });
  assert.deepEqual(driver.events(), [{ type: "serverDraining", reconnectInMs: 3000, extra: {} }]);
  assert.equal(driver.wakeIn(), 3000);

  driver.wait(2999);
  assert.equal(driver.core.takeClose(), null);
  driver.wait(1);
  assert.equal(driver.core.takeClose().code, 4000, "1000 would show the agent disconnected at once");
  assert.ok(driver.core.takeConnect(driver.now));
});

test("a draining router that closes early gets the rest of its time", () => {
  const driver = new CoreDriver();
  driver.connect();
  driver.receive({ type: "server.draining", reconnect_in_ms: 3000 });
  driver.wait(1000);
  driver.close(4000);

  assert.equal(driver.wakeIn(), 2000);
});

test("shut fails pending commands", () => {
  const driver = new CoreDriver();
  driver.connect();
  const id = driver.note();
  driver.core.shut();

  assert.ok(driver.outcome(id) instanceof ClientClosedError);
  assert.deepEqual(driver.core.takeClose(), { code: 1000, reason: "" });
  driver.close(4502);
  assert.ok(driver.core.stop instanceof ClientClosedError);
});

test("a fresh token is sent, and dropped with its connection", () => {
  const driver = new CoreDriver();
  driver.connect();
  driver.core.refreshToken("fresh");
  const [command] = driver.sent();
  assert.deepEqual([command.type, command.token, "key" in command], ["token.refresh", "fresh", false]);
  driver.close();

  assert.deepEqual(driver.connect(), []);
});

test("a page visible or online again brings the next attempt forward", () => {
  for (const trigger of [(core, now) => core.woke(now), (core, now) => core.setOnline(true, now)]) {
    const driver = new CoreDriver();
    for (let failures = 0; failures < 6; failures += 1) {
      driver.now = driver.core.wakeAt(driver.now);
      driver.core.takeConnect(driver.now);
      driver.close();
    }
    assert.equal(driver.wakeIn(), 7500);
    trigger(driver.core, driver.now);

    assert.equal(driver.wakeIn(), 500, "with jitter: many clients come back at once");
  }
});

test("attempts without a network use the longest delay", () => {
  const driver = new CoreDriver();
  driver.core.setOnline(false, driver.now);
  driver.core.takeConnect(driver.now);
  driver.close();

  assert.equal(driver.wakeIn(), 7500);
});
