import assert from "node:assert/strict";
import { test } from "node:test";
import { compareAgents } from "../../js/src/directory.js";
import { fold, Roster } from "../roster.js";
import { agent } from "./rows.js";

const byId = (/** @type {any[]} */ rows) => new Map(rows.map((row) => [row.id, row]));
const make = (/** @type {any[]} */ rows) => {
  const roster = new Roster(compareAgents, (/** @type {any} */ { name }) => name);
  roster.replace(byId(rows));
  return roster;
};
const ids = (/** @type {Roster<any>} */ roster) => roster.rows.map(({ id }) => id);

test("accents and case do not matter in a search", () => {
  assert.equal(fold("ÁÉÎÕÜ Ñandú Ångström ÇA"), "aeiou nandu angstrom ca");
});

test("available ones come first, the least loaded on top, then the others by readiness", () => {
  const roster = make([
    agent("gone", { status: "disconnected" }),
    agent("rest", { status: "pause" }),
    agent("soon", { status: "pre_pause" }),
    agent("full", { load: 10 }),
    agent("half", { load: 1, capacity: 2 }),
    agent("some", { load: 1 }),
    agent("none"),
  ]);
  assert.deepEqual(ids(roster), ["none", "some", "half", "full", "soon", "rest", "gone"]);
});

for (const [what, hidden, query] of /** @type {[string, string | null, string][]} */ ([
  ["all", null, ""],
  ["one hidden", "a7", ""],
  ["searched", "a7", "2"],
])) {
  test(`after any changes the order is that of sorting anew, and every row is found: ${what}`, () => {
    const rows = new Map();
    const roster = make([]);
    roster.hide(hidden);
    roster.search(query);
    changeAtRandom(rows, (ids) => {
      roster.update(ids, rows);
      const shown = [...rows.values()].filter(({ id, name }) => id !== hidden && name.includes(query));
      assert.deepEqual(roster.rows, shown.sort(compareAgents));
      roster.rows.forEach(({ id }, index) => assert.equal(roster.indexOf(id), index));
    });
  });
}

/**
 * Change hundreds of agents, round by round.
 *
 * @param {Map<string, any>} rows
 * @param {(ids: Set<string>) => void} changed Told after each round which ones.
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

test("of many rows the first are in order at once, and all when there is time or need", () => {
  const rows = Array.from({ length: 2_000 }, (_, index) => agent(`a${(index * 7919) % 2_000}`));
  const sorted = [...rows].sort(compareAgents);
  const roster = make(rows);
  assert.equal(roster.settled, false);
  assert.deepEqual(roster.rows.slice(0, 100), sorted.slice(0, 100));
  assert.equal(new Set(ids(roster)).size, 2_000);
  assert.equal(roster.indexOf(sorted[1_500]?.id ?? ""), 1_500);
  assert.equal(roster.settled, true);
  assert.deepEqual(roster.rows, sorted);
});

test("a change that comes before all are in order leaves that for later, too", () => {
  const rows = new Map(Array.from({ length: 2_000 }, (_, index) => [`a${index}`, agent(`a${index}`)]));
  const roster = make([...rows.values()]);
  rows.set("a0", agent("a0", { status: "pause" }));
  rows.set("a1999", agent("a1999", { name: "0" }));
  roster.update(["a0", "a1999"], rows);
  const sorted = [...rows.values()].sort(compareAgents);
  assert.equal(roster.settled, false);
  assert.equal(roster.rows[0]?.name, "0");
  assert.deepEqual(roster.rows.slice(0, 100), sorted.slice(0, 100));
  roster.settle();
  assert.deepEqual(roster.rows, sorted);
});

test("a search looks for every word, and follows changes", () => {
  const roster = make([agent("1", { name: "Ana Gómez" }), agent("2", { name: "Ana Lima" })]);
  roster.search("  gomez ANA ");
  assert.deepEqual(ids(roster), ["1"]);
  assert.equal(roster.indexOf("2"), -1);
  roster.update(["2"], new Map([["2", agent("2", { name: "Anabel Gomez" })]]));
  assert.deepEqual(ids(roster), ["1", "2"]);
  roster.search("");
  assert.equal(roster.rows.length, 2);
});

test("a hidden row is in no list and counts nowhere", () => {
  const roster = make([agent("me"), agent("other")]);
  roster.hide("me");
  assert.deepEqual(ids(roster), ["other"]);
  assert.equal(roster.size, 1);
  assert.equal(roster.indexOf("me"), -1);
  roster.replace(byId([agent("first"), agent("me"), agent("other")]));
  assert.deepEqual(ids(roster), ["first", "other"]);
  roster.hide(null);
  assert.equal(roster.size, 3);
});
