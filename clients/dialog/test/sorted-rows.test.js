import assert from "node:assert/strict";
import { test } from "node:test";
import { compareAgents } from "../../js/src/directory.js";
import { SortedRows } from "../sorted-rows.js";
import { agent } from "./rows.js";

const byId = (/** @type {any[]} */ rows) => new Map(rows.map((row) => [row.id, row]));
const sortedRows = (/** @type {any[]} */ rows) => {
  const list = new SortedRows(compareAgents, (/** @type {any} */ { name }) => name);
  list.replace(byId(rows));
  return list;
};
const ids = (/** @type {SortedRows<any>} */ list) => list.rows.map(({ id }) => id);

test("rows of agents are sorted by readiness, then by load", () => {
  const list = sortedRows([
    agent("gone", { status: "disconnected" }),
    agent("rest", { status: "pause" }),
    agent("soon", { status: "pre_pause" }),
    agent("full", { load: 10 }),
    agent("half", { load: 1, capacity: 2 }),
    agent("some", { load: 1 }),
    agent("none"),
  ]);
  assert.deepEqual(ids(list), ["none", "some", "half", "full", "soon", "rest", "gone"]);
});

for (const [what, hidden, query] of /** @type {[string, string | null, string][]} */ ([
  ["all", null, ""],
  ["one hidden", "a7", ""],
  ["searched", "a7", "2"],
])) {
  test(`rows after random changes equal a full sort: ${what}`, () => {
    const rows = new Map();
    const list = sortedRows([]);
    list.hide(hidden);
    list.search(query);
    changeAtRandom(rows, (ids) => {
      list.update(ids, rows);
      const shown = [...rows.values()].filter(({ id, name }) => id !== hidden && name.includes(query));
      assert.deepEqual(list.rows, shown.sort(compareAgents));
      list.rows.forEach(({ id }, index) => assert.equal(list.indexOf(id), index));
    });
  });
}

/**
 * Change hundreds of agents, round by round.
 *
 * @param {Map<string, any>} rows
 * @param {(ids: Set<string>) => void} changed Called after each round with their ids.
 */
function changeAtRandom(rows, changed) {
  // A fixed row of numbers that looks like chance.
  let seed = 7;
  const next = (/** @type {number} */ below) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  const random = (/** @type {number} */ index) =>
    agent(`a${index}`, {
      name: `Agent ${next(50)}`,
      load: next(4),
      capacity: 1 + next(4),
      status: /** @type {const} */ (["connected", "connected", "pause", "pre_pause", "disconnected"])[
        next(5)
      ],
    });
  for (let round = 0; round < 60; round += 1) {
    // Now and then more than is moved row by row.
    const count = round % 20 === 0 ? 600 : 1 + next(9);
    const ids = new Set();
    for (let change = 0; change < count; change += 1) {
      const index = next(700);
      ids.add(`a${index}`);
      if (next(6) === 0) rows.delete(`a${index}`);
      else rows.set(`a${index}`, random(index));
    }
    changed(ids);
  }
}

test("rows of a large list are sorted at the top first, in full later", () => {
  const rows = Array.from({ length: 2_000 }, (_, index) => agent(`a${(index * 7919) % 2_000}`));
  const sorted = [...rows].sort(compareAgents);
  const list = sortedRows(rows);
  assert.equal(list.sorted, false);
  assert.deepEqual(list.rows.slice(0, 100), sorted.slice(0, 100));
  assert.equal(new Set(ids(list)).size, 2_000);
  assert.equal(list.indexOf(sorted[1_500]?.id ?? ""), 1_500);
  assert.equal(list.sorted, true);
  assert.deepEqual(list.rows, sorted);
});

test("a change before the full sort leaves the rest unsorted", () => {
  const rows = new Map(Array.from({ length: 2_000 }, (_, index) => [`a${index}`, agent(`a${index}`)]));
  const list = sortedRows([...rows.values()]);
  rows.set("a0", agent("a0", { status: "pause" }));
  rows.set("a1999", agent("a1999", { name: "0" }));
  list.update(["a0", "a1999"], rows);
  const sorted = [...rows.values()].sort(compareAgents);
  assert.equal(list.sorted, false);
  assert.equal(list.rows[0]?.name, "0");
  assert.deepEqual(list.rows.slice(0, 100), sorted.slice(0, 100));
  list.sort();
  assert.deepEqual(list.rows, sorted);
});

test("a search matches every word, and follows changes", () => {
  const list = sortedRows([agent("1", { name: "Ana Gómez" }), agent("2", { name: "Ana Lima" })]);
  list.search("  gomez ANA ");
  assert.deepEqual(ids(list), ["1"]);
  assert.equal(list.indexOf("2"), -1);
  list.update(["2"], new Map([["2", agent("2", { name: "Anabel Gomez" })]]));
  assert.deepEqual(ids(list), ["1", "2"]);
  list.search("");
  assert.equal(list.rows.length, 2);
});

test("a hidden row is neither listed nor counted", () => {
  const list = sortedRows([agent("me"), agent("other")]);
  list.hide("me");
  assert.deepEqual(ids(list), ["other"]);
  assert.equal(list.size, 1);
  assert.equal(list.indexOf("me"), -1);
  list.replace(byId([agent("first"), agent("me"), agent("other")]));
  assert.deepEqual(ids(list), ["first", "other"]);
  list.hide(null);
  assert.equal(list.size, 3);
});
