import assert from "node:assert/strict";
import { test } from "node:test";
import { Drafts } from "../drafts.js";
import { storeOf } from "../storage.js";

const noStorage = () => {
  throw new Error("blocked");
};

test("a draft keeps its text and one key until it is done", () => {
  const drafts = new Drafts(storeOf(noStorage), "acme ana");
  drafts.type("note/chat-1", "half a thought");
  const key = drafts.keyOf("note/chat-1");

  assert.match(key, /^[0-9a-f]{32}$/);
  drafts.type("note/chat-1", "half a thought");
  assert.equal(drafts.keyOf("note/chat-1"), key);
  drafts.done("note/chat-1");
  assert.deepEqual(drafts.get("note/chat-1"), { text: "", key: null });
});

test("a changed draft gets another key", () => {
  const drafts = new Drafts(storeOf(noStorage), "acme ana");
  drafts.type("note/chat-1", "one");
  const key = drafts.keyOf("note/chat-1");
  drafts.type("note/chat-1", "two");

  assert.notEqual(drafts.keyOf("note/chat-1"), key);
});

test("a draft of another agent in the same tab is invisible", () => {
  const store = storeOf(noStorage);
  new Drafts(store, "acme ana").type("note/chat-1", "hers");

  assert.equal(new Drafts(store, "acme bruno").get("note/chat-1").text, "");
});

test("an emptied draft is removed", () => {
  const store = storeOf(noStorage);
  const drafts = new Drafts(store, "acme ana");
  drafts.type("note/chat-1", "one");
  drafts.type("note/chat-1", "");

  assert.equal(store.get("drafts.acme ana"), null);
});

test("drafts above the limit remove the oldest", () => {
  const drafts = new Drafts(storeOf(noStorage), "acme ana");
  for (let chat = 0; chat < 100; chat += 1) drafts.type(`note/${chat}`, "text");
  drafts.type("note/0", "touched again");
  drafts.type("note/100", "one more");

  assert.equal(drafts.get("note/0").text, "touched again");
  assert.equal(drafts.get("note/1").text, "");
  assert.equal(drafts.get("note/2").text, "text");
});

test("a store with a full storage keeps values in memory", () => {
  /** @type {any} */
  const full = {
    getItem: () => "old",
    setItem() {
      throw new Error("quota");
    },
    removeItem() {},
  };
  const store = storeOf(() => full);
  store.set("token", "new");

  assert.equal(store.get("token"), "new");
});
