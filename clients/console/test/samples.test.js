import assert from "node:assert/strict";
import { test } from "node:test";
import { Samples } from "../model/samples.js";

const MINUTE = 60_000;
const NOW = 1_000 * MINUTE;

test("a repeated transfer counts once, in its own minute", () => {
  const samples = new Samples();
  samples.addTransfer("a", NOW);
  samples.addTransfer("a", NOW);
  samples.addTransfer("b", NOW - MINUTE);

  const [before, last] = samples.minutes(NOW).slice(-2);
  assert.equal(before?.transfers, 1);
  assert.equal(last?.transfers, 1);
});

test("a minute has the maximum waiting and the minimum available", () => {
  const samples = new Samples();
  samples.add(NOW, { waiting: 2, inProgress: 5, available: 4 });
  samples.add(NOW + 5_000, { waiting: 7, inProgress: 3, available: 1 });
  samples.add(NOW + 10_000, { waiting: 1, inProgress: 4, available: 3 });

  const { waiting, inProgress, available, sampled } = /** @type {any} */ (samples.minutes(NOW).at(-1));
  assert.deepEqual(
    { waiting, inProgress, available, sampled },
    { waiting: 7, inProgress: 5, available: 1, sampled: true },
  );
});

test("minutes before the page was opened are not sampled", () => {
  const samples = new Samples();
  samples.add(NOW, { waiting: 1, inProgress: 1, available: 1 });
  assert.deepEqual(
    samples.minutes(NOW).map(({ sampled }) => sampled),
    [...Array(29).fill(false), true],
  );

  samples.add(NOW + 40 * MINUTE, { waiting: 1, inProgress: 1, available: 1 });
  assert.equal(
    samples.minutes(NOW).some(({ sampled }) => sampled),
    false,
  );
});
