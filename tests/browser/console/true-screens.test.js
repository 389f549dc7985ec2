import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { HttpClient } from "../../../clients/js/src/index.js";
import { noBrowser } from "../support/browser.js";
import { ConsoleFixture, PEOPLE } from "./fixture.js";

/** @type {ConsoleFixture} */
let fixture;

before(async () => {
  if (!noBrowser) fixture = await ConsoleFixture.open();
});
afterEach(() => fixture?.closeWindows());
after(() => fixture?.close());

test("a screen is live again once the network is, with the socket alive", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  // The events alone: the socket outlives the absence.
  await ana.page.evaluate(() => dispatchEvent(new Event("offline")));
  await ana.page.locator('connection-banner[data-connection="lost"]').waitFor();
  await ana.page.evaluate(() => dispatchEvent(new Event("online")));

  await ana.page.locator('connection-banner[data-connection=""]').waitFor({ state: "attached" });
  assert.equal(await ana.button("On pause").isEnabled(), true);
});

test("a conversation that one sent away follows its transfer", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  const bruno = await fixture.signedIn(PEOPLE.bruno);
  await bruno.pause();
  await fixture.router.open("follow-1", "Iris Mora", "ana");
  await ana.choose("Iris Mora");
  await ana.button("Transfer").click();
  await ana.transferTo("Bruno Lima", { reason: "asks about her bill" });
  const banner = ana.page.locator(".removal-note");
  await banner.getByText("You transferred this conversation to Bruno Lima, where it is pending.").waitFor();
  await ana.page.locator(".entry", { hasText: "Transferred to Bruno Lima by you, pending" }).waitFor();
  await ana.page.locator(".entry.internal", { hasText: "asks about her bill" }).waitFor();

  await bruno.page.locator(".card.pending").getByRole("button", { name: "Accept" }).click();
  // The delivery to his screen follows at once.
  await banner.getByText(/^Bruno Lima (accepted Iris Mora|has Iris Mora now)\.$/).waitFor();
  await ana.page.locator(".entry", { hasText: "Accepted by Bruno Lima" }).waitFor();
});

test("a recalled conversation is not said to be with somebody", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  const bruno = await fixture.signedIn(PEOPLE.bruno);
  await bruno.pause();
  await fixture.router.open("back-1", "Joel Ruiz", "ana");
  await ana.choose("Joel Ruiz");
  await ana.button("Transfer").click();
  await ana.transferTo("Bruno Lima");
  await ana.page.locator("relevo-transfer-dialog").getByRole("button", { name: "Done" }).click();
  await ana.page.locator(".card.sent").getByRole("button", { name: "Recall" }).click();

  await ana.page.locator(".card.in-progress", { hasText: "Joel Ruiz" }).waitFor();
  await ana.page.locator(".removal-note").waitFor({ state: "hidden" });
  assert.equal(await ana.page.locator(".notice", { hasText: "Ana Souza" }).count(), 0);
});

test("what came before the sign-in is marked as new, also after a reload", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  await fixture.router.open("new-1", "Kira Sol", "ana");
  await fixture.router.open("new-2", "Luz Vega", "ana");
  await ana.choose("Kira Sol");
  await ana.card("Luz Vega").getByText("New", { exact: true }).waitFor();

  await ana.page.reload();
  await ana.card("Luz Vega").getByText("New", { exact: true }).waitFor();
  assert.equal(await ana.card("Kira Sol").getByText("New", { exact: true }).isVisible(), false);
  assert.match(await ana.page.title(), /^\(1\) /);
});

test("a conversation accepted by the keyboard has the focus", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  const bruno = await fixture.signedIn(PEOPLE.bruno);
  await bruno.page.locator("button[data-status]").first().waitFor();
  await bruno.pause();
  await fixture.router.open("focus-1", "Pau Font", "ana");
  const target = { kind: "agent", id: "bruno" };
  await fixture.router.command("session.transfer", { session_id: "focus-1", target });
  await bruno.page.locator(".card.pending").getByRole("button", { name: "Accept" }).focus();
  await bruno.page.keyboard.press("Enter");

  await bruno.page
    .locator("relevo-conversation h2:focus", { hasText: "Pau Font" })
    .waitFor({ timeout: 8_000 });
  await ana.page.locator("top-bar").waitFor();
});

test("a dashboard counts the agents that have conversations", { skip: noBrowser }, async () => {
  await fixture.signedIn(PEOPLE.ana);
  await fixture.signedIn(PEOPLE.bruno);
  const carmen = await fixture.signedIn(PEOPLE.carmen);
  await fixture.router.open("busy-1", "Marc Oll", "ana");
  await fixture.router.open("busy-2", "Noa Pons", "ana");

  await carmen.page.getByText("with 1 agent", { exact: true }).waitFor();
});

for (const width of [390, 720, 800, 940]) {
  test(`a top bar ${width} px wide shows all, and hides nothing`, { skip: noBrowser }, async () => {
    const carmen = await fixture.signedIn(PEOPLE.carmen);
    const admin = fixture.router.token({ id: "boss", role: "admin", departments: [] });
    const other = new HttpClient(fixture.router.httpUrl, admin);
    await other.agents.setStatus("disconnected", { agentId: "carmen" });
    await carmen.page.setViewportSize({ width, height: 800 });

    // A click fails where something lies on top of the button.
    for (const button of await carmen.page.locator("top-bar nav button").all())
      await button.click({ timeout: 5_000 });
    await carmen.page.locator(".status-hint").getByText("Choose a status to come back").waitFor();
    const wider = await carmen.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `${wider} px wider than the screen`);
    await carmen.button("Available").click();
  });
}
