import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import english from "../locales/en.js";

const FOLDER = new URL("../", import.meta.url);
const codes = (await readdir(new URL("locales/", FOLDER)))
  .map((file) => file.replace(".js", ""))
  .filter((code) => code !== "index");

/** @param {unknown} message */
const parameters = (message) =>
  [...JSON.stringify(message).matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

for (const code of codes) {
  test(`${code} says everything of the console, with the same parameters as English`, async () => {
    const { default: locale } = await import(`../locales/${code}.js`);
    assert.deepEqual(Object.keys(locale.sections.console), Object.keys(english.sections.console));
    for (const [name, message] of Object.entries(english.sections.console)) {
      const own = locale.sections.console[name];
      assert.deepEqual(new Set(parameters(own)), new Set(parameters(message)), name);
    }
  });
}

test("every text that the console asks for is there", async () => {
  const texts = /** @type {Readonly<Record<string, unknown>>} */ (english.sections.console);
  for (const file of await readdir(new URL("view/", FOLDER))) {
    const code = await readFile(new URL(`view/${file}`, FOLDER), "utf8");
    for (const [, name] of code.matchAll(/\bsay\(\s*"(\w+)"/g))
      assert.ok(name && name in texts, `${file}: ${name}`);
  }
});
