/** For everybody: by keyboard alone, with a screen reader, in the dark, on a phone, in three languages. */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { expectAccessible, noBrowser, picture } from "../support/browser.js";
import { Desk } from "./desk.js";
import { choose, expectText, send, transfer } from "./hands.js";

/** @type {Desk} */
let desk;
/** @type {Awaited<ReturnType<Desk["staff"]>>} */
let staff;
const options = { skip: noBrowser };

before(async () => {
  if (noBrowser) return;
  desk = await Desk.open();
  staff = await desk.staff();
  await desk.router.departments("legal");
});
afterEach(() => desk?.leave());
after(() => desk?.close());

for (const [look, given] of Object.entries({ light: {}, dark: { dark: true }, phone: { phone: true } })) {
  test(`every state has no violation, and looks right: ${look}`, options, async () => {
    /** @param {import("playwright-core").Page} page @param {string} state */
    const look_at = async (page, state) => {
      // A row that is still gliding, or a button still fading, has colours of in between.
      await page.evaluate(() => Promise.all(document.getAnimations().map(({ finished }) => finished)));
      await picture(page, `${look}-${state}`);
      await expectAccessible(page, `${look}: ${state}`);
    };
    const { page, cable, sessionId } = await desk.page(given);
    await look_at(page, "1-agents");
    await choose(page, "Ana Souza");
    await page.getByLabel("Reason").fill("The invoice of March was charged twice; she wants the money back.");
    await look_at(page, "2-chosen");
    await choose(page, "Pablo Díaz");
    await look_at(page, "3-will-wait");
    await page.getByRole("searchbox").fill("sales");
    await look_at(page, "4-search");
    await page.getByRole("searchbox").fill("xyz");
    await look_at(page, "5-no-match");
    await page.keyboard.press("Escape");
    await page.getByRole("tab", { name: "Departments" }).click();
    await choose(page, "Legal");
    await look_at(page, "6-departments");
    await page.getByRole("button", { name: "Select", exact: true }).click();
    await look_at(page, "6-selected");
    await send(page);
    await expectText(page.locator(".outcome-title"), /^Queued/);
    await look_at(page, "7-queued");
    await page.getByRole("button", { name: "Recall" }).click();
    await expectText(page.locator(".outcome-title"), "Recalled");
    await look_at(page, "8-recalled");
    await page.getByRole("button", { name: "Done" }).click();
    await page.click("#open");
    cable.cut();
    await page.locator(".banner").waitFor();
    await look_at(page, "9-not-live");
    await page.getByRole("tab", { name: "Agents" }).click();
    await choose(page, "Pablo Díaz");
    await page.locator(".button.primary:visible").click();
    await expectText(page.locator(".outcome-title"), /^Waiting for/);
    await look_at(page, "10-waiting-for-connection");
    cable.mend();
    await page.evaluate(() => /** @type {any} */ (window).client.wake());
    await expectText(page.locator(".outcome-title"), /pending list/);
    await page.locator(".banner").waitFor({ state: "hidden" });
    await look_at(page, "11-pending");
    await staff.pablo.decline(sessionId);
    await expectText(page.locator(".outcome-title"), "It was declined");
    await look_at(page, "12-declined");
    await page.getByRole("button", { name: "Done" }).click();
    await page.click("#open");
    await transfer(page, "Ana Souza", "The invoice of March was charged twice.");
    await expectText(page.locator(".outcome-title"), /^Delivered/);
    await look_at(page, "13-delivered");
  });
}

test("from end to end by keyboard alone", options, async () => {
  const { page, sessionId } = await desk.page({ shown: false });
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
  await expectText(page.locator(".forecast"), "Bruno Lima gets it at once.");
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
  assert.equal(staff.bruno.inbox.get(sessionId)?.transfer?.reason, "By keyboard");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.locator("dialog").waitFor({ state: "hidden" });
  assert.equal(await page.evaluate(() => document.activeElement?.id), "open");
});

test("a screen reader hears the choice, the outcome and the connection", options, async () => {
  const { page, cable } = await desk.page();
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
  cable.cut();
  await expectText(connection, /^Not live/);
  cable.mend();
  await page.evaluate(() => /** @type {any} */ (window).client.wake());
  await expectText(connection, "Live again.");
});

for (const [lang, title, label, status, counted] of [
  ["en-GB", "Transfer conversation", "Transfer", "On pause", "0 of 1,000"],
  ["es-MX", "Transferir conversación", "Transferir", "En pausa", "0 de 1"],
  ["pt-BR", "Transferir conversa", "Transferir", "Em pausa", "0 de 1.000"],
  ["de", "Transfer conversation", "Transfer", "On pause", "0 of 1"],
]) {
  test(`the page's language is the dialog's: ${lang}`, options, async () => {
    const { page } = await desk.page({ lang });
    await expectText(page.locator("#title"), title ?? "");
    await expectText(page.locator(".button.primary:visible"), label ?? "");
    await expectText(page.locator("[role=option]", { hasText: "Pablo" }).locator(".status"), status ?? "");
    await expectText(page.locator("#reason-length"), new RegExp(`^${counted}`));
    await expectAccessible(page, `in ${lang}`);
    await picture(page, `lang-${lang}`);
  });
}

test("the dialog follows when the page changes its language", options, async () => {
  const { page } = await desk.page();
  await choose(page, "Pablo Díaz");
  await page.evaluate(() => void (document.documentElement.lang = "es"));
  await expectText(page.locator(".forecast"), "Pablo Díaz está en pausa: esperará en sus pendientes.");
});

/** @param {import("playwright-core").Page} page */
function focused(page) {
  return page.evaluate(() => /** @type {any} */ (window).dialog.shadowRoot.activeElement?.id);
}
