import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { noBrowser } from "../support/browser.js";
import { Office, PEOPLE } from "./office.js";

/** @type {Office} */
let office;

before(async () => {
  if (!noBrowser) office = await Office.open();
});
afterEach(() => office?.leave());
after(() => office?.close());

test(
  "a lost connection is shown, and what came meanwhile is marked when it is back",
  { skip: noBrowser },
  async () => {
    const cable = await office.cable();
    const ana = await office.signedIn(PEOPLE.ana, { cable });
    await office.router.open("lost-1", "Nuria Vidal", "ana");
    await ana.choose("Nuria Vidal");
    cable.cut();
    await ana.page.locator("connection-banner").getByText("What you see is not live.").waitFor();

    await office.router.open("lost-2", "Óscar Peña", "ana");
    cable.mend();
    await ana.tryNow();
    await ana.card("Óscar Peña").getByText("New", { exact: true }).waitFor();
    await ana.page.locator('connection-banner[data-situation=""]').waitFor({ state: "attached" });
    assert.equal(await ana.card("Nuria Vidal").getByText("New", { exact: true }).isVisible(), false);
  },
);

test(
  "a note that is added without a connection is there once when it is back",
  { skip: noBrowser },
  async () => {
    const cable = await office.cable();
    const ana = await office.signedIn(PEOPLE.ana, { cable });
    await office.router.open("note-1", "Rosa Martí", "ana");
    await ana.choose("Rosa Martí");
    await ana.page.locator(".entry").first().waitFor();
    cable.cut();
    await ana.page.locator("connection-banner").getByText("What you see is not live.").waitFor();
    await ana.page.fill("#note", "kept over the gap");
    await ana.button("Add note").click();
    await ana.sees("Waiting for the connection…");
    assert.equal(await ana.page.inputValue("#note"), "kept over the gap");

    cable.mend();
    await ana.tryNow();
    await ana.page.locator(".entry.internal", { hasText: "kept over the gap" }).waitFor();
    assert.equal(await ana.page.inputValue("#note"), "");
    assert.equal(await ana.page.locator(".entry.internal").count(), 1);
  },
);

test("what is typed survives a reload, each conversation's for itself", { skip: noBrowser }, async () => {
  const ana = await office.signedIn(PEOPLE.ana);
  await office.router.open("draft-1", "Sara Gil", "ana");
  await office.router.open("draft-2", "Tito Lago", "ana");
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

test("what was typed when a conversation is taken away can still be read", { skip: noBrowser }, async () => {
  const ana = await office.signedIn(PEOPLE.ana);
  await office.signedIn(PEOPLE.bruno);
  await office.router.open("taken-1", "Uxía Rey", "ana");
  await ana.choose("Uxía Rey");
  await ana.page.fill("#note", "half a thought");
  await office.router.command("session.transfer", {
    session_id: "taken-1",
    target: { kind: "agent", id: "bruno" },
  });

  await ana.sees("back-end transferred this conversation to Bruno Lima.");
  await ana.sees("Not added. Copy it if you still need it.");
  assert.equal(await ana.page.inputValue("#note"), "half a thought");
});

test(
  "a command without an answer is said to take long, and goes on when the answer comes",
  { skip: noBrowser },
  async () => {
    const ana = await office.window(PEOPLE.ana, { fragment: "" });
    // The answers of one command are held back, as a slow network would.
    let held = () => {};
    await ana.page.routeWebSocket(/\/ws$/, (socket) => {
      const server = socket.connectToServer();
      server.onMessage((message) => {
        if (!String(message).includes('"entry"') || String(message).includes("directory"))
          socket.send(message);
        else held = () => socket.send(message);
      });
    });
    await ana.page.goto(`${office.router.url}/?slow#token=${office.router.token(PEOPLE.ana)}`);
    await office.router.open("slow-1", "Vera Coll", "ana");
    await ana.choose("Vera Coll");
    await ana.page.fill("#note", "slowly");
    await ana.button("Add note").click();
    await ana.sees("Answers take long");

    held();
    await ana.page.locator(".entry.internal", { hasText: "slowly" }).waitFor();
    await ana.page.getByText("Answers take long").waitFor({ state: "hidden" });
  },
);

test("a first connection that takes long is said to be slow", { skip: noBrowser }, async () => {
  const ana = await office.window(PEOPLE.ana, { fragment: "" });
  await ana.page.routeWebSocket(/\/ws$/, () => {});
  await ana.page.goto(`${office.router.url}/?silent#token=${office.router.token(PEOPLE.ana)}`);

  await ana.page.getByRole("heading", { name: "Connecting…" }).waitFor();
  await ana.page.getByRole("heading", { name: "The network is slow" }).waitFor();
});

test("a restart of the router is announced, and nothing typed is lost", { skip: noBrowser }, async () => {
  const other = await Office.open();
  try {
    const ana = await other.signedIn(PEOPLE.ana);
    await other.router.open("drain-1", "Xoana Paz", "ana");
    await ana.choose("Xoana Paz");
    await ana.page.fill("#note", "half a thought");
    const stopped = other.router.stop();
    await ana.sees("The server is restarting");
    await stopped;
    assert.equal(await ana.page.inputValue("#note"), "half a thought");
    await ana.sees("Your conversations stay yours; it goes on by itself.");
  } finally {
    await other.browser.close();
  }
});

test("the sign that all pages have is whole without a network too", { skip: noBrowser }, async () => {
  const { page } = await office.window(PEOPLE.ana, { fragment: "" });
  await page.locator(".link-form input").waitFor();
  const before = (await page.locator(".brand").screenshot()).toString("base64");
  // As where memory is short: a browser may forget what it has fetched at any time.
  const debugging = await page.context().newCDPSession(page);
  await debugging.send("Network.enable");
  await debugging.send("Network.setCacheDisabled", { cacheDisabled: true });
  await page.context().setOffline(true);
  await page.locator(".link-form input").fill(office.router.token(PEOPLE.ana));
  await page.locator(".link-form button").click();
  await page.locator('[data-situation="offline"]').waitFor();

  const after = (await page.locator(".brand").screenshot()).toString("base64");
  assert.ok(after === before);
});
