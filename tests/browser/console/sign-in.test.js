import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, afterEach, before, test } from "node:test";
import { noBrowser } from "../support/browser.js";
import { Office, PEOPLE } from "./office.js";

/** @type {Office} */
let office;
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
  office = await Office.open({ RELEVO_CONSOLE_EMBEDDERS: embedderOrigin });
});
afterEach(() => office?.leave());
after(async () => {
  await office?.close();
  embedder?.close();
});

/** @param {import("playwright-core").Page} page @param {string} text */
const paste = async (page, text) => {
  await page.getByLabel("Link or token").fill(text);
  await page.getByRole("button", { name: "Sign in" }).click();
};

test("a link signs in, and its token leaves the address bar", { skip: noBrowser }, async () => {
  const { page } = await office.signedIn(PEOPLE.ana);

  assert.equal(page.url(), `${office.router.url}/`);
  await page.reload();
  await page.locator("top-bar").waitFor();
});

test("the token goes into the hello and nowhere else", { skip: noBrowser }, async () => {
  const token = office.router.token(PEOPLE.ana);
  /** @type {string[]} */
  const requests = [];
  /** @type {string[]} */
  const frames = [];
  const window = await office.window(PEOPLE.ana, { fragment: "" });
  window.page.on("request", (request) =>
    requests.push(`${request.url()} ${JSON.stringify(request.headers())}`),
  );
  window.page.on("websocket", (socket) => {
    requests.push(socket.url());
    socket.on("framesent", ({ payload }) => frames.push(String(payload)));
  });
  await window.page.goto(`${office.router.url}/?again#token=${token}`);
  await window.page.locator("top-bar").waitFor();

  assert.deepEqual(
    requests.filter((request) => request.includes(token)),
    [],
  );
  assert.equal(frames.filter((frame) => frame.includes(token)).length, 1);
  assert.match(frames[0] ?? "", /"hello"/);
});

test(
  "without a link the page asks for one, and says when what is pasted is none",
  { skip: noBrowser },
  async () => {
    const { page } = await office.window(PEOPLE.ana, { fragment: "" });
    await page.getByRole("heading", { name: "Sign in" }).waitFor();

    await paste(page, "hello");
    await page.getByText("There is no token in this.").waitFor();
    await paste(page, `${office.router.url}/#token=${office.router.token(PEOPLE.ana)}`);
    await page.locator("top-bar").waitFor();
  },
);

test(
  "an expired link is said to be expired, and a new one goes on from there",
  { skip: noBrowser },
  async () => {
    const window = await office.window(PEOPLE.ana, {
      fragment: `#token=${office.router.token(PEOPLE.ana, -60)}`,
    });
    await window.page.getByRole("heading", { name: "Your link has expired" }).waitFor();

    await paste(window.page, office.router.token(PEOPLE.ana));
    await window.page.locator("top-bar").waitFor();
  },
);

test("a link of another router is said to be not valid", { skip: noBrowser }, async () => {
  const [header, body] = office.router.token(PEOPLE.ana).split(".");
  const { page } = await office.window(PEOPLE.ana, { fragment: `#token=${header}.${body}.AAAA` });

  await page.getByRole("heading", { name: "This link is not valid" }).waitFor();
});

test("a back end's token is told that the console is for people", { skip: noBrowser }, async () => {
  const { page } = await office.window({ id: "crm", role: "service" });

  await page.getByRole("heading", { name: "This link is for a program" }).waitFor();
});

test(
  "a router that is down is said to be, and the page signs in when it is back",
  { skip: noBrowser },
  async () => {
    const cable = await office.cable();
    const window = await office.window(PEOPLE.ana, { cable, fragment: "" });
    await window.page.getByRole("heading", { name: "Sign in" }).waitFor();
    cable.cut();
    await paste(window.page, office.router.token(PEOPLE.ana));
    await window.page.getByRole("heading", { name: "The server cannot be reached" }).waitFor();
    await window.sees("You are signed in as soon as it can be.");

    cable.mend();
    await window.tryNow();
    await window.page.locator("top-bar").waitFor();
  },
);

test(
  "a token that is about to end is renewed in place, and nothing typed goes away",
  { skip: noBrowser },
  async () => {
    await office.router.open("expiring-1", "Marta Ruiz", "ana").catch(() => {});
    const window = await office.window(PEOPLE.ana, {
      fragment: `#token=${office.router.token(PEOPLE.ana, 30)}`,
    });
    await window.choose("Marta Ruiz");
    await window.page.fill("#note", "half a thought");
    await window.sees("Your link is about to expire.");

    await paste(window.page, office.router.token(PEOPLE.ana));
    await window.page.getByText("Your link is about to expire.").waitFor({ state: "hidden" });
    assert.equal(await window.page.inputValue("#note"), "half a thought");
  },
);

test(
  "a token that has ended leaves all on the screen, and a new link goes on",
  { skip: noBrowser },
  async () => {
    await office.router.open("ended-1", "Iván Soler", "ana").catch(() => {});
    const window = await office.window(PEOPLE.ana, {
      fragment: `#token=${office.router.token(PEOPLE.ana, 3)}`,
    });
    await window.choose("Iván Soler");
    await window.page.fill("#note", "half a thought");
    await window.sees("Your link has expired");
    assert.equal(await window.page.inputValue("#note"), "half a thought");

    await paste(window.page, office.router.token(PEOPLE.ana));
    await window.page.locator("connection-banner", { hasText: "expired" }).waitFor({ state: "hidden" });
    await window.page.locator("relevo-conversation").getByRole("heading", { name: "Iván Soler" }).waitFor();
    assert.equal(await window.page.inputValue("#note"), "half a thought");
  },
);

test("whom an admin removes is told so", { skip: noBrowser }, async () => {
  const window = await office.signedIn({ id: "gone", name: "Gonzalo" });
  await office.router.command("agent.remove", { agent_id: "gone" });

  await window.sees("You have been signed out");
});

test("signing out forgets the token", { skip: noBrowser }, async () => {
  const window = await office.signedIn(PEOPLE.ana);
  await window.button("Settings").click();
  await window.button("Sign out").click();
  await window.page.getByRole("heading", { name: "Sign in" }).waitFor();

  await window.page.reload();
  await window.page.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("the embedding page hands its token over, and renews it when asked", { skip: noBrowser }, async () => {
  const window = await office.window(PEOPLE.ana, { fragment: "" });
  const { page } = window;
  await page.goto(embedderOrigin);
  const tokens = [office.router.token(PEOPLE.ana, 30), office.router.token(PEOPLE.ana, 3600)];
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
  }, /** @type {[string, string[]]} */ ([office.router.url, tokens]));
  await page.frameLocator("iframe").locator("top-bar").waitFor();
  await page.waitForFunction(() => /** @type {any} */ (window).asked.includes("relevo.token-wanted"));
  await page.frameLocator("iframe").getByText("Your link is about to expire.").waitFor({ state: "hidden" });
});

test(
  "a page that is not on the list can neither frame the console nor sign in to it",
  { skip: noBrowser },
  async () => {
    const stranger = createServer((_, response) => {
      response.setHeader("content-type", "text/html").end("<!doctype html><title>Stranger</title>");
    });
    await new Promise((done) => stranger.listen(0, "127.0.0.1", () => done(null)));
    try {
      const { port } = /** @type {import("node:net").AddressInfo} */ (stranger.address());
      const { page, complaints } = await office.window(PEOPLE.ana, { fragment: "" });
      await page.goto(`http://127.0.0.1:${port}`);
      await page.evaluate((console) => {
        document.body.appendChild(document.createElement("iframe")).src = console;
      }, office.router.url);
      await page.waitForEvent("console", (message) => /frame-ancestors/.test(message.text()));
      complaints.length = 0;
    } finally {
      stranger.close();
    }
  },
);
