import assert from "node:assert/strict";
import { test } from "node:test";
import { forecast, nearest, readiness, tellForecast } from "../forecast.js";
import { ENGLISH } from "../../console/locales/index.js";
import { agent, department, directory } from "./rows.js";

const ana = { kind: /** @type {const} */ ("agent"), id: "ana" };
const billing = { kind: /** @type {const} */ ("department"), id: "billing" };

test("a connected agent without room is at capacity", () => {
  assert.equal(readiness(agent("a", { load: 10 })), "at_capacity");
  assert.equal(readiness(agent("a", { load: 10, status: "pause" })), "pause");
});

test("to an agent: at once, into the pending list, or nowhere", () => {
  assert.deepEqual(forecast(ana, directory({ agents: [agent("ana")] }), null), { outcome: "assigned" });
  const paused = directory({ agents: [agent("ana", { status: "pause" })] });
  assert.deepEqual(forecast(ana, paused, null), { outcome: "pending", because: "pause" });
  assert.deepEqual(forecast(ana, directory({}), null), { outcome: "gone" });
});

test("to a department: at once, or behind those who wait", () => {
  const rows = directory({ departments: [department("billing", { available: 1, queued: 2 })] });
  assert.deepEqual(forecast(billing, rows, null), { outcome: "assigned" });
  const busy = directory({ departments: [department("billing", { queued: 2 })] });
  assert.deepEqual(forecast(billing, busy, null), { outcome: "queued", place: 3 });
});

test("the present owner gets nothing from the own department", () => {
  const rows = directory({
    agents: [agent("me", { departments: ["billing"] })],
    departments: [department("billing", { available: 1 })],
  });
  assert.deepEqual(forecast(billing, rows, { kind: "agent", id: "me" }), { outcome: "queued", place: 1 });
});

test("the nearest share most departments, then are least loaded", () => {
  const wanted = agent("w", { departments: ["a", "b"], status: "pause" });
  const found = nearest(
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

test("what a choice leads to is said, also that it was otherwise before", () => {
  const chosen = { ...ana, name: "Ana", wasAvailable: true };
  const { text } = tellForecast({ outcome: "pending", because: "pause" }, chosen, ENGLISH);
  assert.equal(text, "Ana is no longer available. Ana is on pause: it will wait in their pending list.");
  const queue = tellForecast(
    { outcome: "queued", place: 3 },
    { ...billing, name: "Billing", wasAvailable: false },
    ENGLISH,
  );
  assert.equal(queue.text, "Nobody in Billing is available: it will be queued as third.");
});
