import assert from "node:assert/strict";
import { test } from "node:test";
import { DirectoryRows } from "../directory-rows.js";
import { agent, department } from "./rows.js";

/** @typedef {import("../../js/src/objects.js").Agent} Agent */

/** A directory of these agents, and its rows. @param {Agent[]} agents */
function rowsOf(...agents) {
  const directory = {
    agents: new Map(agents.map((row) => [row.id, row])),
    departments: new Map([["sales", department("sales", { name: "Ventás" })]]),
  };
  const rows = new DirectoryRows();
  rows.update(/** @type {any} */ (directory), null);
  /** @param {Agent | string} changed A row, or the id of one that is removed. */
  const change = (changed) => {
    const removed = typeof changed === "string";
    if (removed) directory.agents.delete(changed);
    else directory.agents.set(changed.id, changed);
    const event = { agents: removed ? [] : [changed], agentsRemoved: removed ? [changed] : [] };
    rows.collect(/** @type {any} */ ({ ...event, departments: [], departmentsRemoved: [], snapshot: false }));
    return rows.update(/** @type {any} */ (directory), null);
  };
  const namesakes = () =>
    [...directory.agents.values()].filter((row) => rows.hasNamesake(row)).map(({ id }) => id);
  return { rows, change, namesakes };
}

test("agents of one name are namesakes, whatever the case and the accents", () => {
  const { namesakes } = rowsOf(
    agent("a", { name: "José" }),
    agent("b", { name: "JOSE" }),
    agent("c", { name: "Josefa" }),
  );

  assert.deepEqual(namesakes(), ["a", "b"]);
});

test("a change that gives another row a namesake has all rows rendered", () => {
  const { change, namesakes } = rowsOf(agent("a", { name: "Ana" }), agent("b", { name: "Bea" }));

  assert.equal(change(agent("b", { name: "Bea", load: 1 })), false);
  assert.deepEqual(namesakes(), []);
  assert.equal(change(agent("b", { name: "Ana" })), true);
  assert.deepEqual(namesakes(), ["a", "b"]);
  assert.equal(change(agent("b", { name: "Ana", load: 1 })), false);
  assert.equal(change("b"), true);
  assert.deepEqual(namesakes(), []);
});

test("a search finds an agent by id and by a department's name", () => {
  const { rows } = rowsOf(agent("auth0|7", { name: "Ana", departments: ["sales"] }), agent("b"));

  for (const text of ["AUTH0|", "ventas ana"]) {
    rows.agents.search(text);
    assert.deepEqual(
      rows.agents.rows.map(({ id }) => id),
      ["auth0|7"],
    );
  }
});

test("a search finds a department by id", () => {
  const { rows } = rowsOf();
  rows.departments.search("SALES");

  assert.deepEqual(
    rows.departments.rows.map(({ id }) => id),
    ["sales"],
  );
});
