/** Actions on the dialog, and assertions about it. */

import assert from "node:assert/strict";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").Locator} Locator */

/**
 * Choose a row of the tab in front.
 *
 * @param {Page} page
 * @param {string} name
 */
export async function choose(page, name) {
  await page.locator("[role=option]:visible", { hasText: name }).click();
}

/**
 * Wait for two frames.
 *
 * @param {Page} page
 */
export async function drawn(page) {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/**
 * Return the names of the rows, from the top.
 *
 * @param {Page} page
 */
export function names(page) {
  return column(page, ".name");
}

/**
 * Return one text of each row, from the top.
 *
 * @param {Page} page
 * @param {string} selector
 */
export async function column(page, selector) {
  const texts = await page.locator("[role=option]:visible").evaluateAll(
    (rows, inside) =>
      rows.map((row) => ({
        at: Number(row.getAttribute("aria-posinset")),
        text: row.querySelector(inside)?.textContent ?? "",
      })),
    selector,
  );
  return texts.sort((one, other) => one.at - other.at).map(({ text }) => text);
}

/**
 * Wait until the rows have these names, from the top.
 *
 * @param {Page} page
 * @param {readonly string[]} expected
 */
export async function expectNames(page, expected) {
  /** @type {string[]} */
  let found = [];
  for (let frame = 0; frame < 60; frame += 1) {
    found = await names(page);
    if (found.join() === expected.join()) return;
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(done)));
  }
  assert.deepEqual(found, expected);
}

/**
 * Wait until an element has a text.
 *
 * @param {Locator} locator
 * @param {string | RegExp} expected The whole text, or what must occur in it.
 */
export async function expectText(locator, expected) {
  const end = Date.now() + 20_000;
  let text = null;
  do {
    text = await locator.textContent({ timeout: 20_000 });
    if (typeof expected === "string" ? text === expected : expected.test(text ?? "")) return;
    await locator.page().evaluate(() => new Promise((done) => requestAnimationFrame(done)));
  } while (Date.now() < end);
  if (typeof expected === "string") assert.equal(text, expected);
  else assert.match(text ?? "", expected);
}

/**
 * Transfer to a row of the tab in front.
 *
 * @param {Page} page
 * @param {string} name
 * @param {string} [reason]
 */
export async function transfer(page, name, reason) {
  await choose(page, name);
  if (reason !== undefined) await page.getByLabel("Reason").fill(reason);
  await send(page);
}

/**
 * Transfer to the chosen row; a department is selected first.
 *
 * @param {Page} page
 */
export async function send(page) {
  const select = page.getByRole("button", { name: "Select", exact: true });
  if (await select.isVisible()) await select.click();
  await page.getByRole("button", { name: "Transfer", exact: true }).and(page.locator(".primary")).click();
}

/**
 * Return the events that the dialog emitted, with name and detail.
 *
 * @param {Page} page
 * @returns {Promise<{ name: string, detail: any }[]>}
 */
export function emitted(page) {
  return page.evaluate(() => JSON.parse(JSON.stringify(/** @type {any} */ (window).emitted)));
}
