/**
 * Measure the transfer dialog among 10,000 agents, in a real browser against a real router.
 *
 *     npm --prefix tests/browser ci && node bench/dialog/measure.mjs [agents] [changes a second]
 */

import { cpus } from "node:os";
import { launch } from "../../tests/browser/support/browser.js";
import { servePages } from "../../tests/browser/support/pages.js";
import { Router } from "../../tests/browser/support/router.js";
import * as inPage from "./in_page.mjs";

const AGENTS = Number(process.argv[2] ?? 10_000);
const CHANGES_PER_S = Number(process.argv[3] ?? 200);
const OPENINGS = 7;
const WATCH_MS = 10_000;

const site = await servePages();
const [router, browser] = await Promise.all([
  Router.start([site.origin], { RELEVO_MESSAGE_RATE: "100000", RELEVO_PRESENCE_GRACE_MS: "200" }),
  launch(),
]);
try {
  console.log(
    `${AGENTS} agents, Chromium ${browser.version()} without a GPU, ${cpus().length} cores (${cpus()[0]?.model})`,
  );
  const backEnd = await router.connect({ id: "back-end", role: "service" });
  await fill(backEnd);
  const page = await openings();
  row("the same again, the directory resumed", [await page.evaluate(inPage.opening, "again")], "ms");
  frames("frames while scrolling", await page.evaluate(inPage.scrolling, 3_000));
  row("a letter typed to its matches on the screen", await page.evaluate(inPage.searching), "ms");
  await page.evaluate(inPage.chooseFirst);
  frames("frames at rest", await page.evaluate(inPage.watching, 3_000));
  const changes = change(backEnd);
  frames(`frames during ${CHANGES_PER_S} changes a second`, await page.evaluate(inPage.watching, WATCH_MS));
  frames("frames while scrolling during them", await page.evaluate(inPage.scrolling, 3_000));
  row("a letter typed during them", await page.evaluate(inPage.searching), "ms");
  const made = await changes.stop();
  console.log(`(${made.toFixed(0)} changes a second were made)`);
} finally {
  await browser.close();
  await router.stop();
  await site.close();
}

/** @param {import("../../clients/js/src/client.js").Client} backEnd */
async function fill(backEnd) {
  const departments = Array.from({ length: 40 }, (_, index) => `department-${index}`);
  for (const id of departments) await backEnd.putDepartment(id, `Department ${id.slice(11)}`);
  const queue = Array.from({ length: AGENTS }, (_, index) => index);
  const hands = Array.from({ length: 50 }, async () => {
    for (let index = queue.pop(); index !== undefined; index = queue.pop()) {
      await backEnd.putAgent(`agent-${index}`, nameOf(index), {
        departments: departmentsOf(index),
        capacity: 10,
      });
    }
  });
  await Promise.all(hands);
}

/** Open the dialog in new pages, each with a snapshot of its own; return the last. */
async function openings() {
  const found = [];
  let page;
  for (let round = 0; round < OPENINGS; round += 1) {
    await page?.context().close();
    page = await (await browser.newContext({ viewport: { width: 1100, height: 900 } })).newPage();
    const given = {
      url: `ws://127.0.0.1:${router.port}/ws`,
      sessionId: "chat",
      token: router.token({ id: "marta" }),
    };
    await page.goto(
      `${site.origin}/tests/dialog/page/index.html#${encodeURIComponent(JSON.stringify(given))}`,
    );
    await page.waitForFunction(() => /** @type {any} */ (window).ready === true);
    found.push(await page.evaluate(inPage.opening, "snapshot"));
  }
  row("snapshot received to the list on the screen", found, "ms");
  if (page === undefined) throw new Error("no page was opened");
  return page;
}

/**
 * Change agents at an even pace, until told to stop.
 *
 * @param {import("../../clients/js/src/client.js").Client} backEnd
 */
function change(backEnd) {
  let made = 0;
  const began = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1000) * CHANGES_PER_S;
    for (; made < due; made += 1) {
      const index = (made * 7919) % AGENTS;
      const facts = { departments: departmentsOf(index + made), capacity: 1 + (made % 20) };
      backEnd.putAgent(`agent-${index}`, nameOf(index), facts).catch(console.error);
    }
  }, 5);
  const stop = async () => {
    clearInterval(timer);
    return (made / (performance.now() - began)) * 1000;
  };
  return { stop };
}

/** @param {number} index */
function nameOf(index) {
  const first = ["Ana", "Bruno", "Carmen", "Fábio", "Inês", "José", "Lucía", "Márcio", "Núria", "Zoë"];
  const last = ["Souza", "Lima", "Núñez", "Conceição", "Ortiz", "Gómez", "Díaz", "Araújo", "Peña", "Müller"];
  return `${first[index % 10]} ${last[Math.floor(index / 10) % 10]} ${index}`;
}

/** @param {number} index */
function departmentsOf(index) {
  return [`department-${index % 40}`, `department-${(index * 3 + 1) % 40}`].filter(
    (id, at, all) => all.indexOf(id) === at,
  );
}

/**
 * @param {string} what
 * @param {{ intervals: number[], longTasks: number, renderMs: number[] }} found
 */
function frames(what, { intervals, longTasks, renderMs }) {
  row(what, intervals, "ms a frame");
  const late = intervals.filter((interval) => interval > 25).length;
  const perSecond = (1000 * intervals.length) / intervals.reduce((sum, interval) => sum + interval, 0);
  console.log(
    `  ${perSecond.toFixed(1)} frames a second, ${late} of ${intervals.length} late by half a frame, ${longTasks} tasks over 50 ms`,
  );
  if (renderMs.length > 0) row("  the page's own work in a frame", renderMs, "ms");
}

/**
 * @param {string} what
 * @param {number[]} values
 * @param {string} unit
 */
function row(what, values, unit) {
  const sorted = [...values].sort((one, other) => one - other);
  const at = (/** @type {number} */ part) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0).toFixed(1);
  console.log(`${what}: median ${at(0.5)}, p99 ${at(0.99)}, worst ${at(1)} ${unit} (${values.length})`);
}
