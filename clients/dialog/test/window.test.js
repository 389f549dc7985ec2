import assert from "node:assert/strict";
import { test } from "node:test";
import { rowsInSight, scrollTo, step } from "../window.js";

const sight = { count: 10_000, rowHeight: 50, scrollTop: 0, height: 500, focus: -1 };

test("of ten thousand rows only those in sight exist, and a few around", () => {
  const rows = rowsInSight({ ...sight, scrollTop: 50_000 });
  assert.ok(rows.length < 40);
  assert.ok((rows[0] ?? 0) < 1_000 && (rows.at(-1) ?? 0) >= 1_010);
});

test("the row with the focus exists, wherever it is", () => {
  assert.equal(rowsInSight({ ...sight, focus: 9_999 }).at(-1), 9_999);
  assert.equal(rowsInSight({ ...sight, scrollTop: 50_000, focus: 3 })[0], 3);
  const inside = rowsInSight({ ...sight, focus: 4 });
  assert.equal(new Set(inside).size, inside.length);
});

test("a list that has become shorter than its scroll position has no rows that are not", () => {
  assert.deepEqual(rowsInSight({ ...sight, count: 2, scrollTop: 50_000 }), [0, 1]);
  assert.deepEqual(rowsInSight({ ...sight, count: 0, focus: 0 }), []);
});

test("keys lead to rows, and stop at both ends", () => {
  assert.equal(step("ArrowDown", -1, 5, 3), 0);
  assert.equal(step("ArrowDown", 4, 5, 3), 4);
  assert.equal(step("ArrowUp", -1, 5, 3), 4);
  assert.equal(step("ArrowUp", 0, 5, 3), 0);
  assert.equal(step("PageDown", 0, 100, 10), 9);
  assert.equal(step("PageUp", 5, 100, 10), 0);
  assert.equal(step("Home", 50, 100, 10), 0);
  assert.equal(step("End", 0, 100, 10), 99);
  assert.equal(step("x", 0, 100, 10), null);
  assert.equal(step("constructor", 0, 100, 10), null);
  assert.equal(step("ArrowDown", 0, 0, 10), null);
});

test("scrolling to a row goes no further than needed", () => {
  assert.equal(scrollTo(3, sight), 0);
  assert.equal(scrollTo(10, sight), 50);
  assert.equal(scrollTo(5, { ...sight, scrollTop: 1_000 }), 250);
  assert.equal(scrollTo(9_999, sight), 499_500);
});
