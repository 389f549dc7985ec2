import assert from "node:assert/strict";
import { test } from "node:test";
import { Drafts } from "../../model/drafts.js";
import { storeOf } from "../../model/storage.js";

const noStorage = () => {
  throw new Error("blocked");
};

test("a text is kept until it is done, with one key for all attempts", () => {
  const drafts = new Drafts(storeOf(noStorage), "acme/ana");
  drafts.type("note/chat-1", "half a thought");
  const key = drafts.keyOf("note/chat-1");

  assert.match(key, /^[0-9a-f]{32}$/);
  drafts.type("note/chat-1", "half a thought");
  assert.equal(drafts.keyOf("note/chat-1"), key);
  drafts.done("note/chat-1");
  assert.deepEqual(drafts.get("note/chat-1"), { text: "", key: null });
});

test("another text is another message, and gets another key", () => {
  const drafts = new Drafts(storeOf(noStorage), "acme/ana");
  drafts.type("note/chat-1", "one");
  const key = drafts.keyOf("note/chat-1");
  drafts.type("note/chat-1", "two");

  assert.notEqual(drafts.keyOf("note/chat-1"), key);
});

test("another person at the same tab sees none of them", () => {
  const store = storeOf(noStorage);
  new Drafts(store, "acme/ana").type("note/chat-1", "hers");

  assert.equal(new Drafts(store, "acme/bruno").get("note/chat-1").text, "");
});

test("an emptied text is not kept", () => {
  const store = storeOf(noStorage);
  const drafts = new Drafts(store, "acme/ana");
  drafts.type("note/chat-1", "one");
  drafts.type("note/chat-1", "");

  assert.equal(store.get("drafts.acme/ana"), null);
});

test("of too many the one untouched for longest goes", () => {
  const drafts = new Drafts(storeOf(noStorage), "acme/ana");
  for (let chat = 0; chat < 100; chat += 1) drafts.type(`note/${chat}`, "text");
  drafts.type("note/0", "touched again");
  drafts.type("note/100", "one more");

  assert.equal(drafts.get("note/0").text, "touched again");
  assert.equal(drafts.get("note/1").text, "");
  assert.equal(drafts.get("note/2").text, "text");
});

test("a full storage keeps what is set as long as the page", () => {
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
