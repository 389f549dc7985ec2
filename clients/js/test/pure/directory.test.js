import assert from "node:assert/strict";
import test from "node:test";
import { Directory } from "../../src/index.js";
import * as objects from "../../src/objects.js";
import { agentRow, departmentRow, patchMap, snapshotMap } from "../support/wire-messages.js";

const replace = (directory, snapshot) => directory.replace(objects.snapshot(snapshot, ""));
const apply = (directory, patch) => directory.apply(objects.patch(patch, ""));
const ids = (rows) => [...rows].map((row) => row.id);

function directoryAt(seq, fields) {
  const directory = new Directory();
  replace(directory, snapshotMap(seq, fields));
  return directory;
}

test("a snapshot replaces everything", () => {
  const directory = directoryAt(1, { agents: [agentRow("ana"), agentRow("bo")] });
  const changed = replace(directory, snapshotMap(7, { epoch: "e2", agents: [agentRow("cy")] }));

  assert.deepEqual([...directory.agents.keys()], ["cy"]);
  assert.deepEqual([directory.epoch, directory.seq, directory.live], ["e2", 7, true]);
  assert.equal(changed.snapshot, true);
});

test("a patch that continues is applied", () => {
  const directory = directoryAt(4, { agents: [agentRow("ana"), agentRow("bo")] });
  const changed = apply(
    directory,
    patchMap(4, 6, { agents: [agentRow("ana", { load: 2 })], agents_removed: ["bo"] }),
  );

  assert.deepEqual(changed.agentsRemoved, ["bo"]);
  assert.equal(directory.agents.get("ana").load, 2);
  assert.equal(directory.agents.has("bo"), false);
  assert.deepEqual(directory.position, { epoch: "e1", seq: 6 });
});

test("a row removed and added in one patch exists", () => {
  const directory = directoryAt(1);
  const departments = [departmentRow("sales", { name: "New" })];
  apply(directory, patchMap(1, 3, { departments, departments_removed: ["sales"] }));

  assert.equal(directory.departments.get("sales").name, "New");
});

test("a patch of another epoch or seq changes nothing and ends live", () => {
  const agents = [agentRow("ana", { load: 9 })];
  for (const patch of [
    patchMap(5, 6, { agents }),
    patchMap(3, 5, { agents }),
    patchMap(4, 5, { agents, epoch: "e2" }),
  ]) {
    const directory = directoryAt(4);

    assert.equal(apply(directory, patch), null);
    assert.equal(directory.agents.get("ana").load, 0);
    assert.deepEqual(directory.position, { epoch: "e1", seq: 4 });
    assert.equal(directory.live, false);
  }
});

test("an empty directory takes no patch", () => {
  assert.equal(apply(new Directory(), patchMap(0, 1)), null);
});

test("agents by readiness: available first, the least loaded before", () => {
  const rows = [
    agentRow("gone", { status: "disconnected", available: false }),
    agentRow("paused", { status: "pause", available: false }),
    agentRow("pausing", { status: "pre_pause", available: false, load: 1 }),
    agentRow("full", { load: 10, available: false }),
    agentRow("half", { load: 5 }),
    agentRow("small", { load: 1, capacity: 2, name: "Aa" }),
    agentRow("idle"),
    agentRow("none", { load: 0, capacity: 0, available: false }),
  ];
  const order = ids(directoryAt(1, { agents: rows }).agentsByReadiness());

  assert.deepEqual(order, ["idle", "small", "half", "full", "none", "pausing", "paused", "gone"]);
});

test("names are sorted without case and accents", () => {
  const rows = ["Zoe", "álvaro", "Ana", "Émile", "bea"].map((name) => agentRow(name, { name }));
  const directory = directoryAt(1, { agents: rows });

  assert.deepEqual(ids(directory.agentsByReadiness()), ["álvaro", "Ana", "bea", "Émile", "Zoe"]);
});

test("departments with an available agent come first", () => {
  const rows = [departmentRow("a", { available: 0 }), departmentRow("c"), departmentRow("b")];

  assert.deepEqual(ids(directoryAt(1, { departments: rows }).departmentsByReadiness()), ["b", "c", "a"]);
});
