import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { noBrowser } from "../support/browser.js";
import { ConsoleFixture, PEOPLE } from "./fixture.js";

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
  await ana.page.goto(`${fixture.router.url}/?late#token=${fixture.router.token(PEOPLE.ana)}`);
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
    await evil.note(`hostile-${index}`, text);
    await evil.transfer(`hostile-${index}`, { kind: "agent", id: "ana" }, text);
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
  await ana.page.context().grantPermissions(["notifications"], { origin: fixture.router.url });
  await ana.page.addInitScript(() => {
    const heard = { notes: 0, notifications: /** @type {string[]} */ ([]) };
    Object.assign(window, { heard });
    const { start } = OscillatorNode.prototype;
    OscillatorNode.prototype.start = function (...times) {
      heard.notes += 1;
      start.apply(this, times);
    };
    /** @type {any} */ (window).Notification = class extends EventTarget {
      static permission = "granted";
      static requestPermission = async () => "granted";
      /** @param {string} title */
      constructor(title) {
        super();
        heard.notifications.push(title);
      }
      close() {}
    };
    document.hasFocus = () => false;
  });
  await ana.page.goto(`${fixture.router.url}/?sound#token=${fixture.router.token(PEOPLE.ana)}`);
  await ana.page.locator("top-bar").waitFor();
  await fixture.router.open("sound-1", "Ada Mir", "ana");
  await ana.card("Ada Mir").waitFor();
  const heard = () => ana.page.evaluate(() => /** @type {any} */ (window).heard);
  assert.deepEqual(await heard(), { notes: 0, notifications: [] });

  await ana.button("Settings").click();
  await ana.page.getByLabel("Sound for what arrives").check();
  await ana.page.getByLabel("Notifications of the browser").check();
  await ana.page.keyboard.press("Escape");
  const { notes } = await heard();
  assert.ok(notes > 0, "turning the sound on lets it be heard");
  await fixture.router.open("sound-2", "Eva Pla", "ana");
  await ana.card("Eva Pla").waitFor();
  assert.deepEqual(await heard(), { notes: notes + 2, notifications: ["Eva Pla is with you now."] });
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
