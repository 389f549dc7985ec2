import assert from "node:assert/strict";
import test from "node:test";
import { makeClock, newKey } from "../../src/platform.js";

test("the clock advances during a sleep, and never runs backwards", () => {
  let [steady, wall] = [10, 1_000_000];
  const clock = makeClock(
    () => steady,
    () => wall,
  );
  const read = (steadyMs, wallMs) => {
    steady += steadyMs;
    wall += wallMs;
    return clock();
  };

  assert.equal(read(5, 5), 5);
  assert.equal(read(1, 3_600_000), 3_600_005, "the machine slept for an hour");
  assert.equal(read(100, -3_600_000), 3_600_105, "the wall clock was set back");
  assert.equal(read(0, 0), 3_600_105);
});

test("keys are unique and within the protocol's bounds", () => {
  const keys = Array.from({ length: 1000 }, newKey);

  assert.equal(new Set(keys).size, 1000);
  for (const key of keys) assert.match(key, /^[0-9a-f]{32}$/);
});
