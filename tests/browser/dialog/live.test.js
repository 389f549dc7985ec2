/** The open dialog follows the directory, and keeps selection, scroll position and focus. */

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { compareAgents } from "../../../clients/js/src/directory.js";
import { openBefore } from "./fixture.js";
import { choose, column, drawn, expectText, names } from "./actions.js";

/** @type {import("./fixture.js").DialogFixture} */
let fixture;
/** @type {Awaited<ReturnType<typeof fixture.addAgents>>} */
let agents;
const options = openBefore(async (opened) => {
  fixture = opened;
  agents = await fixture.addAgents();
  await fixture.router.departments("crowd");
  for (let index = 0; index < 60; index += 1) {
    const id = `extra-${String(index).padStart(2, "0")}`;
    const agent = { id, name: `Extra ${index}`, role: "agent", departments: ["crowd"], capacity: 5 };
    await fixture.router.command("agent.put", { agent });
  }
});
afterEach(() =>
  Promise.all([agents?.ana.agents.setStatus("connected"), agents?.bruno.agents.setStatus("connected")]),
);

test("a selected agent that becomes unavailable shows alternatives", options, async () => {
  const { page } = await fixture.page();
  await choose(page, "Ana Souza");
  await page.getByLabel("Reason").fill("Half a sent");
  await agents.ana.agents.setStatus("pause");
  await expectText(
    page.locator(".prediction"),
    "Ana Souza is no longer available. Ana Souza is on pause: it will wait in their pending list.",
  );
  await expectText(page.locator(".alternatives-list button").first(), "Bruno Lima 0/5");
  assert.equal(await page.evaluate(focusInside), "reason");
  assert.equal(await page.getByLabel("Reason").inputValue(), "Half a sent");
  await page.locator(".alternatives-list button").first().click();
  await expectText(page.locator(".prediction"), "Bruno Lima gets it at once.");
  await agents.ana.agents.setStatus("connected");
});

test("a rule that changes greys rows out and says what is allowed", options, async () => {
  const { page } = await fixture.page();
  await choose(page, "Ana Souza");
  await expectText(page.locator(".prediction"), "Ana Souza gets it at once.");
  await agents.ana.agents.setStatus("pause");
  await fixture.router.command("settings.put", { settings: { rule: { statuses: ["connected"] } } });
  try {
    await page.locator(".row.forbidden", { hasText: "Ana Souza" }).waitFor();
    await expectText(
      page.locator(".prediction"),
      "This conversation may not go to Ana Souza in their present status.",
    );
    await expectText(page.locator(".alternatives-list button").first(), "Bruno Lima 0/5");
    assert.equal(await page.locator(".row.forbidden", { hasText: "Bruno Lima" }).count(), 0);
  } finally {
    await fixture.router.command("settings.put", { settings: { rule: null } });
  }
  await page.locator(".row:not(.forbidden)", { hasText: "Ana Souza" }).waitFor();
});

test("an alternative with a long name still shows its load", options, async () => {
  const name = "Maximiliana Wilhelmina ".repeat(5).trim();
  const client = await fixture.router.connect({ id: "long", name, departments: ["support"], capacity: 77 });
  const { page } = await fixture.page();
  await choose(page, "Pablo Díaz");
  const chip = page.locator(".alternatives-list button", { hasText: name });
  const load = chip.getByText("0/77", { exact: true });
  const [outer, inner] = [await chip.boundingBox(), await load.boundingBox()];
  assert.ok(outer !== null && inner !== null && inner.x + inner.width <= outer.x + outer.width);
  await client.close();
  await fixture.router.command("agent.remove", { agent_id: "long" });
});

test("moving rows keep the selection, the scroll and the focus", options, async () => {
  const { page } = await fixture.page();
  const list = page.getByRole("listbox");
  await choose(page, "Ana Souza");
  await list.focus();
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowUp");
  await page.locator(".focused", { hasText: "Extra 59" }).waitFor();
  const at = await page.evaluate(atFocus);
  assert.match(at.row, /Extra 59/);
  await agents.ana.agents.setStatus("pre_pause");
  await agents.bruno.agents.setStatus("pause");
  await page.waitForFunction(
    () => /** @type {any} */ (window).client.directory.agents.get("bruno").status === "pause",
  );
  await drawn(page);
  assert.deepEqual(await page.evaluate(atFocus), at);
  await page.keyboard.press("Home");
  await page.locator(".focused", { hasText: "Carmen" }).waitFor();
  assert.deepEqual((await names(page)).slice(0, 3), ["Carmen Núñez", "Fábio Conceição", "Ana Souza"]);
  assert.equal(await page.locator("[aria-selected=true] .name").textContent(), "Ana Souza");
});

test("200 changes a second write only the changed rows", options, async () => {
  const { page } = await fixture.page();
  const backEnd = await fixture.router.connect({ id: "storm", role: "service" });
  await choose(page, "Ana Souza");
  await page.getByLabel("Reason").focus();
  // What the test before has left behind may still be on its way.
  await page.waitForFunction(() => {
    const { agents } = /** @type {any} */ (window).client.directory;
    return ["ana", "bruno"].every((id) => agents.get(id).status === "connected");
  });
  await drawn(page);
  await page.evaluate(() => {
    const there = /** @type {any} */ (window);
    there.touched = [];
    const watch = new MutationObserver((records) => {
      for (const { target } of records) {
        const element = target instanceof Element ? target : target.parentElement;
        const row = element?.closest("[role=option]");
        if (row) there.touched.push(row.querySelector(".name")?.textContent);
      }
    });
    const list = there.dialog.shadowRoot.querySelector("#agent-panel [role=listbox]");
    watch.observe(list, { subtree: true, childList: true, attributes: true, characterData: true });
  });
  const change = (/** @type {number} */ made) => {
    const index = (made * 7) % 60;
    const id = `extra-${String(index).padStart(2, "0")}`;
    return backEnd.agents.put(id, `Extra ${index}`, { departments: ["crowd"], capacity: 1 + made });
  };
  const typing = page.keyboard.type("As fast as one types", { delay: 60 });
  for (let made = 0; made < 400; made += 20) {
    const changed = Array.from({ length: 20 }, (_, more) => change(made + more));
    await Promise.all([...changed, new Promise((done) => setTimeout(done, 100))]);
  }
  await typing;
  await page.waitForFunction(
    () => /** @type {any} */ (window).client.directory.agents.get("extra-33").capacity === 400,
  );
  await drawn(page);

  /** @type {string[]} */
  const touched = await page.evaluate(() => /** @type {any} */ (window).touched);
  assert.ok(touched.length > 0, "changes are seen");
  assert.deepEqual(
    touched.filter((name) => !name.startsWith("Extra")),
    [],
  );
  const rows = await page.evaluate(() => [.../** @type {any} */ (window).client.directory.agents.values()]);
  const expected = rows.filter(({ id }) => id !== "marta").sort(compareAgents);
  const loads = await column(page, ".load");
  assert.deepEqual(
    loads,
    expected.slice(0, loads.length).map(({ load, capacity }) => `${load}/${capacity}`),
  );
  assert.equal(await page.getByLabel("Reason").inputValue(), "As fast as one types");
  assert.equal(await page.locator("[aria-selected=true] .name").textContent(), "Ana Souza");
  await backEnd.close();
});

test("a selected agent that is removed cannot be sent to", options, async () => {
  const agent = { id: "brief", name: "Brief Visit", role: "agent", departments: [], capacity: 1 };
  await fixture.router.command("agent.put", { agent });
  const { page } = await fixture.page();
  await page.getByRole("searchbox").fill("brief");
  await choose(page, "Brief Visit");
  await fixture.router.command("agent.remove", { agent_id: "brief" });
  await expectText(page.locator(".prediction"), "Brief Visit is no longer here. Choose again.");
  await expectText(page.locator(".empty:visible"), "Nothing matches “brief”.");
  const send = page.locator(".button.primary:visible");
  assert.equal(await send.getAttribute("aria-disabled"), "true");
});

test("a dialog without a connection says so until it reconnects", options, async () => {
  const { page, proxy, pageErrors } = await fixture.page();
  await choose(page, "Ana Souza");
  await page.getByLabel("Reason").fill("Half a sent");
  proxy.cut();
  await expectText(page.locator(".banner"), /^Not live\./);
  await agents.ana.agents.setStatus("pause");
  assert.equal((await names(page)).includes("Ana Souza"), true);
  proxy.restore();
  await page.evaluate(() => /** @type {any} */ (window).client.wake());
  await page.locator(".banner").waitFor({ state: "hidden" });
  await expectText(page.locator(".prediction"), /^Ana Souza is no longer available\./);
  assert.equal(await page.getByLabel("Reason").inputValue(), "Half a sent");
  assert.equal(await page.locator("[aria-selected=true] .name").textContent(), "Ana Souza");
  assert.deepEqual(pageErrors, []);
});

test("a transfer aborted without a connection has no effect", options, async () => {
  const { page, proxy, sessionId } = await fixture.page();
  await choose(page, "Ana Souza");
  proxy.cut();
  await page.locator(".banner").waitFor();
  await page.locator(".button.primary:visible").click();
  await page.getByRole("button", { name: "Do not transfer" }).click();
  await expectText(page.locator(".prediction"), "Ana Souza gets it at once.");
  proxy.restore();
  await page.evaluate(() => /** @type {any} */ (window).client.wake());
  await page.locator(".banner").waitFor({ state: "hidden" });
  assert.equal(
    await page.evaluate((id) => /** @type {any} */ (window).client.inbox.get(id).hops, sessionId),
    0,
  );
});

test("the directory is subscribed only while the dialog is open", options, async () => {
  const { page } = await fixture.page({ shown: false });
  const live = () => page.evaluate(() => /** @type {any} */ (window).client.directory.live);
  assert.equal(await live(), false);
  await page.click("#open");
  await page.locator("[role=option]").first().waitFor();
  assert.equal(await live(), true);
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !(/** @type {any} */ (window).client.directory.live));
});

test("a dialog closed and shown at once stays open", options, async () => {
  const { page } = await fixture.page();
  await page.evaluate(() => {
    const { dialog } = /** @type {any} */ (window);
    dialog.close();
    dialog.show();
    // The browser's own event of the closing comes after this.
    return new Promise((done) => setTimeout(done));
  });
  assert.equal(await page.locator("[role=option]").first().isVisible(), true);
  assert.equal(await page.evaluate(() => /** @type {any} */ (window).dialog.open), true);
});

function focusInside() {
  return /** @type {any} */ (window).dialog.shadowRoot.activeElement.id;
}

function atFocus() {
  const root = /** @type {any} */ (window).dialog.shadowRoot;
  const list = root.activeElement;
  const row = root.getElementById(list.getAttribute("aria-activedescendant"));
  return { role: list.getAttribute("role"), row: row?.textContent, scrollTop: list.scrollTop };
}
