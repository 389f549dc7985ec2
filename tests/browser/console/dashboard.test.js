import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { noBrowser } from "../support/browser.js";
import { ConsoleFixture, PEOPLE } from "./fixture.js";

/** @type {ConsoleFixture} */
let fixture;

before(async () => {
  if (!noBrowser) fixture = await ConsoleFixture.open();
});
afterEach(() => fixture?.closeWindows());
after(() => fixture?.close());

/** @param {import("./fixture.js").Window} window */
const customers = (window) => window.page.locator(".session-row .name").allTextContents();

test("a dashboard filters by text, state, agent and department", { skip: noBrowser }, async () => {
  const bruno = await fixture.router.connect(PEOPLE.bruno);
  const ana = await fixture.router.connect(PEOPLE.ana);
  for (const [id, name, agent] of [
    ["find-1", "Íñigo Zabala", "ana"],
    ["find-2", "Belén Iglesias", "ana"],
    ["find-3", "Ramón Ybarra", "bruno"],
    ["find-4", "Ximena Arévalo", "bruno"],
  ]) {
    await fixture.router.open(id ?? "", name ?? "", agent ?? "");
  }
  await bruno.sessions.transfer("find-4", { kind: "department", id: "sales" });
  const carmen = await fixture.signedIn(PEOPLE.carmen);
  await carmen.page.locator(".session-row").nth(3).waitFor();
  assert.deepEqual(await customers(carmen), [
    "Ximena Arévalo",
    "Íñigo Zabala",
    "Belén Iglesias",
    "Ramón Ybarra",
  ]);

  /** @param {string[]} expected */
  const shows = async (expected) => {
    await carmen.page.waitForFunction((names) => {
      const shown = [...document.querySelectorAll(".session-row .name")].map((name) => name.textContent);
      return JSON.stringify(shown) === names;
    }, JSON.stringify(expected));
  };
  const search = carmen.page.getByLabel("Search by customer, agent or id");
  await search.fill("inigo");
  await shows(["Íñigo Zabala"]);
  await search.fill("bruno");
  await shows(["Ramón Ybarra"]);
  await search.fill("");
  await carmen.page.getByLabel("State", { exact: true }).selectOption("queued");
  await shows(["Ximena Arévalo"]);
  await carmen.page.getByLabel("State", { exact: true }).selectOption("");
  await carmen.page.getByLabel("Agent", { exact: true }).selectOption("ana");
  await shows(["Íñigo Zabala", "Belén Iglesias"]);
  await carmen.page.getByLabel("Agent", { exact: true }).selectOption("");
  await carmen.page.getByLabel("Department", { exact: true }).selectOption("sales");
  await shows(["Ximena Arévalo"]);
  // A name in a panel is a filter, too.
  await carmen.page.locator(".agent-row").getByRole("button", { name: "Bruno Lima" }).click();
  await shows(["Ramón Ybarra"]);

  // What changes while one looks changes on the screen.
  await ana.sessions.transfer("find-1", { kind: "agent", id: "bruno" });
  await shows(["Ramón Ybarra", "Íñigo Zabala"]);
});

test("a dashboard recalls a pending one, and shows the oldest in queues", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  const carmen = await fixture.signedIn(PEOPLE.carmen);
  await fixture.router.open("wait-1", "Fermín Lázaro", "ana");
  await fixture.router.command("session.transfer", {
    session_id: "wait-1",
    target: { kind: "department", id: "sales" },
  });
  const row = carmen.page.locator(".session-row", { hasText: "Fermín Lázaro" });
  await row.getByText("Queued", { exact: true }).waitFor();
  await carmen.page
    .locator(".department-row", { hasText: "Sales" })
    .getByText(/^1 queued, \d+\ss/)
    .waitFor();
  await carmen.page
    .locator(".tile", { hasText: "Waiting" })
    .getByText(/^0 pending, 1 queued; the oldest \d+\ss/)
    .waitFor();
  assert.equal(
    await carmen.page.locator(".tile", { hasText: "Transfers" }).locator(".value").textContent(),
    "1",
  );

  await row.getByRole("button", { name: "Recall" }).click();
  await row.getByText("In progress", { exact: true }).waitFor();
  await ana.card("Fermín Lázaro").waitFor();
  await fixture.router.command("session.close", { session_id: "wait-1" });
});

test("a status set by an admin is shown to the agent", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  const carmen = await fixture.signedIn(PEOPLE.carmen);
  const row = carmen.page.locator(".agent-row", { hasText: "Ana Souza" });
  await row.getByText("Available").waitFor();

  await carmen.page.getByLabel("Status of Ana Souza").selectOption("pause");
  await row.locator(".status-mark").getByText("On pause").waitFor();
  await ana.page.locator("button[data-status=pause][aria-pressed=true]").waitFor();

  await carmen.page.getByLabel("Status of Ana Souza").selectOption("disconnected");
  await ana.sees("An admin set you as disconnected. Choose a status to come back.");
  await ana.button("Available").click();
  await row.locator(".status-mark").getByText("Available").waitFor();
});

test("a history open on the dashboard follows new entries", { skip: noBrowser }, async () => {
  const ana = await fixture.router.connect(PEOPLE.ana);
  const carmen = await fixture.signedIn(PEOPLE.carmen);
  await fixture.router.open("read-1", "Débora Leitão", "ana");
  await ana.sessions.note("read-1", "asked for the invoice");
  const row = carmen.page.locator(".session-row", { hasText: "Débora Leitão" });
  await row.getByRole("button", { name: "Débora Leitão" }).click();
  const dialog = carmen.page.locator("dialog.history");
  await dialog.locator(".entry.internal", { hasText: "asked for the invoice" }).waitFor();

  await ana.sessions.transfer("read-1", { kind: "department", id: "sales" });
  await dialog.locator(".entry", { hasText: "Transferred to Sales by Ana Souza, queued" }).waitFor();
  await dialog.getByRole("button", { name: "Done" }).click();
  await dialog.waitFor({ state: "detached" });
});

test("a dashboard after a lost connection shows the present state", { skip: noBrowser }, async () => {
  const ana = await fixture.router.connect(PEOPLE.ana);
  const proxy = await fixture.proxy();
  const carmen = await fixture.signedIn(PEOPLE.carmen, { proxy });
  await fixture.router.open("gap-1", "Simão Teixeira", "ana");
  await fixture.router.open("gap-2", "Úrsula Varejão", "ana");
  await carmen.page.locator(".session-row", { hasText: "Úrsula Varejão" }).waitFor();
  proxy.cut();
  await carmen.page.locator("connection-banner").getByText("This screen is not live.").waitFor();
  await ana.sessions.close("gap-1");
  await ana.sessions.transfer("gap-2", { kind: "department", id: "sales" });

  proxy.restore();
  await carmen.tryNow();
  await carmen.page.locator(".session-row", { hasText: "Simão Teixeira" }).waitFor({ state: "detached" });
  await carmen.page
    .locator(".session-row", { hasText: "Úrsula Varejão" })
    .getByText("Queued", { exact: true })
    .waitFor();
});

test("an agent with a stored dashboard screen gets the workspace", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  await ana.page.evaluate(() => sessionStorage.setItem("relevo.screen", "dashboard"));
  await ana.page.reload();
  await ana.page.locator("agent-workspace").waitFor();
  assert.equal(await ana.page.locator("admin-dashboard").count(), 0);
  assert.equal(await ana.button("Dashboard").count(), 0);
});

test("an admin sets deadlines and rules for all and for one department", { skip: noBrowser }, async () => {
  const backEnd = await fixture.router.connect({ id: "back-end", role: "service" });
  const carmen = await fixture.signedIn(PEOPLE.carmen);
  const { page } = carmen;
  await carmen.button("Rules").click();
  const answer = page.getByLabel("Time to answer, in seconds");
  await answer.fill("30");
  await page.locator("[data-setting=rule]").getByLabel("On pause").uncheck();
  await carmen.button("Save").click();
  await carmen.sees("Saved.");
  const tenant = /** @type {any} */ (await backEnd.settings.get());
  assert.equal(tenant.answer_ms, 30_000);
  assert.deepEqual(tenant.rule.statuses, ["connected", "pre_pause", "disconnected"]);

  // A department shows what holds in it, and whether it is its own.
  const row = page.locator("[data-setting=answer_ms]");
  const own = row.getByText("Set for this department");
  await page.getByLabel("Settings of").selectOption({ label: "Support" });
  await row.getByRole("button").waitFor({ state: "hidden" });
  assert.equal(await answer.inputValue(), "30");
  await answer.fill("10");
  await own.waitFor();
  await carmen.button("Save").click();
  await carmen.sees("Saved.");
  assert.deepEqual((await backEnd.departments.get("support")).settings, { answer_ms: 10_000 });
  await row.getByRole("button", { name: "As for all departments" }).click();
  await carmen.button("Save").click();
  await carmen.sees("Saved.");
  assert.deepEqual((await backEnd.departments.get("support")).settings, {});

  // The router's refusal stands at its field, and nothing is lost.
  await page.getByLabel("Missed in a row until a pause").fill("123456789");
  await carmen.button("Save").click();
  await page.locator("[data-setting=missed_max] .problem", { hasText: /\S/ }).waitFor();
  assert.equal(await page.getByLabel("Missed in a row until a pause").inputValue(), "123456789");
  await backEnd.settings.put({ answer_ms: null, rule: null });
});

test("an agent finds no settings of the tenant, whatever its tab has kept", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  await ana.page.evaluate(() => {
    const [name] = Object.keys(sessionStorage).filter((one) => one.endsWith("screen"));
    sessionStorage.setItem(/** @type {string} */ (name), "settings");
  });
  await ana.page.reload();
  await ana.page.locator("agent-workspace").waitFor();
  assert.equal(await ana.page.locator("routing-settings").count(), 0);
  assert.equal(await ana.button("Rules").count(), 0);
});
