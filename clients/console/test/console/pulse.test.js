import assert from "node:assert/strict";
import { test } from "node:test";
import { Pulse } from "../../model/pulse.js";

const MINUTE = 60_000;
const NOW = 1_000 * MINUTE;

test("a transfer that is told twice counts once, in its own minute", () => {
  const pulse = new Pulse();
  pulse.transferred("a", NOW);
  pulse.transferred("a", NOW);
  pulse.transferred("b", NOW - MINUTE);

  const [before, last] = pulse.minutes(NOW).slice(-2);
  assert.equal(before?.transfers, 1);
  assert.equal(last?.transfers, 1);
});

test("a minute shows the most that waited and the fewest that were available", () => {
  const pulse = new Pulse();
  pulse.sample(NOW, { waiting: 2, inProgress: 5, available: 4 });
  pulse.sample(NOW + 5_000, { waiting: 7, inProgress: 3, available: 1 });
  pulse.sample(NOW + 10_000, { waiting: 1, inProgress: 4, available: 3 });

  const { waiting, inProgress, available, seen } = /** @type {any} */ (pulse.minutes(NOW).at(-1));
  assert.deepEqual(
    { waiting, inProgress, available, seen },
    { waiting: 7, inProgress: 5, available: 1, seen: true },
  );
});

test("half an hour is kept, and what was before the page is not made up", () => {
  const pulse = new Pulse();
  pulse.sample(NOW, { waiting: 1, inProgress: 1, available: 1 });
  assert.deepEqual(
    pulse.minutes(NOW).map(({ seen }) => seen),
    [...Array(29).fill(false), true],
  );

  pulse.sample(NOW + 40 * MINUTE, { waiting: 1, inProgress: 1, available: 1 });
  assert.equal(
    pulse.minutes(NOW).some(({ seen }) => seen),
    false,
  );
});
