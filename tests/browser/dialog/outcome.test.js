/** What becomes of a transfer, on its sender's screen. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { openBefore } from "./fixture.js";
import { choose, expectText, send, emitted, transfer } from "./actions.js";

/** @type {import("./fixture.js").DialogFixture} */
let fixture;
/** @type {Awaited<ReturnType<typeof fixture.addAgents>>} */
let agents;
const options = openBefore(async (opened) => {
  fixture = opened;
  agents = await fixture.addAgents();
});

test("a transfer to an available agent shows the time of delivery", options, async () => {
  const { page, sessionId } = await fixture.page();
  await transfer(page, "Ana Souza", "Wants an invoice");
  await expectText(page.locator(".outcome-title"), "Delivered to Ana Souza");
  await expectText(page.locator(".outcome-details"), /^Ana Souza has had it since \d\d:\d\d:\d\d.*\.$/);
  assert.equal(await page.getByRole("button", { name: "Recall" }).count(), 0);
  assert.equal(agents.ana.inbox.get(sessionId)?.transfer?.reason, "Wants an invoice");
  const [first, second] = await emitted(page);
  assert.deepEqual([first?.name, first?.detail.transfer.outcome], ["transfer", "assigned"]);
  assert.deepEqual([second?.name, second?.detail.state], ["update", "delivered"]);
});

test("a transfer to a department names the assigned agent", options, async () => {
  const { page } = await fixture.page({ tab: "departments" });
  await transfer(page, "Support");
  await expectText(page.locator(".outcome-title"), "Delivered to Bruno Lima");
  await expectText(page.locator(".outcome-details"), /^Chosen in Support, as the least busy\./);
});

test("a transfer to a paused agent is pending and can be recalled", options, async () => {
  const { page, sessionId } = await fixture.page();
  await transfer(page, "Pablo Díaz");
  await expectText(page.locator(".outcome-title"), "Waiting in Pablo Díaz's pending list");
  await expectText(page.locator(".outcome-details"), /^Because Pablo Díaz is on pause\./);
  await page.getByRole("button", { name: "Recall" }).click();
  await expectText(page.locator(".outcome-title"), "Recalled");
  await expectText(page.locator(".outcome-details"), "You have the conversation again.");
  assert.equal(agents.pablo.inbox.get(sessionId), undefined);
});

test("a pending transfer shows when it is accepted or declined", options, async () => {
  const { page, sessionId } = await fixture.page();
  await transfer(page, "Pablo Díaz");
  await expectText(page.locator(".outcome-title"), /^Waiting/);
  await agents.pablo.sessions.decline(sessionId);
  await expectText(page.locator(".outcome-title"), "It was declined");
  await expectText(page.locator(".outcome-details"), "You have the conversation again.");
  await page.getByRole("button", { name: "Done" }).click();
  await page.click("#open");
  await transfer(page, "Pablo Díaz");
  await expectText(page.locator(".outcome-title"), /^Waiting/);
  await agents.pablo.sessions.accept(sessionId);
  await expectText(page.locator(".outcome-title"), "Pablo Díaz accepted it");
  await expectText(page.locator(".outcome-details"), /^Pablo Díaz has had it since/);
});

test("a queued transfer shows its place and follows it", options, async () => {
  await fixture.router.departments("legal");
  const waiting = (/** @type {string} */ id) => ({
    session_id: id,
    customer: { id, name: id },
    target: { kind: "department", id: "legal" },
  });
  await fixture.router.command("session.open", waiting("before-1"));
  await fixture.router.command("session.open", waiting("before-2"));
  const { page } = await fixture.page({ tab: "departments" });
  await choose(page, "Legal");
  await expectText(
    page.locator(".prediction"),
    "No agent in Legal is available: it will be queued as third.",
  );
  await send(page);
  await expectText(page.locator(".outcome-title"), "Queued in Legal as third");
  // One joins behind and one before leaves: the queue is as long as ever, and the place is another.
  await fixture.router.command("session.open", waiting("behind"));
  await fixture.router.command("session.close", { session_id: "before-1" });
  await expectText(page.locator(".outcome-title"), "Queued in Legal as second");
  await page.getByRole("button", { name: "Done" }).click();
  await page.click("#open");
  await expectText(page.locator(".outcome-title"), "Queued in Legal as second");
  const lawyer = await fixture.router.connect({
    id: "lea",
    name: "Lea Roth",
    departments: ["legal"],
    capacity: 9,
  });
  await expectText(page.locator(".outcome-title"), "Delivered to Lea Roth");
  await lawyer.close();
});

test("a late recall names the present owner", options, async () => {
  const { page, sessionId } = await fixture.page();
  await transfer(page, "Pablo Díaz");
  await expectText(page.locator(".outcome-title"), /^Waiting/);
  // Both commands at the same moment: the push has not arrived yet.
  await page.evaluate(() => {
    const { sessions } = /** @type {any} */ (window).client;
    const { recall } = sessions;
    sessions.recall = async (/** @type {unknown[]} */ ...given) => {
      await new Promise((done) => Object.assign(window, { go: done }));
      return recall.apply(sessions, given);
    };
  });
  await page.getByRole("button", { name: "Recall" }).click();
  await agents.pablo.sessions.accept(sessionId);
  await expectText(page.locator(".outcome-title"), "Pablo Díaz accepted it");
  await page.evaluate(() => /** @type {any} */ (window).go());
  await expectText(page.locator(".outcome-title"), "Too late to recall");
  await expectText(page.locator(".outcome-details"), /^Pablo Díaz has it now\./);
});

test("a conflict names the present owner", options, async () => {
  const { page, sessionId } = await fixture.page();
  const stale = await page.evaluate((id) => /** @type {any} */ (window).client.inbox.get(id), sessionId);
  await choose(page, "Ana Souza");
  await page.getByLabel("Reason").fill("Kept");
  // As it is when the command and another's change pass each other on their way.
  await page.evaluate((session) => {
    const { client, dialog } = /** @type {any} */ (window);
    dialog.session = session;
    const { sessions } = client;
    const { transfer } = sessions;
    sessions.transfer = async (/** @type {unknown[]} */ ...given) => {
      await new Promise((done) => Object.assign(window, { go: done }));
      return transfer.apply(sessions, given);
    };
  }, stale);
  await page.locator(".button.primary:visible").click();
  await agents.carmen.sessions.transfer(
    sessionId,
    { kind: "agent", id: "bruno" },
    { reason: "Mine to decide" },
  );
  await page.evaluate(() => /** @type {any} */ (window).go());
  await expectText(page.locator(".outcome-title"), "The conversation has moved");
  await expectText(page.locator(".outcome-details"), /^Bruno Lima has it now\.Carmen Núñez moved it at/);
  assert.equal((await emitted(page)).at(-1)?.detail.error.code, "conflict");
});

test("a session that an admin transfers away shows its removal", options, async () => {
  const { page, sessionId } = await fixture.page();
  await page.getByLabel("Reason").fill("Half a sent");
  await agents.carmen.sessions.transfer(sessionId, { kind: "agent", id: "bruno" });
  await expectText(page.locator(".outcome-title"), "This conversation has left you");
  await expectText(page.locator(".outcome-details"), /^Bruno Lima has it now\.Carmen Núñez moved it at/);
});

test("a transfer with a lost reply is retried and made once", options, async () => {
  const { page, proxy, sessionId } = await fixture.page();
  await choose(page, "Ana Souza");
  await page.evaluate(() => {
    const { sessions } = /** @type {any} */ (window).client;
    const { transfer } = sessions;
    // The client's own patience is half a minute.
    sessions.transfer = (/** @type {any[]} */ ...given) =>
      transfer.call(sessions, given[0], given[1], { ...given[2], timeout: 300 });
  });
  proxy.cut();
  await page.locator(".banner").waitFor();
  await page.locator(".button.primary:visible").click();
  await expectText(page.locator(".outcome-title"), "Waiting for the connection…");
  await expectText(page.locator(".outcome-title"), "No reply");
  proxy.restore();
  await page.evaluate(() => /** @type {any} */ (window).client.wake());
  await page.locator(".banner").waitFor({ state: "hidden" });
  await page.getByRole("button", { name: "Try again" }).click();
  await expectText(page.locator(".outcome-title"), "Delivered to Ana Souza");
  assert.equal(agents.ana.inbox.get(sessionId)?.hops, 1);
});
