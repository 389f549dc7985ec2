/** Accessibility: keyboard, screen reader, colour schemes, a phone, three languages. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { expectAccessible, picture } from "../support/browser.js";
import { openBefore } from "./fixture.js";
import { choose, expectText, send, transfer } from "./actions.js";

/** @type {import("./fixture.js").DialogFixture} */
let fixture;
/** @type {Awaited<ReturnType<typeof fixture.addAgents>>} */
let agents;
const options = openBefore(async (opened) => {
  fixture = opened;
  agents = await fixture.addAgents();
  await fixture.router.departments("legal");
});

for (const [look, given] of Object.entries({ desktop: {}, phone: { phone: true } })) {
  test(`every state has no accessibility violation: ${look}`, options, async () => {
    const { page, proxy, sessionId } = await fixture.page(given);
    await expectAccessible(page, `${look}: 1 agents`);
    await choose(page, "Ana Souza");
    await page.getByLabel("Reason").fill("The invoice of March was charged twice; she wants the money back.");
    await expectAccessible(page, `${look}: 2 chosen`);
    await choose(page, "Pablo Díaz");
    await expectAccessible(page, `${look}: 3 will-wait`);
    await page.getByRole("searchbox").fill("sales");
    await expectAccessible(page, `${look}: 4 search`);
    await page.getByRole("searchbox").fill("xyz");
    await expectAccessible(page, `${look}: 5 no-match`);
    await page.keyboard.press("Escape");
    await page.getByRole("tab", { name: "Departments" }).click();
    await choose(page, "Legal");
    await expectAccessible(page, `${look}: 6 departments`);
    await page.getByRole("button", { name: "Select", exact: true }).click();
    await expectAccessible(page, `${look}: 6 selected`);
    await send(page);
    await expectText(page.locator(".outcome-title"), /^Queued/);
    await expectAccessible(page, `${look}: 7 queued`);
    await page.getByRole("button", { name: "Recall" }).click();
    await expectText(page.locator(".outcome-title"), "Recalled");
    await expectAccessible(page, `${look}: 8 recalled`);
    await page.getByRole("button", { name: "Done" }).click();
    await page.click("#open");
    proxy.cut();
    await page.locator(".banner").waitFor();
    await expectAccessible(page, `${look}: 9 not-live`);
    await page.getByRole("tab", { name: "Agents" }).click();
    await choose(page, "Pablo Díaz");
    await page.locator(".button.primary:visible").click();
    await expectText(page.locator(".outcome-title"), /^Waiting for/);
    await expectAccessible(page, `${look}: 10 waiting-for-connection`);
    proxy.restore();
    await page.evaluate(() => /** @type {any} */ (window).client.wake());
    await expectText(page.locator(".outcome-title"), /pending list/);
    await page.locator(".banner").waitFor({ state: "hidden" });
    await expectAccessible(page, `${look}: 11 pending`);
    await agents.pablo.sessions.decline(sessionId);
    await expectText(page.locator(".outcome-title"), "It was declined");
    await expectAccessible(page, `${look}: 12 declined`);
    await page.getByRole("button", { name: "Done" }).click();
    await page.click("#open");
    await transfer(page, "Ana Souza", "The invoice of March was charged twice.");
    await expectText(page.locator(".outcome-title"), /^Delivered/);
    await expectAccessible(page, `${look}: 13 delivered`);
  });
}

test("a transfer can be made by keyboard alone", options, async () => {
  const { page, sessionId } = await fixture.page({ shown: false });
  await page.locator("#open").focus();
  await page.keyboard.press("Enter");
  await page.locator("[role=option]").first().waitFor();
  // The tabs come before the search, which has the focus.
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await focused(page), "department-tab");
  await page.keyboard.press("ArrowRight");
  assert.equal(await focused(page), "agent-tab");
  await page.keyboard.press("Tab");
  await page.keyboard.type("bru");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await expectText(page.locator(".prediction"), "Bruno Lima gets it at once.");
  // A letter in the list goes on with the search.
  await page.keyboard.type("n");
  assert.equal(await page.getByRole("searchbox").inputValue(), "brun");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "reason");
  await page.keyboard.type("By keyboard");
  await page.keyboard.press("Control+Enter");
  await expectText(page.locator(".outcome-title"), "Delivered to Bruno Lima");
  assert.equal(agents.bruno.inbox.get(sessionId)?.transfer?.reason, "By keyboard");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.locator("dialog").waitFor({ state: "hidden" });
  assert.equal(await page.evaluate(() => document.activeElement?.id), "open");
});

test("live regions announce selection, outcome and connection", options, async () => {
  const { page, proxy } = await fixture.page();
  const [news, connection] = await page.locator("dialog > [role=status]").all();
  assert.ok(news && connection);
  await choose(page, "Pablo Díaz");
  await expectText(news, "Pablo Díaz is on pause: it will wait in their pending list.");
  await page.locator(".button.primary:visible").click();
  await expectText(news, /^Waiting in Pablo Díaz's pending list/);
  assert.equal(
    await page.evaluate(() => /** @type {any} */ (window).dialog.shadowRoot.activeElement.className),
    "outcome-title",
  );
  proxy.cut();
  await expectText(connection, /^Not live/);
  proxy.restore();
  await page.evaluate(() => /** @type {any} */ (window).client.wake());
  await expectText(connection, "Live again.");
});

for (const [lang, title, label, status, counted] of [
  ["en-GB", "Transfer conversation", "Transfer", "On pause", "0 of 1,000"],
  ["es-MX", "Transferir conversación", "Transferir", "En pausa", "0 de 1"],
  ["pt-BR", "Transferir conversa", "Transferir", "Em pausa", "0 de 1.000"],
  ["de", "Transfer conversation", "Transfer", "On pause", "0 of 1"],
]) {
  test(`the dialog has the page's language: ${lang}`, options, async () => {
    const { page } = await fixture.page({ lang });
    await expectText(page.locator("#title"), title ?? "");
    await expectText(page.locator(".button.primary:visible"), label ?? "");
    await expectText(page.locator("[role=option]", { hasText: "Pablo" }).locator(".status"), status ?? "");
    await expectText(page.locator("#reason-length"), new RegExp(`^${counted}`));
    await expectAccessible(page, `in ${lang}`);
    await picture(page, `lang-${lang}`);
  });
}

test("the dialog follows a change of the page's language", options, async () => {
  const { page } = await fixture.page();
  await choose(page, "Pablo Díaz");
  await page.evaluate(() => void (document.documentElement.lang = "es"));
  await expectText(page.locator(".prediction"), "Pablo Díaz está en pausa: esperará en sus pendientes.");
});

/** @param {import("playwright-core").Page} page */
function focused(page) {
  return page.evaluate(() => /** @type {any} */ (window).dialog.shadowRoot.activeElement?.id);
}
