/** Choosing: what the two tabs show, the search, the reason, and what is said before it is sent. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { openBefore } from "./fixture.js";
import { choose, column, expectNames, expectText, names, transfer } from "./actions.js";

/** @type {import("./fixture.js").DialogFixture} */
let fixture;
const options = openBefore(async (opened) => {
  fixture = opened;
  await fixture.addAgents();
});

test("agents are sorted by readiness, with status, load and role", options, async () => {
  const { page, pageErrors } = await fixture.page();
  assert.deepEqual(await names(page), [
    "Bruno Lima",
    "Carmen Núñez",
    "Ana Souza",
    "Fábio Conceição",
    "Paula Ortiz",
    "Pablo Díaz",
    "Zoë Ångström",
  ]);
  assert.deepEqual(await column(page, ".status"), [
    "Available",
    "Available",
    "Available",
    "At capacity",
    "Pre-pause",
    "On pause",
    "Disconnected",
  ]);
  assert.deepEqual(await column(page, ".load"), ["0/5", "0/3", "1/10", "1/1", "1/4", "0/10", "0/8"]);
  assert.deepEqual(await column(page, ".badge"), ["", "Admin", "", "", "", "", ""]);
  assert.deepEqual(pageErrors, []);
});

test("departments show agents, available ones and the queue", options, async () => {
  const { page } = await fixture.page({ tab: "departments" });
  await fixture.router.departments("legal");
  await fixture.router.command("session.open", {
    session_id: "waits-1",
    customer: { id: "c", name: "C" },
    target: { kind: "department", id: "legal" },
  });
  await expectText(page.locator("[role=option]", { hasText: "Legal" }), /0 agents.*0 available.*1 waiting/);
  await expectText(page.locator("[role=option]", { hasText: "Support" }), /4 agents.*3 available.*0 waiting/);
});

test("a search ignores accents in names and departments", options, async () => {
  const { page } = await fixture.page();
  const search = page.getByRole("searchbox");
  for (const [query, found] of /** @type {[string, string[]][]} */ ([
    ["fabio conceicao", ["Fábio Conceição"]],
    ["ZOE", ["Zoë Ångström"]],
    ["sales pab", ["Pablo Díaz"]],
    ["billing", ["Paula Ortiz"]],
    ["unknown", []],
  ])) {
    await search.fill(query);
    await expectNames(page, found);
  }
});

test("the session's owner is not listed", options, async () => {
  const { page } = await fixture.page();
  assert.ok(!(await names(page)).includes("Marta Gil"));
});

test("a selection that would wait says so before it is sent", options, async () => {
  const { page } = await fixture.page();
  const prediction = page.locator(".prediction");
  await choose(page, "Ana Souza");
  await expectText(prediction, "Ana Souza gets it at once.");
  await choose(page, "Pablo Díaz");
  await expectText(prediction, "Pablo Díaz is on pause: it will wait in their pending list.");
  await expectText(page.locator(".alternatives"), /Bruno Lima 0\/5.*Ana Souza 1\/10/);
  await page.getByRole("tab", { name: "Departments" }).click();
  await expectText(prediction, "Choose a department.");
  await choose(page, "Billing");
  await expectText(prediction, "No agent in Billing is available: it will be queued as first.");
});

test("a department, once selected, gets the session with the reason", options, async () => {
  const { page } = await fixture.page({ tab: "departments" });
  const main = page.locator(".button.primary:visible");
  await expectText(main, "Select");
  assert.equal(await main.getAttribute("aria-disabled"), "true");
  await choose(page, "Billing");
  await main.click();
  await expectText(main, "Transfer");
  await expectText(
    page.locator(".prediction"),
    "Billing is selected. No agent in Billing is available: it will be queued as first.",
  );
  // Another choice is not selected yet, and by keyboard it is the same two steps.
  await choose(page, "Support");
  await expectText(main, "Select");
  await page.keyboard.press("Control+Enter");
  await expectText(main, "Transfer");
  await page.keyboard.type("Knows the contract");
  await page.keyboard.press("Control+Enter");
  await expectText(page.locator(".outcome-title"), "Delivered to Bruno Lima");
  await expectText(page.locator(".quote"), "Knows the contract");
});

test("a reason above the limit is neither cut nor sent", options, async () => {
  const { page } = await fixture.page();
  await choose(page, "Ana Souza");
  const reason = page.getByLabel("Reason");
  const send = page.locator(".button.primary:visible");
  // Counted as the router counts: a smile is one character.
  await reason.fill("😀".repeat(1000));
  await expectText(page.locator("#reason-length"), "1,000 of 1,000");
  assert.equal(await send.getAttribute("aria-disabled"), "false");
  await reason.fill("😀".repeat(1002));
  await expectText(page.locator("#reason-length"), "2 characters too many");
  assert.equal(await send.getAttribute("aria-disabled"), "true");
  await send.click({ force: true });
  assert.equal(await reason.inputValue(), "😀".repeat(1002));
  assert.equal(await page.locator(".compose").isVisible(), true);
});

test("a closed dialog keeps the reason and returns the focus", options, async () => {
  const { page } = await fixture.page();
  await page.getByLabel("Reason").fill("Wants an invoice");
  await page.keyboard.press("Escape");
  await page.locator("[role=listbox]").first().waitFor({ state: "hidden" });
  assert.equal(await page.evaluate(() => document.activeElement?.id), "open");
  await page.keyboard.press("Enter");
  assert.equal(await page.getByLabel("Reason").inputValue(), "Wants an invoice");
});

test("a typed reason survives a reload until it is sent", options, async () => {
  const { page } = await fixture.page();
  const show = async () => {
    await page.reload();
    await page.waitForFunction(() => /** @type {any} */ (window).ready === true);
    await page.click("#open");
    await page.locator("[role=option]").first().waitFor();
  };
  await page.getByLabel("Reason").fill("Wants an invoice");
  await show();
  assert.equal(await page.getByLabel("Reason").inputValue(), "Wants an invoice");
  await transfer(page, "Carmen Núñez");
  await expectText(page.locator(".outcome-title"), /^Delivered/);
  await show();
  assert.equal(await page.getByLabel("Reason").inputValue(), "");
});

test("hostile names are shown as text", options, async () => {
  const attacks = [
    `<img src=x onerror="alert(1)">`,
    `"><script>alert(1)</script>`,
    `{name} {{7*7}} \${alert(1)}`,
    `javascript:alert(1)`,
    `‮drowssap</option>`,
    `__proto__`,
  ];
  for (const [index, name] of attacks.entries()) {
    const id = `attack-${index}`;
    await fixture.router.command("department.put", { department: { id, name } });
    const agent = { id, name, role: "agent", departments: [id], capacity: 1 };
    await fixture.router.command("agent.put", { agent });
  }
  const customer = attacks[0] ?? "";
  const { page, pageErrors } = await fixture.page({ customer });
  await expectText(page.locator("#customer"), `with ${customer}`);
  for (const [index, name] of attacks.entries()) {
    await page.getByRole("searchbox").fill(name);
    await expectText(page.locator(".name").first(), name);
    await page.locator("[role=option]").first().click();
    const inSentence = name.startsWith("\u202e") ? `\u2068${name}\u2069` : name;
    await expectText(
      page.locator(".prediction"),
      `${inSentence} is disconnected: it will wait in their pending list.`,
    );
    if (index > 0) continue;
    await page.getByLabel("Reason").fill(attacks[1] ?? "");
    await page.locator(".button.primary:visible").click();
    await expectText(page.locator(".outcome-title"), `Waiting in ${name}'s pending list`);
    await expectText(page.locator(".quote"), attacks[1] ?? "");
    await page.getByRole("button", { name: "Recall" }).click();
    await expectText(page.locator(".outcome-title"), "Recalled");
    await page.getByRole("button", { name: "Done" }).click();
    await page.click("#open");
  }
  assert.equal(await page.locator("img, script[src=x]").count(), 0);
  assert.deepEqual(pageErrors, []);
});
