import assert from "node:assert/strict";
import { test } from "node:test";
import { Timeline } from "../model/timeline.js";

/** @param {number} seq @returns {any} */
const entry = (seq) => ({ seq, kind: "internal", at: seq, by: null, text: String(seq), transfer: null });

/** A history of a length that a test changes, read in pages of two. @param {number} length */
function history(length) {
  const book = {
    length,
    /** @type {number[]} */
    asked: [],
    /** @param {number} after */
    async read(after) {
      book.asked.push(after);
      const rest = Array.from({ length: book.length - after }, (_, index) => entry(after + index + 1));
      return { entries: rest.slice(0, 2), more: rest.length > 2 };
    },
  };
  return book;
}

/** @param {Timeline} timeline */
const seqs = (timeline) => timeline.entries.map(({ seq }) => seq);

test("a history is loaded page by page", async () => {
  const book = history(5);
  const timeline = new Timeline(book.read);
  await timeline.load();

  assert.deepEqual(seqs(timeline), [1, 2, 3, 4, 5]);
  assert.deepEqual(book.asked, [0, 2, 4]);
});

test("the next entry is appended without loading", async () => {
  const book = history(2);
  const timeline = new Timeline(book.read);
  await timeline.load();
  timeline.push(entry(3));

  assert.deepEqual(seqs(timeline), [1, 2, 3]);
  assert.equal(book.asked.length, 1);
});

test("an entry after a gap loads the gap; a known entry changes nothing", async () => {
  const book = history(2);
  const timeline = new Timeline(book.read);
  await timeline.load();
  book.length = 5;
  timeline.push(entry(5));
  timeline.push(entry(2));
  await timeline.load();

  assert.deepEqual(seqs(timeline), [1, 2, 3, 4, 5]);
});

test("an entry during a load is neither lost nor duplicated", async () => {
  const book = history(2);
  const timeline = new Timeline(book.read);
  const loading = timeline.load();
  book.length = 3;
  timeline.push(entry(3));
  await loading;

  assert.deepEqual(seqs(timeline), [1, 2, 3]);
});

test("a failed load sets the state, and can be repeated", async () => {
  let broken = true;
  const book = history(1);
  const timeline = new Timeline(async (after) => {
    if (broken) throw new Error("away");
    return book.read(after);
  });
  await timeline.load();
  assert.equal(timeline.state, "failed");

  broken = false;
  await timeline.load();
  assert.equal(timeline.state, "ready");
  assert.deepEqual(seqs(timeline), [1]);
});
