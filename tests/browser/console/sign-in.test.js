import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, afterEach, before, test } from "node:test";
import { noBrowser } from "../support/browser.js";
import { ConsoleFixture, PEOPLE } from "./fixture.js";

/** @type {ConsoleFixture} */
let fixture;
/** A page of another origin that shows the console in a frame. @type {import("node:http").Server} */
let embedder;
let embedderOrigin = "";

before(async () => {
  if (noBrowser) return;
  embedder = createServer((_, response) => {
    response.setHeader("content-type", "text/html").end("<!doctype html><title>CRM</title>");
  });
  await new Promise((done) => embedder.listen(0, "127.0.0.1", () => done(null)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (embedder.address());
  embedderOrigin = `http://127.0.0.1:${port}`;
  fixture = await ConsoleFixture.open({ RELEVO_CONSOLE_EMBEDDERS: embedderOrigin });
});
afterEach(() => fixture?.closeWindows());
after(async () => {
  await fixture?.close();
  embedder?.close();
});

/** @param {import("playwright-core").Page} page @param {string} text */
const paste = async (page, text) => {
  await page.getByLabel("Link or token").fill(text);
  await page.getByRole("button", { name: "Sign in" }).click();
};

test("a link signs in, and its token leaves the address bar", { skip: noBrowser }, async () => {
  const { page } = await fixture.signedIn(PEOPLE.ana);

  assert.equal(page.url(), `${fixture.router.httpUrl}/`);
  await page.reload();
  await page.locator("top-bar").waitFor();
});

test("a token is sent in the hello and nowhere else", { skip: noBrowser }, async () => {
  const token = fixture.router.token(PEOPLE.ana);
  /** @type {string[]} */
  const requests = [];
  /** @type {string[]} */
  const frames = [];
  const window = await fixture.window(PEOPLE.ana, { fragment: "" });
  window.page.on("request", (request) =>
    requests.push(`${request.url()} ${JSON.stringify(request.headers())}`),
  );
  window.page.on("websocket", (socket) => {
    requests.push(socket.url());
    socket.on("framesent", ({ payload }) => frames.push(String(payload)));
  });
  await window.page.goto(`${fixture.router.httpUrl}/?again#token=${token}`);
  await window.page.locator("top-bar").waitFor();

  assert.deepEqual(
    requests.filter((request) => request.includes(token)),
    [],
  );
  assert.equal(frames.filter((frame) => frame.includes(token)).length, 1);
  assert.match(frames[0] ?? "", /"hello"/);
});

test("a page without a link asks for one, and rejects other texts", { skip: noBrowser }, async () => {
  const { page } = await fixture.window(PEOPLE.ana, { fragment: "" });
  await page.getByRole("heading", { name: "Sign in" }).waitFor();

  await paste(page, "hello");
  await page.getByText("This contains no token.").waitFor();
  await paste(page, `${fixture.router.httpUrl}/#token=${fixture.router.token(PEOPLE.ana)}`);
  await page.locator("top-bar").waitFor();
});

test("an expired link says so, and a new one signs in", { skip: noBrowser }, async () => {
  const window = await fixture.window(PEOPLE.ana, {
    fragment: `#token=${fixture.router.token(PEOPLE.ana, -60)}`,
  });
  await window.page.getByRole("heading", { name: "Your link has expired" }).waitFor();

  await paste(window.page, fixture.router.token(PEOPLE.ana));
  await window.page.locator("top-bar").waitFor();
});

test("a link of another router is not valid", { skip: noBrowser }, async () => {
  const [header, body] = fixture.router.token(PEOPLE.ana).split(".");
  const { page } = await fixture.window(PEOPLE.ana, { fragment: `#token=${header}.${body}.AAAA` });

  await page.getByRole("heading", { name: "This link is not valid" }).waitFor();
});

test("a back end's token shows that the console is for agents", { skip: noBrowser }, async () => {
  const { page } = await fixture.window({ id: "crm", role: "service" });

  await page.getByRole("heading", { name: "This link is for a program" }).waitFor();
});

test("a page without a router says so, and signs in once it is up", { skip: noBrowser }, async () => {
  const proxy = await fixture.proxy();
  const window = await fixture.window(PEOPLE.ana, { proxy, fragment: "" });
  await window.page.getByRole("heading", { name: "Sign in" }).waitFor();
  proxy.cut();
  await paste(window.page, fixture.router.token(PEOPLE.ana));
  await window.page.getByRole("heading", { name: "The server cannot be reached" }).waitFor();
  await window.sees("You will be signed in as soon as it can be reached.");

  proxy.restore();
  await window.tryNow();
  await window.page.locator("top-bar").waitFor();
});

test("an expiring token is renewed in place and keeps the draft", { skip: noBrowser }, async () => {
  await fixture.router.open("expiring-1", "Marta Ruiz", "ana").catch(() => {});
  const window = await fixture.window(PEOPLE.ana, {
    fragment: `#token=${fixture.router.token(PEOPLE.ana, 55)}`,
  });
  await window.choose("Marta Ruiz");
  await window.page.fill("#note", "half a thought");
  await window.sees("Your link is about to expire.");

  await paste(window.page, fixture.router.token(PEOPLE.ana));
  await window.page.getByText("Your link is about to expire.").waitFor({ state: "hidden" });
  assert.equal(await window.page.inputValue("#note"), "half a thought");
});

test("an expired token keeps the screen, and a new link continues", { skip: noBrowser }, async () => {
  await fixture.router.open("ended-1", "Iván Soler", "ana").catch(() => {});
  const window = await fixture.signedIn(PEOPLE.ana);
  await window.choose("Iván Soler");
  await window.page.fill("#note", "half a thought");
  // A short token renews the session only now: the time to sign in does not count.
  await window.page.evaluate(
    (token) => void (location.hash = `token=${token}`),
    fixture.router.token(PEOPLE.ana, 3),
  );
  await window.sees("Your link has expired");
  assert.equal(await window.page.inputValue("#note"), "half a thought");

  await paste(window.page, fixture.router.token(PEOPLE.ana));
  await window.page.locator("connection-banner", { hasText: "expired" }).waitFor({ state: "hidden" });
  await window.page.locator("relevo-conversation").getByRole("heading", { name: "Iván Soler" }).waitFor();
  assert.equal(await window.page.inputValue("#note"), "half a thought");
});

test("a removed agent sees the reason", { skip: noBrowser }, async () => {
  const window = await fixture.signedIn({ id: "gone", name: "Gonzalo" });
  await fixture.router.command("agent.remove", { agent_id: "gone" });

  await window.sees("You have been signed out");
});

test("signing out removes the token", { skip: noBrowser }, async () => {
  const window = await fixture.signedIn(PEOPLE.ana);
  await window.button("Settings").click();
  await window.button("Sign out").click();
  await window.page.getByRole("heading", { name: "Sign in" }).waitFor();

  await window.page.reload();
  await window.page.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("an embedding page signs in, and renews the token on request", { skip: noBrowser }, async () => {
  const window = await fixture.window(PEOPLE.ana, { fragment: "" });
  const { page } = window;
  await page.goto(embedderOrigin);
  const tokens = [fixture.router.token(PEOPLE.ana, 55), fixture.router.token(PEOPLE.ana, 3600)];
  await page.evaluate(([console, tokens]) => {
    const frame = document.body.appendChild(document.createElement("iframe"));
    /** @type {string[]} */
    const asked = [];
    Object.assign(window, { asked });
    frame.width = "1200";
    frame.height = "700";
    addEventListener("message", ({ origin, data }) => {
      if (origin !== console || !["relevo.ready", "relevo.token-wanted"].includes(data.type)) return;
      asked.push(data.type);
      frame.contentWindow?.postMessage({ type: "relevo.token", token: tokens.shift() }, console);
    });
    frame.src = console;
  }, /** @type {[string, string[]]} */ ([fixture.router.httpUrl, tokens]));
  await page.frameLocator("iframe").locator("top-bar").waitFor();
  await page.waitForFunction(() => /** @type {any} */ (window).asked.includes("relevo.token-wanted"));
  await page.frameLocator("iframe").getByText("Your link is about to expire.").waitFor({ state: "hidden" });
});

test("a page of another origin can neither frame nor sign in", { skip: noBrowser }, async () => {
  const stranger = createServer((_, response) => {
    response.setHeader("content-type", "text/html").end("<!doctype html><title>Stranger</title>");
  });
  await new Promise((done) => stranger.listen(0, "127.0.0.1", () => done(null)));
  try {
    const { port } = /** @type {import("node:net").AddressInfo} */ (stranger.address());
    const { page, pageErrors } = await fixture.window(PEOPLE.ana, { fragment: "" });
    await page.goto(`http://127.0.0.1:${port}`);
    await page.evaluate((console) => {
      document.body.appendChild(document.createElement("iframe")).src = console;
    }, fixture.router.httpUrl);
    await page.waitForEvent("console", (message) => /frame-ancestors/.test(message.text()));
    pageErrors.length = 0;
  } finally {
    stranger.close();
  }
});
