import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { QueuePlace } from "../queue-place.js";
import { department } from "./rows.js";

/** How often the router was asked. */
let asked = 0;
/** @type {number[]} */
let told = [];
/** @type {() => Promise<number>} */
let answer;
const client = /** @type {any} */ ({
  placeInQueue: () => {
    asked += 1;
    return answer();
  },
});
/** @param {number} milliseconds */
const pass = async (milliseconds) => {
  mock.timers.tick(milliseconds);
  // What was asked is answered before anything else happens.
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
};

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  [asked, told] = [0, []];
  answer = async () => asked;
});
afterEach(() => mock.timers.reset());

test("the place is asked for at once, and again when the department's row is another", async () => {
  const place = new QueuePlace(client, "s", (value) => told.push(value));
  const row = department("legal");
  await pass(0);
  assert.deepEqual(told, [1]);
  place.follow(row);
  await pass(500);
  place.follow(row);
  await pass(600);
  assert.deepEqual(told, [1, 2]);
  place.end();
});

test("however often the queue changes, it is asked for twice a second", async () => {
  const place = new QueuePlace(client, "s", (value) => told.push(value));
  for (let change = 0; change < 100; change += 1) {
    await pass(20);
    place.follow(department("legal", { queued: change }));
  }
  assert.ok(asked >= 4 && asked <= 5, `asked ${asked} times in two seconds`);
  place.end();
});

test("a change while the answer is on its way is not lost", async () => {
  /** @type {(place: number) => void} */
  let reply = () => {};
  answer = () => new Promise((done) => (reply = done));
  const place = new QueuePlace(client, "s", (value) => told.push(value));
  place.follow(department("legal"));
  reply(3);
  await pass(0);
  await pass(500);
  reply(2);
  await pass(0);
  assert.deepEqual(told, [3, 2]);
  place.end();
});

test("without a change, or an answer, it is asked for again every few seconds, and never after the end", async () => {
  answer = async () => {
    if (asked === 1) throw new Error("no connection");
    return asked;
  };
  const place = new QueuePlace(client, "s", (value) => told.push(value));
  await pass(0);
  await pass(3_000);
  await pass(3_000);
  assert.deepEqual(told, [2, 3]);
  place.end();
  place.follow(department("legal"));
  await pass(60_000);
  assert.equal(asked, 3);
});
