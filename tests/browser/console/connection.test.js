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

test("a lost connection shows a banner, and marks what came meanwhile", { skip: noBrowser }, async () => {
  const proxy = await fixture.proxy();
  const ana = await fixture.signedIn(PEOPLE.ana, { proxy });
  await fixture.router.open("lost-1", "Nuria Vidal", "ana");
  await ana.choose("Nuria Vidal");
  proxy.cut();
  await ana.page.locator("connection-banner").getByText("This screen is not live.").waitFor();

  await fixture.router.open("lost-2", "Óscar Peña", "ana");
  proxy.restore();
  await ana.tryNow();
  await ana.card("Óscar Peña").getByText("New", { exact: true }).waitFor();
  await ana.page.locator('connection-banner[data-connection=""]').waitFor({ state: "attached" });
  assert.equal(await ana.card("Nuria Vidal").getByText("New", { exact: true }).isVisible(), false);
});

test("a note added without a connection is stored once after it", { skip: noBrowser }, async () => {
  const proxy = await fixture.proxy();
  const ana = await fixture.signedIn(PEOPLE.ana, { proxy });
  await fixture.router.open("note-1", "Rosa Martí", "ana");
  await ana.choose("Rosa Martí");
  await ana.page.locator(".entry").first().waitFor();
  proxy.cut();
  await ana.page.locator("connection-banner").getByText("This screen is not live.").waitFor();
  await ana.page.fill("#note", "kept over the gap");
  await ana.button("Add note").click();
  await ana.sees("Waiting for the connection…");
  assert.equal(await ana.page.inputValue("#note"), "kept over the gap");

  proxy.restore();
  await ana.tryNow();
  await ana.page.locator(".entry.internal", { hasText: "kept over the gap" }).waitFor();
  assert.equal(await ana.page.inputValue("#note"), "");
  assert.equal(await ana.page.locator(".entry.internal").count(), 1);
});

test("a draft survives a reload, per conversation", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  await fixture.router.open("draft-1", "Sara Gil", "ana");
  await fixture.router.open("draft-2", "Tito Lago", "ana");
  await ana.choose("Sara Gil");
  await ana.page.fill("#note", "about Sara");
  await ana.choose("Tito Lago");
  assert.equal(await ana.page.inputValue("#note"), "");
  await ana.page.fill("#note", "about Tito");

  await ana.page.reload();
  await ana.page.locator("relevo-conversation").getByRole("heading", { name: "Tito Lago" }).waitFor();
  assert.equal(await ana.page.inputValue("#note"), "about Tito");
  await ana.choose("Sara Gil");
  assert.equal(await ana.page.inputValue("#note"), "about Sara");
});

test("a draft of a conversation that left can still be read", { skip: noBrowser }, async () => {
  const ana = await fixture.signedIn(PEOPLE.ana);
  await fixture.signedIn(PEOPLE.bruno);
  await fixture.router.open("taken-1", "Uxía Rey", "ana");
  await ana.choose("Uxía Rey");
  await ana.page.fill("#note", "half a thought");
  await fixture.router.command("session.transfer", {
    session_id: "taken-1",
    target: { kind: "agent", id: "bruno" },
  });

  await ana.sees("back-end transferred this conversation to Bruno Lima.");
  await ana.sees("Not added. Copy it if you still need it.");
  assert.equal(await ana.page.inputValue("#note"), "half a thought");
});

test("a command with a late reply shows a banner until the reply", { skip: noBrowser }, async () => {
  const ana = await fixture.window(PEOPLE.ana, { fragment: "" });
  // The answers of one command are held back, as a slow network would.
  let held = () => {};
  await ana.page.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((message) => {
      if (!String(message).includes('"entry"') || String(message).includes("directory")) socket.send(message);
      else held = () => socket.send(message);
    });
  });
  await ana.page.goto(`${fixture.router.httpUrl}/?slow#token=${fixture.router.token(PEOPLE.ana)}`);
  await fixture.router.open("slow-1", "Vera Coll", "ana");
  await ana.choose("Vera Coll");
  await ana.page.fill("#note", "slowly");
  await ana.button("Add note").click();
  await ana.sees("Replies take long");

  held();
  await ana.page.locator(".entry.internal", { hasText: "slowly" }).waitFor();
  await ana.page.getByText("Replies take long").waitFor({ state: "hidden" });
});

test("a slow first connection says so", { skip: noBrowser }, async () => {
  const ana = await fixture.window(PEOPLE.ana, { fragment: "" });
  await ana.page.routeWebSocket(/\/ws$/, () => {});
  await ana.page.goto(`${fixture.router.httpUrl}/?silent#token=${fixture.router.token(PEOPLE.ana)}`);

  await ana.page.getByRole("heading", { name: "Connecting…" }).waitFor();
  await ana.page.getByRole("heading", { name: "The network is slow" }).waitFor();
});

test("a router restart shows a banner and keeps the draft", { skip: noBrowser }, async () => {
  const other = await ConsoleFixture.open();
  try {
    const ana = await other.signedIn(PEOPLE.ana);
    await other.router.open("drain-1", "Xoana Paz", "ana");
    await ana.choose("Xoana Paz");
    await ana.page.fill("#note", "half a thought");
    const stopped = other.router.end();
    await ana.sees("The server is restarting");
    await stopped;
    assert.equal(await ana.page.inputValue("#note"), "half a thought");
    await ana.sees("You keep your conversations. It reconnects by itself.");
  } finally {
    await other.browser.close();
  }
});

test("the brand looks the same without a network", { skip: noBrowser }, async () => {
  const { page } = await fixture.window(PEOPLE.ana, { fragment: "" });
  await page.locator(".link-form input").waitFor();
  const before = (await page.locator(".brand").screenshot()).toString("base64");
  // As where memory is short: a browser may forget what it has fetched at any time.
  const debugging = await page.context().newCDPSession(page);
  await debugging.send("Network.enable");
  await debugging.send("Network.setCacheDisabled", { cacheDisabled: true });
  await page.context().setOffline(true);
  await page.locator(".link-form input").fill(fixture.router.token(PEOPLE.ana));
  await page.locator(".link-form button").click();
  await page.locator('[data-connection="offline"]').waitFor();

  const after = (await page.locator(".brand").screenshot()).toString("base64");
  assert.ok(after === before);
});
