import assert from "node:assert/strict";
import test from "node:test";
import { Backoff } from "../../src/index.js";

test("the bound doubles up to the cap, for any number of attempts", () => {
  const backoff = new Backoff({ initialMs: 500, capMs: 15_000 });

  assert.deepEqual(
    [0, 1, 4, 5, 2000, Infinity].map((attempt) => backoff.delayMs(attempt, () => 1)),
    [500, 1000, 8000, 15_000, 15_000, 15_000],
  );
});

test("a delay is anything from zero to the bound", () => {
  const backoff = new Backoff({ initialMs: 500, capMs: 15_000 });

  assert.deepEqual(
    [0, 0.5].map((random) => backoff.delayMs(1, () => random)),
    [0, 500],
  );
});
