import assert from "node:assert/strict";
import { test } from "node:test";
import {
  applyRecall,
  applyUpdate,
  describeError,
  describeRemoval,
  describeTransfer,
  isWaiting,
  startProgress,
} from "../transfer-state.js";
import { ENGLISH } from "../locales/index.js";
import { agent, department, directory, session, transfer } from "./rows.js";

const rows = directory({
  agents: [agent("ana", { name: "Ana", status: "pause" }), agent("leo", { name: "Leo" })],
  departments: [department("billing", { name: "Billing" })],
});
const context = { words: ENGLISH, rows, me: "me" };
const pending = () =>
  startProgress({ session: session({ state: "pending" }), transfer: transfer({ outcome: "pending" }) });
const queued = () =>
  startProgress({
    session: session({ state: "queued", owner: { kind: "department", id: "billing" } }),
    transfer: transfer({ outcome: "queued", to: { kind: "department", id: "billing", name: "Billing" } }),
  });
const update = (/** @type {any} */ state, facts = {}, fence = 3) => ({
  type: /** @type {const} */ ("transferUpdated"),
  state,
  transfer: transfer(),
  session: session({ fence, ...facts }),
});

test("an assigned transfer, once delivered, has the time of delivery", () => {
  const sent = startProgress({ session: session(), transfer: transfer() });
  assert.equal(describeTransfer(sent, context).title, "Transferred to Ana");
  const delivered = applyUpdate(sent, update("delivered", {}, 2), 0);
  assert.equal(describeTransfer(delivered, context).title, "Delivered to Ana");
  assert.match(describeTransfer(delivered, context).details[0] ?? "", /^Ana has had it since/);
  assert.equal(isWaiting(delivered), false);
});

test("a pending transfer has a reason while the agent is unavailable", () => {
  assert.equal(describeTransfer(pending(), context).title, "Waiting in Ana's pending list");
  assert.equal(describeTransfer(pending(), context).details[0], "Because Ana is on pause.");
  const back = { ...context, rows: directory({ agents: [agent("ana", { name: "Ana" })] }) };
  assert.deepEqual(describeTransfer(pending(), back).details, ["Ana can accept it at any time."]);
  assert.equal(isWaiting(pending()), true);
  const full = { ...context, rows: directory({ agents: [agent("ana", { name: "Ana", load: 10 })] }) };
  assert.deepEqual(describeTransfer(pending(), full).details, [
    "Because Ana is at capacity.",
    "Ana can accept it after finishing another one.",
  ]);
});

test("a pending transfer, once updated, has an outcome or another owner", () => {
  assert.equal(
    describeTransfer(applyUpdate(pending(), update("accepted"), 0), context).title,
    "Ana accepted it",
  );
  const declined = applyUpdate(pending(), update("declined", { owner: { kind: "agent", id: "me" } }), 0);
  assert.deepEqual(describeTransfer(declined, context).details, ["You have the conversation again."]);
  assert.equal(isWaiting(declined), false);
  const back = applyRecall(pending(), session({ state: "pending", owner: { kind: "agent", id: "me" } }));
  assert.deepEqual(describeTransfer(back, context).details, ["It is in your pending list."]);
  const moved = applyUpdate(
    pending(),
    update("moved", { state: "pending", owner: { kind: "agent", id: "leo" } }),
    0,
  );
  assert.deepEqual(describeTransfer(moved, context).details, ["It is in Leo's pending list now."]);
  assert.equal(isWaiting(moved), true);
});

test("an update of another transfer or an older fence changes nothing", () => {
  const progress = pending();
  assert.equal(
    applyUpdate(progress, { ...update("accepted"), transfer: transfer({ id: "other" }) }, 0),
    progress,
  );
  assert.equal(applyUpdate(progress, update("accepted", {}, 1), 0), progress);
});

test("a queued transfer, once its place is known, has it in the title", () => {
  assert.equal(describeTransfer(queued(), context).title, "Queued in Billing");
  assert.equal(describeTransfer({ ...queued(), place: 3 }, context).title, "Queued in Billing as third");
});

test("a conflict names the present owner and the actor", () => {
  const error = {
    code: "conflict",
    state: "pending",
    owner: { kind: "agent", id: "leo" },
    by: { id: "boss", name: "Boss", role: "admin" },
    at: 0,
  };
  const described = describeError(error, context, "transfer");
  assert.equal(described.title, "The conversation has moved");
  assert.equal(described.details[0], "It is in Leo's pending list now.");
  assert.match(described.details[1] ?? "", /^Boss moved it at/);
  assert.equal(
    describeError({ ...error, by: null, owner: null }, context, "recall").details[0],
    "The conversation is closed.",
  );
});

test("an error code decides which retry is offered", () => {
  const retry = (/** @type {string} */ code) =>
    describeError({ code, message: "M" }, context, "transfer").retry;
  for (const code of ["timeout", "unavailable", "internal", "rate_limited"])
    assert.equal(retry(code), "same", code);
  for (const code of ["not_found", "same_target", "unauthorized", "new_code"])
    assert.equal(retry(code), "other", code);
  for (const code of ["closed", "forbidden"]) assert.equal(retry(code), "never", code);
  assert.match(describeError(new Error("M"), context, "transfer").details[0] ?? "", /M$/);
});

test("a removal names the next owner", () => {
  const by = { id: "boss", name: "Boss", role: /** @type {const} */ ("admin") };
  const to = { kind: /** @type {const} */ ("department"), id: "billing", name: "Billing" };
  const event = {
    type: /** @type {const} */ ("sessionRemoved"),
    sessionId: "s",
    fence: 3,
    why: /** @type {const} */ ("transferred"),
    transfer: transfer({ by, to, assignedTo: "leo" }),
  };
  assert.equal(describeRemoval(event, context).details[0], "Leo has it now.");
  assert.deepEqual(describeRemoval({ ...event, why: "closed", transfer: null }, context).details, [
    "The conversation is closed.",
  ]);
});
