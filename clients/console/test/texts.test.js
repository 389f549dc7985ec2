import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { expectSameTexts } from "../../dialog/test/texts.js";
import english from "../locales/en.js";

const FOLDER = new URL("../", import.meta.url);

for (const file of await readdir(new URL("locales/", FOLDER))) {
  test(`${file} has every text of English, with the same parameters`, async () => {
    expectSameTexts((await import(`../locales/${file}`)).default, english);
  });
}

test("every text that a view says exists", async () => {
  for (const file of await readdir(new URL("view/", FOLDER))) {
    const code = await readFile(new URL(`view/${file}`, FOLDER), "utf8");
    for (const [, name] of code.matchAll(/\bsay\(\s*"(\w+)"/g))
      assert.ok(name && name in english, `${file}: ${name}`);
  }
});

test("every language of the console is one of the dialog", async () => {
  const dialog = await readdir(new URL("../dialog/locales/", FOLDER));
  for (const file of await readdir(new URL("locales/", FOLDER))) assert.ok(dialog.includes(file), file);
});
