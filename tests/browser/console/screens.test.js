import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { expectAccessible, noBrowser } from "../support/browser.js";
import { ConsoleFixture, PEOPLE } from "./fixture.js";

/** @typedef {import("./fixture.js").WindowOptions} WindowOptions */

/** @type {ConsoleFixture} */
let fixture;

before(async () => {
  if (!noBrowser) fixture = await ConsoleFixture.open();
});
afterEach(() => fixture?.closeWindows());
after(() => fixture?.close());

/** @type {readonly [string, WindowOptions][]} */
const LOOKS = [
  ["desktop", {}],
  ["phone", { phone: true, locale: "es-ES" }],
];

/** Fill the fixture with what a busy day brings. */
async function busyDay() {
  const { router } = fixture;
  const bruno = await router.connect(PEOPLE.bruno);
  const elena = await router.connect({
    id: "elena",
    name: "Elena Ruiz",
    departments: ["sales", "support"],
    capacity: 6,
  });
  await router.connect({
    id: "fabio",
    name: "Fábio Conceição",
    departments: ["sales"],
    capacity: 2,
  });
  const gil = await router.connect({
    id: "gil",
    name: "Gil Monteiro",
    departments: ["support"],
    capacity: 5,
  });
  const ana = await router.connect(PEOPLE.ana);
  await router.open("day-1", "Marcos Prieto", "elena");
  await router.open("day-2", "Inês Carvalho", "gil");
  await router.open("day-3", "Harriet Lindqvist", "fabio");
  await router.open("day-4", "Kwame Mensah", "fabio");
  await router.open("day-5", "Tomás Echeverría", "ana");
  await router.open("day-6", "Lucía Fernández Ibáñez", "bruno");
  await bruno.sessions.note(
    "day-6",
    "Ya le he devuelto la cuota de mayo. Falta la de junio, que depende de soporte.",
  );
  await gil.agents.setStatus("pre_pause");
  await elena.agents.setStatus("pause");
  const reason =
    "Le han cobrado dos veces la cuota de mayo; adjunta el extracto. Quiere hablar con quien pueda ver su contrato.";
  await bruno.sessions.transfer("day-6", { kind: "department", id: "support" }, { reason });
  await ana.agents.setStatus("pause");
  await router.open("day-7", "Ximena Arévalo", "bruno");
  await bruno.sessions.transfer(
    "day-7",
    { kind: "agent", id: "ana" },
    { reason: "Pide hablar contigo, dice que le llamaste ayer." },
  );
  await ana.agents.setStatus("connected");
  await router.open("day-8", "Rhys Llewellyn", "ana");
  await ana.sessions.transfer(
    "day-8",
    { kind: "department", id: "sales" },
    { reason: "Trial ends tomorrow; wants to stay." },
  );
  await router.open("day-9", "João Pedro Antunes", "bruno");
  await bruno.sessions.transfer(
    "day-9",
    { kind: "agent", id: "ana" },
    { reason: "Needs the invoice in the company's name." },
  );
}

for (const [look, options] of LOOKS) {
  test(`an agent's screens have no accessibility violation: ${look}`, { skip: noBrowser }, async () => {
    await busyDay();
    const { page } = await fixture.signedIn(PEOPLE.ana, options);
    await page.locator(".card.pending").waitFor();
    await expectAccessible(page, `${look}: the lists`);
    await page.locator(".card", { hasText: "Lucía" }).locator("button.card-title").click();
    await page.locator(".entry.internal").nth(1).waitFor();
    await expectAccessible(page, `${look}: a conversation`);
    await page.locator(".conversation-head .actions button").first().click();
    await page.locator("relevo-transfer-dialog").getByRole("option").first().waitFor();
    await page.keyboard.press("Escape");
    await page.locator(".conversation-head .actions button").last().click();
    await page.locator("dialog.question").waitFor();
    await expectAccessible(page, `${look}: a question`);
    await page.keyboard.press("Escape");
    await page.locator(".settings > button").click();
    await page.locator(".menu").waitFor();
    await expectAccessible(page, `${look}: the settings`);
  });

  test(`an admin's screens have no accessibility violation: ${look}`, { skip: noBrowser }, async () => {
    await busyDay();
    const { page } = await fixture.signedIn(PEOPLE.carmen, options);
    await page.locator("admin-dashboard:not([aria-busy]) .session-row").nth(5).waitFor();
    await expectAccessible(page, `${look}: the dashboard`);
    await page.locator(".agent-row").last().scrollIntoViewIfNeeded();
    await page.locator(".session-row", { hasText: "Lucía" }).getByRole("button").first().click();
    await page.locator("dialog.history .entry").first().waitFor();
    await expectAccessible(page, `${look}: a history`);
  });

  test(`disconnected screens have no accessibility violation: ${look}`, { skip: noBrowser }, async () => {
    const proxy = await fixture.proxy();
    const signedOut = await fixture.window(PEOPLE.ana, { ...options, fragment: "" });
    await signedOut.page.locator(".link-form").waitFor();
    await expectAccessible(signedOut.page, `${look}: the request for a link`);
    const late = await fixture.window(PEOPLE.ana, {
      ...options,
      fragment: `#token=${fixture.router.token(PEOPLE.ana, -9)}`,
    });
    await late.page.locator('[data-connection="expired"]').waitFor();
    await expectAccessible(late.page, `${look}: an expired link`);
    const [header, body] = fixture.router.token(PEOPLE.ana).split(".");
    const wrong = await fixture.window(PEOPLE.ana, { ...options, fragment: `#token=${header}.${body}.AAAA` });
    await wrong.page.locator('[data-connection="wrong"]').waitFor();
    await expectAccessible(wrong.page, `${look}: a wrong link`);
    await signedOut.page.locator(".link-form input").fill("hello");
    await signedOut.page.locator(".link-form button").click();
    await signedOut.page.locator(".problem:not(:empty)").waitFor();
    await expectAccessible(signedOut.page, `${look}: something pasted that is no link`);
    const silent = await fixture.window(PEOPLE.ana, { ...options, fragment: "" });
    await silent.page.routeWebSocket(/\/ws$/, () => {});
    await silent.page.goto(`${fixture.router.httpUrl}/?silent#token=${fixture.router.token(PEOPLE.ana)}`);
    await silent.page.locator('[data-connection="slow"]').waitFor();
    await expectAccessible(silent.page, `${look}: a slow network`);
    const { page } = await fixture.signedIn(PEOPLE.ana, { ...options, proxy });
    proxy.cut();
    await page.locator("connection-banner button").waitFor();
    await expectAccessible(page, `${look}: a lost connection`);
    const token = fixture.router.token(PEOPLE.ana);
    const down = await fixture.window(PEOPLE.ana, { ...options, fragment: "" });
    await down.page.locator(".link-form input").waitFor();
    await down.page.context().setOffline(true);
    await down.page.locator(".link-form input").fill(token);
    await down.page.locator(".link-form button").click();
    await down.page.locator('[data-connection="offline"]').waitFor();
    await expectAccessible(down.page, `${look}: no network`);
  });
}

test("names of the maximum length fit on a phone", { skip: noBrowser }, async () => {
  const { router } = fixture;
  const name = "Donaudampfschifffahrtsgesellschaft".repeat(4).slice(0, 120);
  await router.command("department.put", { department: { id: "long", name } });
  const sender = await router.connect({ id: "long", name, departments: ["long"], capacity: 60_000 });
  await router.connect({ ...PEOPLE.ana, departments: ["long"] });
  await router.open("long-1", name, "long");
  await sender.sessions.transfer("long-1", { kind: "agent", id: "ana" }, { reason: name });
  /** @param {import("playwright-core").Page} page @param {string} state */
  const expectFit = async (page, state) => {
    const widths = await page.evaluate(() => {
      // A part that cuts its own text off is as wide as it should be.
      const all = [...document.querySelectorAll("body *")].map((one) => one.getBoundingClientRect().right);
      return { screen: innerWidth, content: Math.ceil(Math.max(...all)) };
    });
    assert.ok(widths.content <= widths.screen, `${state}: ${widths.content} in ${widths.screen} pixels`);
  };
  const { page } = await fixture.signedIn(PEOPLE.ana, { phone: true });
  await page.locator(".card button.card-title").first().click();
  await page.locator(".entry.internal").first().waitFor();
  await expectFit(page, "a conversation");
  const carmen = await fixture.signedIn(PEOPLE.carmen, { phone: true });
  await carmen.page.locator(".session-row").first().waitFor();
  await carmen.page.locator(".agent-row").first().waitFor();
  await expectFit(carmen.page, "the dashboard");
  await carmen.button("Rules").click();
  await carmen.page.locator("[data-setting=reasons]").getByRole("button", { name: "Add a reason" }).click();
  await expectFit(carmen.page, "the settings");
});

for (const locale of ["en-GB", "es-ES", "pt-BR"]) {
  test(
    `select options of the dashboard fit on a desktop and a phone: ${locale}`,
    { skip: noBrowser },
    async () => {
      const { page } = await fixture.signedIn(PEOPLE.carmen, { locale });
      await page.locator(".agent-row select").first().waitFor();
      for (const width of [1360, 390]) {
        await page.setViewportSize({ width, height: 850 });
        const cut = await page.evaluate(() => {
          const selects = [...document.querySelectorAll("select")].filter((one) => !one.closest("[popover]"));
          return selects.flatMap((select) => {
            const whole = /** @type {HTMLSelectElement} */ (select.cloneNode(true));
            // Names of agents and departments may be longer than any screen is wide.
            if (select.closest(".filters") && select.options[1]?.value !== "in_progress") whole.length = 1;
            whole.style.cssText = "position: absolute; width: max-content; max-width: none";
            select.after(whole);
            const { offsetWidth } = whole;
            whole.remove();
            return offsetWidth > select.offsetWidth ? [`${whole.textContent}: ${offsetWidth}`] : [];
          });
        });
        assert.deepEqual(cut, [], `${width} pixels`);
      }
    },
  );
}
