import assert from "node:assert/strict";
import test from "node:test";
import {
  CommandTimeoutError,
  ConflictError,
  InvalidReplyError,
  RelevoError,
  UnavailableError,
} from "../../src/index.js";
import { CoreDriver, NOTE } from "../support/core-driver.js";
import { errorMap, sessionMap } from "../support/wire-messages.js";

test("a reply settles its command and no other", () => {
  const driver = new CoreDriver();
  driver.connect();
  const [first, second] = [driver.note(), driver.note()];
  const commands = new Map(driver.sent().map((command) => [command.id, command]));
  driver.reply(commands.get(second), { entry: 2 });

  assert.deepEqual(driver.core.takeOutcomes(), [{ id: second, result: { entry: 2 } }]);
  driver.reply(commands.get(first), { entry: 1 });
  assert.deepEqual(driver.core.takeOutcomes(), [{ id: first, result: { entry: 1 } }]);
});

test("a mutating command has a key, a reading one has none", () => {
  const driver = new CoreDriver();
  driver.connect();
  driver.note();
  driver.submit("session.get", { session_id: "c-1" });
  driver.submit("session.note", NOTE, 1000, "mine");

  assert.deepEqual(
    driver.sent().map(({ key }) => key),
    ["key-1", undefined, "mine"],
  );
});

test("a final error is the outcome", () => {
  const driver = new CoreDriver();
  driver.connect();
  const id = driver.note();
  driver.refuse(driver.sent()[0], "conflict", { fence: 4 });

  const outcome = driver.outcome(id);
  assert.ok(outcome instanceof ConflictError);
  assert.equal(outcome.fence, 4);
});

test("a command of a lost connection is resent unchanged", () => {
  const driver = new CoreDriver();
  driver.connect();
  driver.note();
  const first = driver.sent();
  driver.close();
  assert.deepEqual(driver.sent(), []);

  assert.deepEqual(driver.connect(), first);
});

test("a retryable error is retried with its key after growing delays", () => {
  const driver = new CoreDriver();
  driver.connect();
  const id = driver.note();
  const [command] = driver.sent();
  for (const waitMs of [500, 1000, 2000, 2000]) {
    driver.refuse(command, "unavailable", { retryable: true });
    assert.deepEqual(driver.sent(), []);
    assert.equal(driver.wakeIn(), waitMs);
    driver.wait(waitMs);
    assert.deepEqual(driver.sent(), [command]);
  }

  driver.reply(command, { entry: 1 });
  assert.deepEqual(driver.outcome(id), { entry: 1 });
});

test("a rate-limited command waits retry_in_ms plus jitter", () => {
  const driver = new CoreDriver();
  driver.connect();
  driver.note();
  driver.refuse(driver.sent()[0], "rate_limited", { retryable: true, retry_in_ms: 7000 });

  assert.equal(driver.wakeIn(), 7500);
});

test("a command at its deadline rejects with the last error", () => {
  const driver = new CoreDriver();
  driver.connect();
  const id = driver.note(5000);
  const [command] = driver.sent();
  driver.refuse(command, "unavailable", { retryable: true });
  driver.wait(5000);

  const outcome = driver.outcome(id);
  assert.ok(outcome instanceof CommandTimeoutError);
  assert.equal(outcome.key, "key-1");
  assert.ok(outcome.cause instanceof UnavailableError);
  driver.reply(command, { entry: 1 });
  assert.deepEqual(driver.core.takeOutcomes(), []);
});

test("a command at its deadline rejects without a connection", () => {
  const driver = new CoreDriver();
  const id = driver.note(5000);
  driver.wait(5000);

  assert.ok(driver.outcome(id) instanceof CommandTimeoutError);
  assert.deepEqual(driver.connect(), []);
});

test("a command whose deadline passed in a sleep is not sent", () => {
  const driver = new CoreDriver();
  driver.connect();
  const id = driver.note();
  driver.sent();
  driver.now += 3_600_000;
  driver.close();

  assert.deepEqual(driver.connect(), []);
  driver.wait(0);
  assert.ok(driver.outcome(id) instanceof CommandTimeoutError);
});

test("a command with an infinite deadline still has an outcome", () => {
  const driver = new CoreDriver();
  driver.connect();
  const id = driver.note(Infinity);
  driver.reply(driver.sent()[0], { entry: 1 });

  assert.deepEqual(driver.outcome(id), { entry: 1 });
});

test("commands beyond inFlightMax wait, in order", () => {
  const driver = new CoreDriver({ inFlightMax: 2 });
  driver.connect();
  const ids = [driver.note(), driver.note(), driver.note(), driver.note()];
  const sent = driver.sent();
  assert.deepEqual(
    sent.map(({ id }) => id),
    ids.slice(0, 2),
  );
  assert.deepEqual(driver.sent(), []);

  driver.reply(sent[1], { entry: 1 });
  assert.deepEqual(
    driver.sent().map(({ id }) => id),
    [ids[2]],
  );
});

test("waiting commands are bounded", () => {
  const driver = new CoreDriver({ inFlightMax: 2, waitingMax: 3 });
  driver.connect();
  for (let number = 0; number < 5; number += 1) driver.note();
  assert.throws(() => driver.note(), { name: "RateLimitedError", retryable: true });

  driver.reply(driver.sent()[0], { entry: 1 });
  driver.note();
  assert.throws(() => driver.note(), { name: "RateLimitedError" });
});

test("a forgotten command is not resent", () => {
  const driver = new CoreDriver();
  driver.connect();
  const id = driver.note();
  driver.sent();
  driver.core.forget(id);
  driver.close();

  assert.deepEqual(driver.connect(), []);
});

test("a command that cannot be sent is settled", () => {
  const driver = new CoreDriver();
  driver.connect();
  const id = driver.note();
  driver.core.reject(id, new RelevoError("too long"));

  assert.equal(driver.outcome(id).message, "too long");
  assert.deepEqual(driver.sent(), []);
});

test("an invalid reply settles its command with InvalidReplyError", () => {
  const driver = new CoreDriver();
  driver.connect();
  const ids = [driver.note(), driver.note()];
  const [first, second] = driver.sent();
  driver.receive({ type: "reply", id: first.id });
  driver.reply(second, { session: sessionMap("c-1", { fence: "one" }) });
  const [one, other] = driver.core.takeOutcomes();

  assert.deepEqual([one.id, other.id], ids);
  assert.ok(one.error instanceof InvalidReplyError);
  assert.match(other.error.message, /session\.fence: expected an integer/);
});

test("a reply with an unknown id is ignored", () => {
  const driver = new CoreDriver();
  driver.connect();
  driver.receive({ type: "reply", id: null, error: errorMap("bad_message") });
  driver.receive({ type: "reply", id: "77", result: {} });

  assert.deepEqual(driver.core.takeOutcomes(), []);
});
