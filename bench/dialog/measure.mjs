/**
 * Measure the transfer dialog among 10,000 agents, in a real browser against a real router.
 *
 *     npm --prefix tests/browser ci && node bench/dialog/measure.mjs [agents] [changes a second]
 *
 * Times on the clock include whatever else the machine does; the main thread's work is processor time.
 */

import { cpus, loadavg } from "node:os";
import { launch } from "../../tests/browser/support/browser.js";
import { TcpProxy } from "../../tests/browser/support/tcp-proxy.js";
import { servePages } from "../../tests/browser/support/pages.js";
import { Router } from "../../tests/browser/support/router.js";
import * as inPage from "./in_page.mjs";
import { MainThread } from "./main_thread.mjs";
import { Tab } from "./tab.mjs";

/** @typedef {import("./main_thread.mjs").Work} Work */

const AGENTS = Number(process.argv[2] ?? 10_000);
const CHANGES_PER_S = Number(process.argv[3] ?? 200);
const OPENINGS = 15;
const WATCH_MS = 8_000;
// A frame takes 16.7 ms; this one came half a frame too late.
const LATE_MS = 25;

const site = await servePages();
const [router, browser] = await Promise.all([
  Router.start([site.origin], {
    RELEVO_MESSAGE_RATE: "100000",
    RELEVO_BACK_END_MESSAGE_RATE: "0",
    RELEVO_PRESENCE_GRACE_MS: "200",
  }),
  launch(),
]);
const proxy = await TcpProxy.start(router.port);
try {
  const machine = `${cpus().length} cores (${cpus()[0]?.model}), load ${loadavg()[0]?.toFixed(1)}`;
  console.log(`${AGENTS} agents, Chromium ${browser.version()} without a GPU, ${machine}`);
  const backEnd = await router.connect({ id: "back-end", role: "service" });
  await fill(backEnd);
  await backEnd.agents.put("marta", "Marta Gil");
  await backEnd.sessions.open("chat", { id: "cleo", name: "Cleo" }, { kind: "agent", id: "marta" });
  const page = await openings();
  const thread = await MainThread.of(page);
  /** @param {boolean} scroll */
  const watch = (scroll) =>
    thread.during(() => page.evaluate(inPage.watching, { lengthMs: WATCH_MS, scroll }));
  await page.evaluate(inPage.chooseFirst);
  const [, rest] = frames("at rest", await watch(false));
  frames("while scrolling", await watch(true), rest);
  row("a letter typed to its matches on the screen", await page.evaluate(inPage.searching), "ms");
  const changes = change(backEnd);
  frames(`during ${CHANGES_PER_S} changes a second`, await watch(false), rest);
  frames("while scrolling during them", await watch(true), rest);
  row("a letter typed during them", await page.evaluate(inPage.searching), "ms");
  await page.evaluate(inPage.search, "souza");
  frames("during them, with a search", await watch(false), rest);
  console.log(`(${(await changes.stop()).toFixed(0)} changes a second were made)`);
} finally {
  await browser.close();
  await proxy.close();
  await router.end();
  await site.close();
}

/** @param {import("../../clients/js/src/client.js").Client} backEnd */
async function fill(backEnd) {
  const departments = Array.from({ length: 40 }, (_, index) => `department-${index}`);
  for (const id of departments) await backEnd.departments.put(id, `Department ${id.slice(11)}`);
  const queue = Array.from({ length: AGENTS }, (_, index) => index);
  const workers = Array.from({ length: 50 }, async () => {
    for (let index = queue.pop(); index !== undefined; index = queue.pop()) {
      await backEnd.agents.put(`agent-${index}`, nameOf(index), {
        departments: departmentsOf(index),
        capacity: 10,
      });
    }
  });
  await Promise.all(workers);
}

/** Open the dialog in new pages, each with a snapshot of its own; return the last. */
async function openings() {
  /** @type {number[]} */
  const waits = [];
  /** @type {number[]} */
  const ways = [];
  /** @type {number[]} */
  const works = [];
  for (;;) {
    const page = await Tab.open(browser, { width: 1100, height: 900 });
    await page.addInitScript(inPage.noteSnapshots);
    const url = `ws://127.0.0.1:${proxy.port}/ws`;
    const given = {
      url,
      sessionId: "chat",
      token: router.token({ id: "marta" }),
    };
    const hash = encodeURIComponent(JSON.stringify(given));
    await page.goto(`${site.origin}/tests/dialog/page/index.html#${hash}`);
    await page.evaluate(inPage.ready);
    const thread = await MainThread.of(page);
    // The dialog is there, and empty, before the snapshot is: what is measured is what the snapshot costs.
    proxy.hold();
    await page.evaluate(inPage.open);
    const [, work] = await thread.during(async () => {
      const released = performance.now();
      proxy.release();
      waits.push(await page.evaluate(inPage.listed));
      ways.push(performance.now() - released);
    });
    works.push(work.all);
    if (waits.length < OPENINGS) {
      await page.close();
      continue;
    }
    row("the snapshot's frame to the list on the screen", waits, "ms");
    row("  the main thread's work for it, taking the frame in included", works, "ms");
    row("  its whole way, from the network to the screen", ways, "ms");
    await page.evaluate(inPage.open);
    row("the same again, the directory resumed", [await page.evaluate(inPage.listed)], "ms");
    return page;
  }
}

/**
 * Change agents at an even pace until stopped.
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
      const facts = {
        departments: departmentsOf(index + made),
        capacity: 1 + (made % 19),
      };
      backEnd.agents.put(`agent-${index}`, nameOf(index), facts).catch(console.error);
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
 * @param {[{ intervals: number[], longTasks: number, patches: number }, Work]} found
 * @param {Work} [rest] The work of the same time in which nothing happens: this script's own, mostly.
 */
function frames(what, found, rest = { all: 0, script: 0, style: 0, layout: 0 }) {
  const [{ intervals, longTasks, patches }, work] = found;
  row(`frames ${what}`, intervals, "ms a frame");
  const late = intervals.filter((interval) => interval > LATE_MS).length;
  const seconds = intervals.reduce((sum, interval) => sum + interval, 0) / 1000;
  console.log(
    `  ${(intervals.length / seconds).toFixed(1)} frames a second, ${late} of ${intervals.length} late by half a frame, ` +
      `${longTasks} tasks over 50 ms`,
  );
  const own = work.all - rest.all;
  const share = ((100 * own) / (1000 * seconds)).toFixed(1);
  const each = patches > 0 ? `${(own / patches).toFixed(2)} ms a patch, ` : "";
  const parts = `script ${work.script.toFixed(0)}, style ${work.style.toFixed(0)}, layout ${work.layout.toFixed(0)} ms`;
  console.log(
    `  the main thread: ${each}${(own / intervals.length).toFixed(2)} ms a frame, ${share}% of its time (${parts})`,
  );
  return found;
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
