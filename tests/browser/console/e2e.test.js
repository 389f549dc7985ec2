import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { noBrowser, picture } from "../support/browser.js";
import { ConsoleFixture, PEOPLE } from "./fixture.js";

/** @type {ConsoleFixture} */
let fixture;

before(async () => {
  if (!noBrowser) fixture = await ConsoleFixture.open();
});
afterEach(() => fixture?.closeWindows());
after(() => fixture?.close());

test("two agents and an admin transfer, accept, decline and recall", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  const bruno = await fixture.signedIn(PEOPLE.bruno);
  const carmen = await fixture.signedIn(PEOPLE.carmen);
  await fixture.router.open("story-1", "Lucía Ferrer", "ana");

  // A new conversation appears on the left of Ana's screen, and on the admin's dashboard.
  await ana.choose("Lucía Ferrer");
  await carmen.page.locator(".session-row", { hasText: "Lucía Ferrer" }).getByText("Ana Souza").waitFor();

  // She writes a note, and transfers it to Bruno with a reason.
  await ana.page.fill("#note", "Tiene dos contratos.");
  await ana.button("Add note").click();
  await ana.page.locator(".entry.internal", { hasText: "Tiene dos contratos." }).waitFor();
  await ana.button("Transfer").click();
  await ana.transferTo("Bruno Lima", { reason: "Le han cobrado dos veces." });
  await ana.sees("Delivered to Bruno Lima");
  await picture(ana.page, "story-delivered");
  await ana.button("Done").click();

  // Bruno has it on top, at the left, marked, with who sent it, to whom it was directed and why.
  const card = bruno.card("Lucía Ferrer");
  await card.getByText("New", { exact: true }).waitFor();
  await card.getByText("From Ana Souza, to you").waitFor();
  await card.getByText("Le han cobrado dos veces.").waitFor();
  assert.match(
    (await bruno.page.locator(".group").first().locator(".card").first().textContent()) ?? "",
    /Lucía/,
  );
  assert.equal(await bruno.page.title(), "(1) Relevo");
  await bruno.choose("Lucía Ferrer");
  await card.getByText("New", { exact: true }).waitFor({ state: "hidden" });
  const entries = bruno.page.locator(".entry");
  await entries.filter({ hasText: "Transferred to you by Ana Souza" }).waitFor();
  await bruno.page.locator(".entry.internal", { hasText: "Le han cobrado dos veces." }).waitFor();
  assert.equal(await bruno.page.locator(".entry.internal").count(), 2);
  await bruno.page.getByLabel("1 of 4 conversations").waitFor();

  // Bruno pauses; what Ana sends now waits in his pending list, and she is told so before and after.
  await bruno.button("On pause").click();
  await fixture.router.open("story-2", "Tomás Echeverría", "ana");
  await ana.choose("Tomás Echeverría");
  await ana.button("Transfer").click();
  await ana.transferTo("Bruno Lima", { reason: "Pregunta por ti." });
  await ana.sees("Waiting in Bruno Lima's pending list");
  await ana.button("Done").click();
  await ana.card("Tomás Echeverría").getByText("Pending with Bruno Lima").waitFor();
  const pending = bruno.page.locator(".card.pending", { hasText: "Tomás Echeverría" });
  await pending.getByText("Pregunta por ti.").waitFor();

  // The admin sees who waits, where and since when; Bruno takes it, and Ana hears of it.
  await carmen.page
    .locator(".session-row", { hasText: "Tomás Echeverría" })
    .getByText("Pending", { exact: true })
    .waitFor();
  await carmen.page
    .locator(".agent-row", { hasText: "Bruno Lima" })
    .getByText(/^1 pending/)
    .waitFor();
  await pending.getByRole("button", { name: "Accept" }).click();
  await ana.page.locator(".notice", { hasText: "Bruno Lima accepted Tomás Echeverría." }).waitFor();
  await ana.page.locator(".card.sent").waitFor({ state: "detached" });
  await carmen.page.getByText("No conversation waits.").waitFor();

  // The admin takes it from Bruno to a department, where Ana gets it as the only one available.
  const row = carmen.page.locator(".session-row", { hasText: "Tomás Echeverría" });
  await row.getByRole("button", { name: "Transfer" }).click();
  await carmen.transferTo("Support", { tab: "Departments", reason: "Back to support." });
  await ana.card("Tomás Echeverría").getByText("From Bruno Lima, to Support, sent by Carmen Núñez").waitFor();
  await bruno.page
    .locator(".notice", { hasText: "Carmen Núñez transferred Tomás Echeverría to Support." })
    .waitFor();
  await carmen.button("Done").click();

  // It is closed at last, on every screen.
  await ana.choose("Tomás Echeverría");
  await ana.button("Close").click();
  await ana.page.locator("dialog.question").getByRole("button", { name: "Close" }).click();
  await row.waitFor({ state: "detached" });
  await ana.card("Tomás Echeverría").waitFor({ state: "detached" });

  // Nobody's page has asked any other host for anything.
  for (const window of [ana, bruno, carmen])
    assert.deepEqual([...window.hosts], [`127.0.0.1:${fixture.router.port}`]);
});
