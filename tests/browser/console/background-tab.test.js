/** An agent's presence while its tab is in the background. */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { WebSocket } from "ws";
import { noBrowser } from "../support/browser.js";
import { ConsoleFixture, PEOPLE } from "./fixture.js";

/** @type {ConsoleFixture} */
let fixture;

before(async () => {
  const pings = { RELEVO_PING_INTERVAL_MS: "300", RELEVO_PING_TIMEOUT_MS: "2000" };
  if (!noBrowser) fixture = await ConsoleFixture.open(pings);
});
afterEach(() => fixture?.closeWindows());
after(() => fixture?.close());

test("a background tab with throttled timers keeps its agent connected", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  const observer = await fixture.router.connect({ id: "observer", role: "admin" });
  await observer.directory.subscribe();
  const seen = new Set();
  observer.on("directoryChanged", () => seen.add(observer.directory?.agents.get("ana")?.status));

  // Browsers throttle the timers of a background tab; here none of them runs.
  const ticks = () => ana.page.evaluate(() => /** @type {any} */ (window).ticks);
  await ana.page.evaluate(() => {
    const page = /** @type {any} */ (window);
    page.ticks = 0;
    setInterval(() => {
      page.ticks += 1;
    }, 50);
  });
  const browser = await ana.page.context().newCDPSession(ana.page);
  await browser.send("Emulation.setVirtualTimePolicy", { policy: "pause" });
  const before = await ticks();
  // Meanwhile the router detects three connections that answer no pings.
  for (const id of ["silent-1", "silent-2", "silent-3"]) assert.equal(await closeCodeOf(id), 4002);
  seen.add(observer.directory?.agents.get("ana")?.status);

  assert.deepEqual([...seen], ["connected"]);
  assert.equal(await ticks(), before);
  await fixture.router.open("tab-1", "Nil Bosch", "ana");
  await browser.send("Emulation.setVirtualTimePolicy", { policy: "advance" });
  await ana.card("Nil Bosch").waitFor();
});

/**
 * Connect a websocket that answers no pings, and return the router's close code.
 *
 * @param {string} id
 * @returns {Promise<number>}
 */
function closeCodeOf(id) {
  const url = `ws://127.0.0.1:${fixture.router.port}/ws`;
  const socket = new WebSocket(url, "relevo.v1.json", /** @type {any} */ ({ autoPong: false }));
  const hello = { type: "hello", id: "1", token: fixture.router.token({ id }) };
  socket.on("open", () => socket.send(JSON.stringify(hello)));
  return new Promise((done, failed) => socket.on("close", done).on("error", failed));
}
