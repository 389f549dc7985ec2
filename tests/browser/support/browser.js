/** Chromium, accessibility checks and screenshots. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** @typedef {import("playwright-core").Browser} Browser */
/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").CDPSession} CDPSession */

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** Why browser tests are skipped here, or false where they are not. */
export const noBrowser = existsSync(EXECUTABLE) ? false : `there is no ${EXECUTABLE}`;

export function launch() {
  return chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS });
}

/**
 * Fail if a page has an accessibility violation, in any of the shadow trees and in both colour schemes.
 *
 * @param {Page} page
 * @param {string} state The state of the screen, for the message.
 */
export async function expectAccessible(page, state) {
  // Injected by the debugger, so that the page's Content-Security-Policy stays.
  if (!(await page.evaluate(() => "axe" in window))) {
    const { readFile } = await import("node:fs/promises");
    await page.evaluate(await readFile(AXE, "utf8"));
  }
  try {
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      await page.emulateMedia({ colorScheme });
      await finishAnimations(page);
      await picture(page, `${state} ${colorScheme}`);
      // The other rules do not depend on colours.
      const rules = colorScheme === "dark" ? { runOnly: ["color-contrast"] } : {};
      const found = await page.evaluate(async (only) => {
        const { violations } = await /** @type {any} */ (window).axe.run(document, {
          resultTypes: ["violations"],
          ...only,
        });
        return violations.map((/** @type {any} */ { id, help, nodes }) => ({
          id,
          help,
          where: nodes.map((/** @type {any} */ node) => `${node.target.join(" ")} ${node.failureSummary}`),
        }));
      }, rules);
      assert.deepEqual(found, [], `${state} has accessibility violations in the ${colorScheme} scheme`);
    }
  } finally {
    await page.emulateMedia({ colorScheme: null });
  }
}

/**
 * Wait until what moves or fades has its final colours; endless animations do not count.
 *
 * @param {Page} page
 */
async function finishAnimations(page) {
  await page.evaluate(() => {
    const finite = document
      .getAnimations()
      .filter(({ effect }) => effect?.getComputedTiming().endTime !== Infinity);
    return Promise.allSettled(finite.map(({ finished }) => finished));
  });
}

/**
 * Save a screenshot of a page, if the environment names a folder for them in PICTURES.
 *
 * @param {Page} page
 * @param {string} name
 */
export async function picture(page, name) {
  const folder = process.env.PICTURES;
  if (folder === undefined) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name.replaceAll(/\W+/g, "-")}.png`) });
}
