import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { QueuePlace } from "../queue-place.js";
import { department } from "./rows.js";

/** The number of requests. */
let requests = 0;
/** @type {number[]} */
let places = [];
/** @type {() => Promise<number>} */
let answer;
const client = /** @type {any} */ ({
  sessions: {
    place: () => {
      requests += 1;
      return answer();
    },
  },
});
/** @param {number} milliseconds */
const advance = async (milliseconds) => {
  mock.timers.tick(milliseconds);
  // Let the reply arrive first.
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
};

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  [requests, places] = [0, []];
  answer = async () => requests;
});
afterEach(() => mock.timers.reset());

test("the place is requested at once, and after a change of the row", async () => {
  const place = new QueuePlace(client, "s", (value) => places.push(value));
  const row = department("legal");
  await advance(0);
  assert.deepEqual(places, [1]);
  place.update(row);
  await advance(500);
  place.update(row);
  await advance(600);
  assert.deepEqual(places, [1, 2]);
  place.stop();
});

test("frequent changes cause at most two requests a second", async () => {
  const place = new QueuePlace(client, "s", (value) => places.push(value));
  for (let change = 0; change < 100; change += 1) {
    await advance(20);
    place.update(department("legal", { queued: change }));
  }
  assert.ok(requests >= 4 && requests <= 5, `${requests} requests in two seconds`);
  place.stop();
});

test("a change during a request causes another request", async () => {
  /** @type {(place: number) => void} */
  let reply = () => {};
  answer = () => new Promise((done) => (reply = done));
  const place = new QueuePlace(client, "s", (value) => places.push(value));
  place.update(department("legal"));
  reply(3);
  await advance(0);
  await advance(500);
  reply(2);
  await advance(0);
  assert.deepEqual(places, [3, 2]);
  place.stop();
});

test("without changes the place is requested every 3 s until stopped", async () => {
  answer = async () => {
    if (requests === 1) throw new Error("no connection");
    return requests;
  };
  const place = new QueuePlace(client, "s", (value) => places.push(value));
  await advance(0);
  await advance(3_000);
  await advance(3_000);
  assert.deepEqual(places, [2, 3]);
  place.stop();
  place.update(department("legal"));
  await advance(60_000);
  assert.equal(requests, 3);
});
