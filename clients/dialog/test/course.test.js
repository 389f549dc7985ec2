import assert from "node:assert/strict";
import { test } from "node:test";
import { advance, begin, recalled, tell, tellLeft, tellTrouble, waits } from "../course.js";
import { ENGLISH } from "../../console/locales/index.js";
import { agent, department, directory, session, transfer } from "./rows.js";

const rows = directory({
  agents: [agent("ana", { name: "Ana", status: "pause" }), agent("leo", { name: "Leo" })],
  departments: [department("billing", { name: "Billing" })],
});
const teller = { words: ENGLISH, rows, me: "me" };
const pending = () =>
  begin({ session: session({ state: "pending" }), transfer: transfer({ outcome: "pending" }) });
const queued = () =>
  begin({
    session: session({ state: "queued", owner: { kind: "department", id: "billing" } }),
    transfer: transfer({ outcome: "queued", to: { kind: "department", id: "billing", name: "Billing" } }),
  });
const update = (/** @type {any} */ state, facts = {}, fence = 3) => ({
  type: /** @type {const} */ ("transferUpdated"),
  state,
  transfer: transfer(),
  session: session({ fence, ...facts }),
});

test("assigned, then delivered", () => {
  const sent = begin({ session: session(), transfer: transfer() });
  assert.equal(tell(sent, teller).title, "Transferred to Ana");
  const delivered = advance(sent, update("delivered", {}, 2), 0);
  assert.equal(tell(delivered, teller).title, "Delivered to Ana");
  assert.match(tell(delivered, teller).details[0] ?? "", /^Ana has had it since/);
  assert.equal(waits(delivered), false);
});

test("pending says why, as long as it is so", () => {
  assert.equal(tell(pending(), teller).title, "Waiting in Ana's pending list");
  assert.equal(tell(pending(), teller).details[0], "Because Ana is on pause.");
  const back = { ...teller, rows: directory({ agents: [agent("ana", { name: "Ana" })] }) };
  assert.deepEqual(tell(pending(), back).details, ["Ana can take it from there at any time."]);
  assert.equal(waits(pending()), true);
  const full = { ...teller, rows: directory({ agents: [agent("ana", { name: "Ana", load: 10 })] }) };
  assert.deepEqual(tell(pending(), full).details, [
    "Because Ana is at capacity.",
    "Ana can take it once another one is done.",
  ]);
});

test("accepted, declined, recalled and moved end the wait or say where it is", () => {
  assert.equal(tell(advance(pending(), update("accepted"), 0), teller).title, "Ana accepted it");
  const declined = advance(pending(), update("declined", { owner: { kind: "agent", id: "me" } }), 0);
  assert.deepEqual(tell(declined, teller).details, ["You have the conversation again."]);
  assert.equal(waits(declined), false);
  const back = recalled(pending(), session({ state: "pending", owner: { kind: "agent", id: "me" } }));
  assert.deepEqual(tell(back, teller).details, ["It is in your pending list."]);
  const moved = advance(
    pending(),
    update("moved", { state: "pending", owner: { kind: "agent", id: "leo" } }),
    0,
  );
  assert.deepEqual(tell(moved, teller).details, ["It is in Leo's pending list now."]);
  assert.equal(waits(moved), true);
});

test("an update of another transfer, or of before, changes nothing", () => {
  const course = pending();
  assert.equal(advance(course, { ...update("accepted"), transfer: transfer({ id: "other" }) }, 0), course);
  assert.equal(advance(course, update("accepted", {}, 1), 0), course);
});

test("the place in a queue is said once it is known", () => {
  assert.equal(tell(queued(), teller).title, "Queued in Billing");
  assert.equal(tell({ ...queued(), place: 3 }, teller).title, "Queued in Billing as third");
});

test("a conflict says who has it and who moved it", () => {
  const error = {
    code: "conflict",
    state: "pending",
    owner: { kind: "agent", id: "leo" },
    by: { id: "boss", name: "Boss", role: "admin" },
    at: 0,
  };
  const trouble = tellTrouble(error, teller, "transfer");
  assert.equal(trouble.title, "Somebody was faster");
  assert.equal(trouble.details[0], "It is in Leo's pending list now.");
  assert.match(trouble.details[1] ?? "", /^Boss moved it at/);
  assert.equal(
    tellTrouble({ ...error, by: null, owner: null }, teller, "recall").details[0],
    "The conversation is closed.",
  );
});

test("every refusal has a text, and says whether trying again makes sense", () => {
  const again = (/** @type {string} */ code) => tellTrouble({ code, message: "M" }, teller, "transfer").again;
  for (const code of ["timeout", "unavailable", "internal", "rate_limited"])
    assert.equal(again(code), "same", code);
  for (const code of ["not_found", "same_target", "unauthorized", "new_code"])
    assert.equal(again(code), "other", code);
  for (const code of ["closed", "forbidden"]) assert.equal(again(code), "never", code);
  assert.match(tellTrouble(new Error("M"), teller, "transfer").details[0] ?? "", /M$/);
});

test("a conversation that leaves says where it went", () => {
  const by = { id: "boss", name: "Boss", role: /** @type {const} */ ("admin") };
  const to = { kind: /** @type {const} */ ("department"), id: "billing", name: "Billing" };
  const event = {
    type: /** @type {const} */ ("sessionRemoved"),
    sessionId: "s",
    fence: 3,
    why: /** @type {const} */ ("transferred"),
    transfer: transfer({ by, to, assignedTo: "leo" }),
  };
  assert.equal(tellLeft(event, teller).details[0], "Leo has it now.");
  assert.deepEqual(tellLeft({ ...event, why: "closed", transfer: null }, teller).details, [
    "The conversation is closed.",
  ]);
});
