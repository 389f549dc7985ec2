/** The page in `examples/`, served as its README says. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { launch, noBrowser } from "./support/browser.js";
import { Router } from "./support/router.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const options = { skip: noBrowser };

/** @type {import("node:child_process").ChildProcess} */
let site;
/** @type {string} */
let origin;
/** @type {Router} */
let router;
/** @type {Awaited<ReturnType<typeof launch>>} */
let browser;

before(async () => {
  if (noBrowser) return;
  site = spawn(`${ROOT}/.venv/bin/python`, ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const output = /** @type {import("node:stream").Readable} */ (site.stdout);
  const { value } = await createInterface({ input: output })[Symbol.asyncIterator]().next();
  const port = / port (\d+) /.exec(value)?.[1];
  origin = `http://127.0.0.1:${port}`;
  [router, browser] = await Promise.all([Router.start([origin]), launch()]);
});
after(async () => {
  await browser?.close();
  await router?.end();
  site?.kill();
});

test("the example page transfers a session by the dialog", options, async () => {
  await router.departments("billing");
  const ana = await router.connect({ id: "ana", name: "Ana", departments: ["billing"] });
  await ana.agents.setStatus("connected");
  const page = await browser.newPage();
  const token = router.token({ id: "bob", name: "Bob" });
  await page.goto(`${origin}/examples/dialog.html?router=ws://127.0.0.1:${router.port}/ws#token=${token}`);
  await page.waitForFunction(() => {
    const dialog = /** @type {any} */ (document.querySelector("relevo-transfer-dialog"));
    return dialog.client?.state === "connected";
  });
  await router.open("chat-1", "Eva <b>Núñez</b>", "bob");
  await page.getByText("Eva <b>Núñez</b>").waitFor();

  await page.locator("ul").getByRole("button", { name: "Transfer" }).click();
  await page.getByRole("option", { name: /^Ana/ }).click();
  await page.getByRole("button", { name: "Transfer", exact: true }).last().click();

  await page.locator("output", { hasText: "Ana: assigned" }).waitFor();
  await page.locator("li", { hasText: "Eva" }).waitFor({ state: "detached" });
  assert.equal(ana.inbox.get("chat-1")?.state, "in_progress");
});
