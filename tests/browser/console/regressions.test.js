/** Defects that other systems had on the screen, each with the test that keeps it from being one of ours. */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { WebSocket } from "ws";
import { noBrowser } from "../support/browser.js";
import { ConsoleFixture, PEOPLE } from "./fixture.js";

/** @typedef {import("./fixture.js").Window} Window */

/** @type {ConsoleFixture} */
let fixture;

before(async () => {
  const pings = { RELEVO_PING_INTERVAL_MS: "300", RELEVO_PING_TIMEOUT_MS: "2000" };
  if (!noBrowser) fixture = await ConsoleFixture.open(pings);
});
afterEach(() => fixture?.closeWindows());
after(() => fixture?.close());

test("a queued conversation appears without a reload", { skip: noBrowser }, async () => {
  const dora = await fixture.signedIn({ id: "dora", name: "Dóra Kiss", departments: ["sales"], capacity: 2 });
  await dora.pause();
  await dora.page.evaluate(() => Object.assign(window, { loadedOnce: true }));
  const customers = ["Pol Roca", "Mar Vidal", "Iu Serra"];
  for (const [index, name] of customers.entries()) {
    const target = { kind: "department", id: "sales" };
    const customer = { id: `c-${index}`, name };
    await fixture.router.command("session.open", { session_id: `queue-${index}`, customer, target });
    await dora.page.locator(".card.queued", { hasText: name }).waitFor();
  }
  // What somebody else takes leaves the list as it came.
  const taken = { kind: "agent", id: "dora" };
  await fixture.router.command("session.transfer", { session_id: "queue-1", target: taken });
  await dora.page.locator(".card.queued", { hasText: "Mar Vidal" }).waitFor({ state: "detached" });

  assert.equal(await dora.page.locator(".card.queued").count(), 2);
  assert.equal(await dora.page.evaluate(() => "loadedOnce" in window), true);
  await dora.button("Available").click();
});

test("a list's count equals its length after every change", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  const bruno = await fixture.signedIn(PEOPLE.bruno);
  const carmen = await fixture.signedIn(PEOPLE.carmen);

  /** @param {Window} window @param {number} inProgress @param {number} pending */
  const shows = async ({ page }, inProgress, pending) => {
    await page
      .getByRole("banner")
      .getByLabel(new RegExp(`^${inProgress} of `))
      .waitFor();
    await page.waitForFunction(([inProgress, pending]) => {
      const groups = [...document.querySelectorAll(".group:not([hidden])")];
      const count = (/** @type {string} */ kind) => document.querySelectorAll(`.card.${kind}`).length;
      return (
        count("in-progress") === inProgress &&
        count("pending") === pending &&
        groups.every(
          (group) =>
            Number(group.querySelector(".count")?.textContent) === group.querySelectorAll(".card").length,
        )
      );
    }, /** @type {const} */ ([inProgress, pending]));
  };
  /** @param {string} sessionId @param {string} agentId */
  const transfer = (sessionId, agentId) =>
    fixture.router.command("session.transfer", {
      session_id: sessionId,
      target: { kind: "agent", id: agentId },
    });

  for (const number of [1, 2, 3]) await fixture.router.open(`badge-${number}`, `Cliente ${number}`, "ana");
  await shows(ana, 3, 0);
  await fixture.router.open("badge-4", "Cliente 4", "carmen");
  const dashboard = carmen.page.getByRole("region", { name: "Agents" });
  for (const load of ["3 of 10", "0 of 4", "1 of 5"]) await dashboard.getByLabel(load).waitFor();
  await transfer("badge-1", "bruno");
  await shows(ana, 2, 0);
  await shows(bruno, 1, 0);
  await bruno.pause();
  await transfer("badge-2", "bruno");
  await shows(ana, 1, 0);
  await shows(bruno, 1, 1);
  await bruno.card("Cliente 2").getByRole("button", { name: "Accept" }).click();
  await shows(bruno, 2, 0);
  await fixture.router.command("session.close", { session_id: "badge-1" });
  await shows(bruno, 1, 0);
  // So are the unread ones of a title: none is left that has gone.
  await bruno.choose("Cliente 2");
  await transfer("badge-3", "bruno");
  await bruno.page.waitForFunction(() => document.title.startsWith("(1)"));
  await fixture.router.command("session.close", { session_id: "badge-3" });
  await bruno.page.waitForFunction(() => !document.title.startsWith("("));
  await shows(ana, 0, 0);
  await bruno.button("Available").click();
});

test("a background tab with throttled timers keeps its agent connected", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  const observer = await fixture.router.connect({ id: "observer", role: "admin" });
  await observer.subscribeDirectory();
  const seen = new Set();
  observer.on("directoryChanged", () => seen.add(observer.directory?.agents.get("ana")?.status));

  // A browser hardly runs the timers of a tab that nobody looks at; here not one of them runs.
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
  // Meanwhile one after another who answers no pings is found out.
  for (const id of ["deaf-1", "deaf-2", "deaf-3"]) assert.equal(await foundOut(id), 4002);
  seen.add(observer.directory?.agents.get("ana")?.status);

  assert.deepEqual([...seen], ["connected"]);
  assert.equal(await ticks(), before);
  await fixture.router.open("tab-1", "Nil Bosch", "ana");
  await browser.send("Emulation.setVirtualTimePolicy", { policy: "advance" });
  await ana.card("Nil Bosch").waitFor();
});

/**
 * Connect somebody who answers no pings, and return the code with which the router ends it.
 *
 * @param {string} id
 * @returns {Promise<number>}
 */
function foundOut(id) {
  const url = `ws://127.0.0.1:${fixture.router.port}/ws`;
  const socket = new WebSocket(url, "relevo.v1.json", /** @type {any} */ ({ autoPong: false }));
  const hello = { type: "hello", id: "1", token: fixture.router.token({ id }) };
  socket.on("open", () => socket.send(JSON.stringify(hello)));
  return new Promise((done, failed) => socket.on("close", done).on("error", failed));
}
