import assert from "node:assert/strict";
import { test } from "node:test";
import { describePrediction, nearestAvailable, predictOutcome, readiness } from "../predicted-outcome.js";
import { ENGLISH } from "../locales/index.js";
import { Selection, selectionState } from "../selection.js";
import { agent, department, directory, session } from "./rows.js";

const ana = { kind: /** @type {const} */ ("agent"), id: "ana" };
const billing = { kind: /** @type {const} */ ("department"), id: "billing" };

test("readiness of a connected agent at its capacity is at_capacity", () => {
  assert.equal(readiness(agent("a", { load: 10 })), "at_capacity");
  assert.equal(readiness(agent("a", { load: 10, status: "pause" })), "pause");
});

test("a transfer to an agent is assigned, pending, or gone", () => {
  assert.deepEqual(predictOutcome(ana, directory({ agents: [agent("ana")] }), null), { outcome: "assigned" });
  const paused = directory({ agents: [agent("ana", { status: "pause" })] });
  assert.deepEqual(predictOutcome(ana, paused, null), { outcome: "pending", because: "pause" });
  assert.deepEqual(predictOutcome(ana, directory({}), null), { outcome: "gone" });
});

test("a transfer to a department is assigned, or queued last", () => {
  const rows = directory({ departments: [department("billing", { available: 1, queued: 2 })] });
  assert.deepEqual(predictOutcome(billing, rows, null), { outcome: "assigned" });
  const busy = directory({ departments: [department("billing", { queued: 2 })] });
  assert.deepEqual(predictOutcome(billing, busy, null), { outcome: "queued", place: 3 });
});

test("an owner that is the only available member counts as unavailable", () => {
  const rows = directory({
    agents: [agent("me", { departments: ["billing"] })],
    departments: [department("billing", { available: 1 })],
  });
  assert.deepEqual(predictOutcome(billing, rows, { kind: "agent", id: "me" }), {
    outcome: "queued",
    place: 1,
  });
});

test("nearest agents are sorted by common departments, then by load", () => {
  const wanted = agent("w", { departments: ["a", "b"], status: "pause" });
  const found = nearestAvailable(
    wanted,
    [
      agent("both-busy", { departments: ["a", "b"], load: 5 }),
      agent("none"),
      agent("one", { departments: ["b"] }),
      agent("both", { departments: ["a", "b"] }),
      agent("away", { departments: ["a", "b"], status: "pre_pause" }),
      agent("owner", { departments: ["a", "b"] }),
      wanted,
    ],
    "owner",
  );
  assert.deepEqual(
    found.map(({ id }) => id),
    ["both", "both-busy", "one"],
  );
});

test("a prediction that got worse since the selection says so", () => {
  const chosen = { ...ana, name: "Ana", wasAvailable: true };
  const { text } = describePrediction({ outcome: "pending", because: "pause" }, chosen, ENGLISH);
  assert.equal(text, "Ana is no longer available. Ana is on pause: it will wait in their pending list.");
  const queue = describePrediction(
    { outcome: "queued", place: 3 },
    { ...billing, name: "Billing", wasAvailable: false },
    ENGLISH,
  );
  assert.equal(queue.text, "No agent in Billing is available: it will be queued as third.");
});

const RULE = {
  departments: /** @type {const} */ (["sales"]),
  agents: "any",
  statuses: ["connected"],
  at_capacity: true,
  hops_max: 0,
  reason: "required",
};

/** A directory of sales, whose rule this is, and agents in every readiness. */
const ruled = directory({
  agents: [agent("ana", { status: "pause" }), agent("bob"), agent("cid"), agent("full", { load: 10 })],
  departments: [department("sales", { rule: RULE }), department("billing", { available: 1 })],
});
const inSales = session({ department: "sales" });

test("a transfer that the session's rule forbids is refused, with the reason why", () => {
  const because = (/** @type {any} */ target, reason = "busy") => {
    const predicted = predictOutcome(target, ruled, null, { session: inSales, reason });
    return predicted.outcome === "refused" ? predicted.because : predicted.outcome;
  };
  assert.equal(because(ana), "status");
  assert.equal(because(billing), "departments");
  assert.equal(because({ kind: "agent", id: "bob" }), "assigned");
  assert.equal(because({ kind: "agent", id: "bob" }, ""), "reason");
  assert.equal(because({ kind: "agent", id: "gone" }), "gone");
});

test("a rule that does not bind, as an admin's, refuses nothing", () => {
  assert.deepEqual(predictOutcome(ana, ruled, null, { session: null, reason: "" }), {
    outcome: "pending",
    because: "pause",
  });
});

test("a session without a department goes by the tenant's rule", () => {
  const rows = { ...ruled, rule: RULE };
  const bounds = { session: session({ department: null }), reason: "busy" };
  assert.deepEqual(predictOutcome(ana, rows, null, bounds), { outcome: "refused", because: "status" });
});

test("a refused selection names who is allowed, and cannot be sent", () => {
  const selection = new Selection(ana, ruled);
  const options = { owner: null, kind: ana.kind, busy: false, words: ENGLISH };
  const state = selectionState(selection, ruled, {
    ...options,
    bounds: { session: inSales, reason: "busy" },
  });
  assert.equal(state.text, "This conversation may not go to ana in their present status.");
  assert.deepEqual([state.tone, state.ready], ["bad", false]);
  assert.deepEqual(
    state.alternatives.map(({ id }) => id),
    ["bob", "cid"],
  );
});
