import assert from "node:assert/strict";
import { test } from "node:test";
import { canRecall } from "../model/dashboard.js";
import { session, transfer } from "../../dialog/test/rows.js";

const ana = /** @type {const} */ ({ kind: "agent", id: "ana" });
const toAna = { to: { ...ana, name: "Ana" } };

test("a conversation can be recalled only from its transfer's target", () => {
  const sent = session({
    state: "pending",
    owner: ana,
    transfer: transfer({ ...toAna, outcome: "pending" }),
  });

  assert.equal(canRecall(sent), true);
  assert.equal(canRecall({ ...sent, transfer: null }), false, "opened there");
  assert.equal(canRecall({ ...sent, owner: { kind: "agent", id: "leo" } }), false, "given back");
  assert.equal(canRecall({ ...sent, state: "in_progress" }), false);
  const assigned = transfer({ ...toAna, outcome: "assigned" });
  assert.equal(canRecall({ ...sent, transfer: assigned }), false, "she had it, and went away");
});
