import assert from "node:assert/strict";
import { test } from "node:test";
import { indexForKey, scrollTopFor, visibleRows } from "../viewport.js";

const viewport = { count: 10_000, rowHeight: 50, scrollTop: 0, height: 500, focusIndex: -1 };

test("visible rows of ten thousand are those in view, and a few around", () => {
  const rows = visibleRows({ ...viewport, scrollTop: 50_000 });
  assert.ok(rows.length < 40);
  assert.ok((rows[0] ?? 0) < 1_000 && (rows.at(-1) ?? 0) >= 1_010);
});

test("visible rows contain the focused row out of view", () => {
  assert.equal(visibleRows({ ...viewport, focusIndex: 9_999 }).at(-1), 9_999);
  assert.equal(visibleRows({ ...viewport, scrollTop: 50_000, focusIndex: 3 })[0], 3);
  const inside = visibleRows({ ...viewport, focusIndex: 4 });
  assert.equal(new Set(inside).size, inside.length);
});

test("visible rows of a list shorter than its scroll position all exist", () => {
  assert.deepEqual(visibleRows({ ...viewport, count: 2, scrollTop: 50_000 }), [0, 1]);
  assert.deepEqual(visibleRows({ ...viewport, count: 0, focusIndex: 0 }), []);
});

test("a key moves to an index, and stops at both ends", () => {
  assert.equal(indexForKey("ArrowDown", -1, 5, 3), 0);
  assert.equal(indexForKey("ArrowDown", 4, 5, 3), 4);
  assert.equal(indexForKey("ArrowUp", -1, 5, 3), 4);
  assert.equal(indexForKey("ArrowUp", 0, 5, 3), 0);
  assert.equal(indexForKey("PageDown", 0, 100, 10), 9);
  assert.equal(indexForKey("PageUp", 5, 100, 10), 0);
  assert.equal(indexForKey("Home", 50, 100, 10), 0);
  assert.equal(indexForKey("End", 0, 100, 10), 99);
  assert.equal(indexForKey("x", 0, 100, 10), null);
  assert.equal(indexForKey("constructor", 0, 100, 10), null);
  assert.equal(indexForKey("ArrowDown", 0, 0, 10), null);
});

test("scroll position for a row is the closest that shows it", () => {
  assert.equal(scrollTopFor(3, viewport), 0);
  assert.equal(scrollTopFor(10, viewport), 50);
  assert.equal(scrollTopFor(5, { ...viewport, scrollTop: 1_000 }), 250);
  assert.equal(scrollTopFor(9_999, viewport), 499_500);
});
