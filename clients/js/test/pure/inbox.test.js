import assert from "node:assert/strict";
import test from "node:test";
import { Inbox } from "../../src/index.js";
import * as objects from "../../src/objects.js";
import { sessionMap } from "../support/wire-messages.js";

const session = (id, fields) => objects.session(sessionMap(id, fields), "");
const at = (fence, fields) => session("c-1", { fence, ...fields });

test("an assigned session leaves the pending list", () => {
  const inbox = new Inbox();
  inbox.observe(at(2, { state: "pending" }));
  inbox.observe(at(3));

  assert.deepEqual([...inbox.inProgress.keys()], ["c-1"]);
  assert.equal(inbox.pending.size, 0);
});

test("an older fence never overrides a newer one", () => {
  const [one, two, three] = [at(1), at(2), at(3, { state: "pending" })];
  for (const order of [
    [one, two, three],
    [one, three, two],
    [two, one, three],
    [two, three, one],
    [three, one, two],
    [three, two, one],
  ]) {
    const inbox = new Inbox();
    for (const observed of order) inbox.observe(observed);

    assert.deepEqual([...inbox.pending.values()], [three]);
    assert.equal(inbox.inProgress.size, 0);
  }
});

test("a late push does not bring back a removed session", () => {
  const inbox = new Inbox();
  inbox.observe(at(1));
  inbox.remove("c-1", 3);
  inbox.observe(at(2));

  assert.equal(inbox.get("c-1"), undefined);
});

test("a removal that precedes its assignment wins", () => {
  const inbox = new Inbox();
  inbox.remove("c-1", 3);
  inbox.observe(at(2));

  assert.equal(inbox.get("c-1"), undefined);
});

test("a late removal does not remove a newer session", () => {
  const inbox = new Inbox();
  inbox.observe(at(4));
  inbox.remove("c-1", 3);

  assert.equal(inbox.get("c-1").fence, 4);
});

test("a session opened again under its id replaces the old one", () => {
  const inbox = new Inbox();
  inbox.observe(at(7, { opened_at: 100 }));
  inbox.remove("c-1", 8);
  inbox.observe(at(1, { opened_at: 200 }));

  assert.equal(inbox.inProgress.get("c-1").openedAt, 200);
});

test("a reply with another owner removes the session", () => {
  const inbox = new Inbox();
  inbox.observe(at(1));
  inbox.observe(at(2, { owner: "bo" }), "ana");

  assert.equal(inbox.get("c-1"), undefined);
});

test("a reply about another agent's session changes nothing", () => {
  const inbox = new Inbox();
  inbox.observe(at(2, { owner: "bo" }), "ana");
  inbox.observe(at(2));

  assert.equal(inbox.get("c-1").fence, 2);
});

test("a welcome replaces the inbox and returns the new sessions", () => {
  const inbox = new Inbox();
  inbox.observe(session("gone"));
  inbox.observe(session("kept"));
  const found = inbox.replace({
    inProgress: [session("kept"), session("new")],
    pending: [session("waiting", { state: "pending" })],
  });

  assert.deepEqual(
    found.map(({ id }) => id),
    ["new"],
  );
  assert.deepEqual([...inbox.inProgress.keys()], ["kept", "new"]);
  assert.deepEqual([...inbox.pending.keys()], ["waiting"]);
});

test("tombstones are bounded", () => {
  const inbox = new Inbox();
  for (let number = 0; number < 5000; number += 1) inbox.remove(`c-${number}`, 2);
  inbox.observe(session("c-4999"));
  inbox.observe(session("c-0"));

  assert.deepEqual([...inbox.inProgress.keys()], ["c-0"]);
});

test("a welcome with older fences replaces newer sessions", () => {
  const inbox = new Inbox();
  inbox.observe(session("behind", { fence: 5 }));
  inbox.observe(session("back", { fence: 5 }));
  inbox.remove("back", 6);

  inbox.replace({
    inProgress: [session("behind", { fence: 3 }), session("back", { fence: 4 })],
    pending: [],
  });
  inbox.observe(session("behind", { fence: 4, state: "pending" }));

  assert.equal(inbox.inProgress.get("back").fence, 4);
  assert.equal(inbox.pending.get("behind").fence, 4);
});
