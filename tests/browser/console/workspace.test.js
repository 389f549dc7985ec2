import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { noBrowser, picture } from "../support/browser.js";
import { ConsoleFixture, PEOPLE } from "./fixture.js";

/** @typedef {import("./fixture.js").Window} Window */

/** @type {ConsoleFixture} */
let fixture;
const HOSTILE = [
  "<img src=x onerror=alert(1)>",
  "<script>alert(1)</script>",
  '"><svg onload=alert(1)>',
  "{{constructor.constructor('alert(1)')()}}",
  "javascript:alert(1)",
  "\u202egnihtemos &lt;b&gt; &amp;",
];

before(async () => {
  if (!noBrowser) fixture = await ConsoleFixture.open();
});
afterEach(() => fixture?.closeWindows());
after(() => fixture?.close());

/** @param {string} sessionId @param {string} customer @param {string} agentId */
const openPending = async (sessionId, customer, agentId) => {
  await fixture.router.open(sessionId, customer, "bruno");
  const target = { kind: "agent", id: agentId };
  const reason = `why ${customer}`;
  await fixture.router.command("session.transfer", { session_id: sessionId, target, reason });
};

test("a pending conversation declined with a reason goes back", { skip: noBrowser }, async () => {
  const bruno = await fixture.signedIn(PEOPLE.bruno);
  const ana = await fixture.signedIn(PEOPLE.ana);
  await ana.pause();
  await openPending("decline-1", "Rita Sanz", "ana");
  const card = ana.page.locator(".card.pending", { hasText: "Rita Sanz" });
  await card.getByText("why Rita Sanz").waitFor();

  await card.getByRole("button", { name: "Decline" }).click();
  await ana.page.fill("#decline-reason", "Not my language.");
  await ana.page.keyboard.press("Escape");
  await card.getByRole("button", { name: "Decline" }).click();
  assert.equal(await ana.page.inputValue("#decline-reason"), "Not my language.");
  await ana.page.locator("dialog.question").getByRole("button", { name: "Decline" }).click();

  await card.waitFor({ state: "detached" });
  await bruno.choose("Rita Sanz");
  await bruno.page.locator(".entry", { hasText: "Declined by Ana Souza" }).waitFor();
  await bruno.page.locator(".entry .text", { hasText: "Not my language." }).waitFor();
  await ana.button("Available").click();
});

test("a pending conversation can be transferred without accepting it", { skip: noBrowser }, async () => {
  const bruno = await fixture.signedIn(PEOPLE.bruno);
  const ana = await fixture.signedIn(PEOPLE.ana);
  await ana.pause();
  await openPending("on-1", "Noa Pons", "ana");
  const card = ana.page.locator(".card.pending", { hasText: "Noa Pons" });
  await card.getByRole("button", { name: "Transfer" }).click();
  await ana.transferTo("Bruno Lima");

  await bruno.card("Noa Pons").getByText("From Ana Souza, to you").waitFor();
  await card.waitFor({ state: "detached" });
  await ana.button("Done").click();
  await ana.button("Available").click();
});

test("a pending transfer can be recalled from the workspace", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  await fixture.router.open("recall-1", "Joel Font", "ana");
  await ana.choose("Joel Font");
  await ana.button("Transfer").click();
  await ana.transferTo("Sales", { tab: "Departments" });
  await ana.button("Done").click();
  const sent = ana.page.locator(".card.sent", { hasText: "Joel Font" });
  await sent.getByText("Queued in Sales").waitFor();

  await sent.getByRole("button", { name: "Recall" }).click();
  await ana.page
    .locator(".card.in-progress", { hasText: "Joel Font" })
    .getByText("Came back from Sales")
    .waitFor();
  await sent.waitFor({ state: "detached" });
});

test("a queued conversation can be accepted by a member", { skip: noBrowser }, async () => {
  const dora = await fixture.signedIn({ id: "dora", name: "Dóra Kiss", departments: ["sales"], capacity: 2 });
  await dora.pause();
  const target = { kind: "department", id: "sales" };
  const customer = { id: "c", name: "Pol Roca" };
  await fixture.router.command("session.open", { session_id: "queue-1", customer, target });
  const waiting = dora.page.locator(".card.queued", { hasText: "Pol Roca" });
  await waiting.getByText("In Sales").waitFor();

  await waiting.getByRole("button", { name: "Take" }).click();
  await dora.page.locator(".card.in-progress", { hasText: "Pol Roca" }).waitFor();
  await waiting.waitFor({ state: "detached" });
});

test("a conflict names the present owner", { skip: noBrowser }, async () => {
  const ana = await fixture.window(PEOPLE.ana, { fragment: "" });
  let holding = false;
  /** @type {(() => void)[]} */
  const held = [];
  await ana.page.routeWebSocket(/\/ws$/, (socket) => {
    socket.connectToServer().onMessage((message) => {
      // Only the answers come through: the news that it has gone is late.
      if (holding && !String(message).includes('"reply"')) held.push(() => socket.send(message));
      else socket.send(message);
    });
  });
  await ana.page.goto(`${fixture.router.httpUrl}/?late#token=${fixture.router.token(PEOPLE.ana)}`);
  await ana.page.locator("top-bar").waitFor();
  await fixture.signedIn(PEOPLE.bruno);
  await ana.pause();
  await openPending("race-1", "Quim Mas", "ana");
  const card = ana.page.locator(".card.pending", { hasText: "Quim Mas" });
  await card.waitFor();
  holding = true;
  const target = { kind: "agent", id: "bruno" };
  await fixture.router.command("session.transfer", { session_id: "race-1", target });
  await card.getByRole("button", { name: "Accept" }).click();

  await ana.page
    .locator(".notice[data-kind=bad]", {
      hasText: /The conversation has moved: Bruno Lima has had it since/,
    })
    .waitFor();
  for (const send of held) send();
  await card.waitFor({ state: "detached" });
  await ana.button("Available").click();
});

test("a pre-pause counts down, then becomes a pause", { skip: noBrowser }, async () => {
  const elsa = await fixture.signedIn({ id: "elsa", name: "Elsa Vila", capacity: 3 });
  await fixture.router.open("pre-1", "Biel Serra", "elsa");
  await elsa.choose("Biel Serra");
  await elsa.button("Pre-pause").click();
  await elsa.sees("1 conversation until the pause");

  await elsa.button("Close").click();
  await elsa.page.locator("dialog.question").getByRole("button", { name: "Close" }).click();
  await elsa.page.locator("button[data-status=pause][aria-pressed=true]").waitFor();
});

test("hostile texts are shown as text", { skip: noBrowser }, async () => {
  const name = HOSTILE[0] ?? "";
  const ana = await fixture.signedIn({ ...PEOPLE.ana });
  const carmen = await fixture.signedIn(PEOPLE.carmen);
  const evil = await fixture.router.connect({ id: "evil", name, capacity: 50 });
  for (const [index, text] of HOSTILE.entries()) {
    await fixture.router.open(`hostile-${index}`, text.slice(0, 120), "evil");
    await evil.sessions.note(`hostile-${index}`, text);
    await evil.sessions.transfer(`hostile-${index}`, { kind: "agent", id: "ana" }, { reason: text });
  }
  for (const text of HOSTILE) {
    await ana.page.getByRole("button", { name: text, exact: true }).click();
    await ana.page.locator(".arrival blockquote", { hasText: text }).waitFor();
    await ana.page.locator(".entry.internal", { hasText: text }).first().waitFor();
    await carmen.page.locator(".session-row .name", { hasText: text }).waitFor();
  }
  for (const { page } of [ana, carmen])
    assert.equal(await page.locator("img[src=x], script:not([src]), svg[onload]").count(), 0);
});

test("the workspace can be used by keyboard alone", { skip: noBrowser }, async () => {
  const bruno = await fixture.signedIn(PEOPLE.bruno);
  const { page } = await fixture.signedIn(PEOPLE.ana);
  await fixture.router.open("keys-1", "Aina Riera", "ana");
  const card = page.locator(".card", { hasText: "Aina Riera" }).locator("button.card-title");
  await card.waitFor();
  for (let presses = 0; !(await card.evaluate((one) => one === document.activeElement)); presses += 1) {
    assert.ok(presses < 40, "Tab never reaches the conversation");
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  const focus = () => page.evaluate(() => document.activeElement?.textContent ?? "");
  for (let presses = 0; (await focus()) !== "Transfer"; presses += 1) {
    assert.ok(presses < 40, "Tab never reaches the button");
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await page.locator("relevo-transfer-dialog").getByRole("option").first().waitFor();
  await page.keyboard.type("bruno");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Control+Enter");
  await bruno.card("Aina Riera").waitFor();
  await page.keyboard.press("Escape");
});

test("a focused row keeps the focus while rows above change", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  await fixture.router.open("focus-1", "Ona Bosch", "ana");
  const title = ana.card("Ona Bosch").locator("button.card-title");
  await title.focus();
  await fixture.router.open("focus-2", "Pau Camps", "ana");
  await ana.card("Pau Camps").waitFor();

  assert.equal(await title.evaluate((one) => one === document.activeElement), true);
});

test("sound and notifications are off until enabled", { skip: noBrowser }, async () => {
  const ana = await fixture.window(PEOPLE.ana, { fragment: "" });
  await ana.page.context().grantPermissions(["notifications"], { origin: fixture.router.httpUrl });
  await ana.page.addInitScript(() => {
    const recorded = { notes: 0, notifications: /** @type {string[]} */ ([]) };
    Object.assign(window, { recorded });
    const { start } = OscillatorNode.prototype;
    OscillatorNode.prototype.start = function (...times) {
      recorded.notes += 1;
      start.apply(this, times);
    };
    /** @type {any} */ (window).Notification = class extends EventTarget {
      static permission = "granted";
      static requestPermission = async () => "granted";
      /** @param {string} title */
      constructor(title) {
        super();
        recorded.notifications.push(title);
      }
      close() {}
    };
    document.hasFocus = () => false;
  });
  await ana.page.goto(`${fixture.router.httpUrl}/?sound#token=${fixture.router.token(PEOPLE.ana)}`);
  await ana.page.locator("top-bar").waitFor();
  await fixture.router.open("sound-1", "Ada Mir", "ana");
  await ana.card("Ada Mir").waitFor();
  const recorded = () => ana.page.evaluate(() => /** @type {any} */ (window).recorded);
  assert.deepEqual(await recorded(), { notes: 0, notifications: [] });

  await ana.button("Settings").click();
  await ana.page.getByLabel("Sound for new conversations").check();
  await ana.page.getByLabel("Notifications of the browser").check();
  await ana.page.keyboard.press("Escape");
  const { notes } = await recorded();
  assert.ok(notes > 0, "enabling the sound plays it");
  await fixture.router.open("sound-2", "Eva Pla", "ana");
  await ana.card("Eva Pla").waitFor();
  assert.deepEqual(await recorded(), { notes: notes + 2, notifications: ["Eva Pla is with you now."] });
});

for (const [locale, inProgress, transfer] of [
  ["es-MX", "En curso", "Transferir"],
  ["pt-BR", "Em andamento", "Transferir"],
  ["de-DE", "In progress", "Transfer"],
]) {
  test(`a browser in ${locale} gets its language, and another by choice`, { skip: noBrowser }, async () => {
    const window = await fixture.signedIn(PEOPLE.ana, { locale: locale ?? "" });
    await fixture.router.open(`lang-${locale}`, `Cliente ${locale}`, "ana");
    await window.page.getByRole("heading", { name: inProgress }).waitFor();
    await window.choose(`Cliente ${locale}`);
    await window.page.fill("#note", "kept");
    await window.button(transfer ?? "").waitFor();

    await window.page.locator(".settings > button").click();
    await window.page.locator(".menu select").first().selectOption("pt");
    await window.page.getByRole("heading", { name: "Em andamento" }).waitFor();
    // A reader from Brazil keeps the region, by which times and numbers are written.
    const lang = locale === "pt-BR" ? locale : "pt";
    assert.equal(await window.page.getAttribute("html", "lang"), lang);
    assert.equal(await window.page.inputValue("#note"), "kept");
  });
}

test("times have one format, that of the browser's region", { skip: noBrowser }, async () => {
  await fixture.router.connect(PEOPLE.bruno);
  const ana = await fixture.signedIn(PEOPLE.ana, { locale: "en-GB" });
  await fixture.router.open("clock-1", "Rosa Vidal", "ana");
  await ana.choose("Rosa Vidal");
  assert.match(await ana.page.locator(".entry time").first().innerText(), /^\d\d:\d\d$/);
  await ana.button("Transfer").click();
  await ana.transferTo("Bruno Lima");
  await ana.sees("Delivered to Bruno Lima");

  await ana.page.getByText(/^Bruno Lima has had it since \d\d:\d\d:\d\d\.$/).waitFor();
});

test("a queued conversation appears without a reload", { skip: noBrowser }, async () => {
  const dora = await fixture.signedIn({ id: "dora", name: "Dóra Kiss", departments: ["sales"], capacity: 2 });
  await dora.pause();
  await dora.page.evaluate(() => Object.assign(window, { loadedOnce: true }));
  const customers = ["Pol Roca", "Mar Vidal", "Iu Serra"];
  for (const [index, name] of customers.entries()) {
    const target = { kind: "department", id: "sales" };
    const customer = { id: `c-${index}`, name };
    await fixture.router.command("session.open", { session_id: `appear-${index}`, customer, target });
    await dora.page.locator(".card.queued", { hasText: name }).waitFor();
  }
  const taken = { kind: "agent", id: "dora" };
  await fixture.router.command("session.transfer", { session_id: "appear-1", target: taken });
  await dora.page.locator(".card.queued", { hasText: "Mar Vidal" }).waitFor({ state: "detached" });

  assert.equal(await dora.page.locator(".card.queued").count(), 2);
  assert.equal(await dora.page.evaluate(() => "loadedOnce" in window), true);
  await dora.button("Available").click();
});

test("a list's count equals its length after every change", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  const bruno = await fixture.signedIn(PEOPLE.bruno);
  const carmen = await fixture.signedIn(PEOPLE.carmen);

  /** @param {Window} window @param {number} inProgress @param {number} pending */
  const shows = async ({ page }, inProgress, pending) => {
    await page
      .getByRole("banner")
      .getByLabel(new RegExp(`^${inProgress} of `))
      .waitFor();
    await page.waitForFunction(([inProgress, pending]) => {
      const groups = [...document.querySelectorAll(".group:not([hidden])")];
      const count = (/** @type {string} */ kind) => document.querySelectorAll(`.card.${kind}`).length;
      return (
        count("in-progress") === inProgress &&
        count("pending") === pending &&
        groups.every(
          (group) =>
            Number(group.querySelector(".count")?.textContent) === group.querySelectorAll(".card").length,
        )
      );
    }, /** @type {const} */ ([inProgress, pending]));
  };
  /** @param {string} sessionId @param {string} agentId */
  const transfer = (sessionId, agentId) =>
    fixture.router.command("session.transfer", {
      session_id: sessionId,
      target: { kind: "agent", id: agentId },
    });

  for (const number of [1, 2, 3]) await fixture.router.open(`badge-${number}`, `Cliente ${number}`, "ana");
  await shows(ana, 3, 0);
  await fixture.router.open("badge-4", "Cliente 4", "carmen");
  const dashboard = carmen.page.getByRole("region", { name: "Agents" });
  for (const load of ["3 of 10", "0 of 4", "1 of 5"]) await dashboard.getByLabel(load).waitFor();
  await transfer("badge-1", "bruno");
  await shows(ana, 2, 0);
  await shows(bruno, 1, 0);
  await bruno.pause();
  await transfer("badge-2", "bruno");
  await shows(ana, 1, 0);
  await shows(bruno, 1, 1);
  await bruno.card("Cliente 2").getByRole("button", { name: "Accept" }).click();
  await shows(bruno, 2, 0);
  await fixture.router.command("session.close", { session_id: "badge-1" });
  await shows(bruno, 1, 0);
  // The title counts the unread ones that are still there.
  await bruno.choose("Cliente 2");
  await transfer("badge-3", "bruno");
  await bruno.page.waitForFunction(() => document.title.startsWith("(1)"));
  await fixture.router.command("session.close", { session_id: "badge-3" });
  await bruno.page.waitForFunction(() => !document.title.startsWith("("));
  await shows(ana, 0, 0);
  await bruno.button("Available").click();
});

test("two agents and an admin transfer, accept, decline and recall", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  const bruno = await fixture.signedIn(PEOPLE.bruno);
  const carmen = await fixture.signedIn(PEOPLE.carmen);
  await fixture.router.open("e2e-1", "Lucía Ferrer", "ana");

  // A new conversation appears on the left of Ana's screen, and on the admin's dashboard.
  await ana.choose("Lucía Ferrer");
  await carmen.page.locator(".session-row", { hasText: "Lucía Ferrer" }).getByText("Ana Souza").waitFor();

  // Ana adds a note, and transfers it to Bruno with a reason.
  await ana.page.fill("#note", "Tiene dos contratos.");
  await ana.button("Add note").click();
  await ana.page.locator(".entry.internal", { hasText: "Tiene dos contratos." }).waitFor();
  await ana.button("Transfer").click();
  await ana.transferTo("Bruno Lima", { reason: "Le han cobrado dos veces." });
  await ana.sees("Delivered to Bruno Lima");
  await picture(ana.page, "e2e-delivered");
  await ana.button("Done").click();

  // Bruno has it first in the list, marked as new, with sender, target and reason.
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

  // Bruno pauses: the next transfer is pending with him, on both screens.
  await bruno.button("On pause").click();
  await fixture.router.open("e2e-2", "Tomás Echeverría", "ana");
  await ana.choose("Tomás Echeverría");
  await ana.button("Transfer").click();
  await ana.transferTo("Bruno Lima", { reason: "Pregunta por ti." });
  await ana.sees("Waiting in Bruno Lima's pending list");
  await ana.button("Done").click();
  await ana.card("Tomás Echeverría").getByText("Pending with Bruno Lima").waitFor();
  const pending = bruno.page.locator(".card.pending", { hasText: "Tomás Echeverría" });
  await pending.getByText("Pregunta por ti.").waitFor();

  // The admin sees the pending conversation; Bruno accepts it, and Ana gets a notice.
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

  // The admin transfers it from Bruno to a department, which assigns it to Ana.
  const row = carmen.page.locator(".session-row", { hasText: "Tomás Echeverría" });
  await row.getByRole("button", { name: "Transfer" }).click();
  await carmen.transferTo("Support", { tab: "Departments", reason: "Back to support." });
  await ana.card("Tomás Echeverría").getByText("From Bruno Lima, to Support, sent by Carmen Núñez").waitFor();
  await bruno.page
    .locator(".notice", { hasText: "Carmen Núñez transferred Tomás Echeverría to Support." })
    .waitFor();
  await carmen.button("Done").click();

  // Ana closes it: it leaves every screen.
  await ana.choose("Tomás Echeverría");
  await ana.button("Close").click();
  await ana.page.locator("dialog.question").getByRole("button", { name: "Close" }).click();
  await row.waitFor({ state: "detached" });
  await ana.card("Tomás Echeverría").waitFor({ state: "detached" });

  // No page sent a request to another host.
  for (const window of [ana, bruno, carmen])
    assert.deepEqual([...window.hosts], [`127.0.0.1:${fixture.router.port}`]);
});

test("an agent sees until when to answer, and why a conversation moved on", { skip: noBrowser }, async () => {
  const { router } = fixture;
  const bruno = await fixture.signedIn(PEOPLE.bruno);
  /** @param {string} name @param {number} answerMs */
  const place = async (name, answerMs) => {
    await router.command("settings.put", { settings: { answer_ms: answerMs } });
    await router.command("session.open", {
      session_id: `unanswered-${answerMs}`,
      customer: { id: "c-1", name },
      target: { kind: "department", id: "billing" },
    });
  };
  await bruno.button("Available").click();
  await bruno.page.locator("button[data-status=connected][aria-pressed=true]:not([aria-busy])").waitFor();
  await place("Vera Lima", 600_000);
  await bruno.page.locator(".card.in-progress", { hasText: "Vera Lima" }).getByText("Moves on in").waitFor();
  await bruno.choose("Vera Lima");
  await bruno.page.getByText("Moves on in").waitFor({ state: "hidden" });

  await place("Iris Mota", 500);
  await bruno.page.locator(".notice", { hasText: "Iris Mota moved on: not answered in time." }).waitFor();
  const queued = bruno.page.locator(".card.queued", { hasText: "Iris Mota" });
  await queued.getByRole("button", { name: "Take" }).click();
  await bruno.choose("Iris Mota");
  await bruno.page.locator(".entry", { hasText: "Moved on, not answered in time" }).waitFor();
  await router.command("settings.put", { settings: { answer_ms: null } });
});

test("an agent sees who set its status, and why, until it chooses one", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  const carmen = await fixture.router.connect(PEOPLE.carmen);
  await carmen.agents.setStatus("pause", { agentId: "ana", reason: "Lunch" });
  const hint = ana.page.locator(".status-hint", {
    hasText: "Carmen Núñez set your status to On pause: Lunch",
  });
  await hint.waitFor();
  await ana.page.locator(".notice", { hasText: "Carmen Núñez set your status to On pause: Lunch" }).waitFor();
  await ana.button("Available").click();
  await hint.waitFor({ state: "detached" });
});
