import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { test } from "node:test";
import english from "../locales/en.js";
import { ENGLISH, loadWords } from "../locales/index.js";
import { expectSameTexts } from "./texts.js";

const files = (await readdir(new URL("../locales/", import.meta.url))).filter((name) => name !== "index.js");
for (const file of files) {
  test(`${file} has every text of English, with the same parameters`, async () => {
    /** @type {{ default: import("../locales/index.js").Locale }} */
    const { default: locale } = await import(`../locales/${file}`);
    assert.equal(`${locale.language}.js`, file);
    assert.equal(locale.ordinals.length, english.ordinals.length);
    assert.deepEqual(Object.keys(locale.sections), Object.keys(english.sections));
    for (const [name, section] of Object.entries(english.sections)) {
      expectSameTexts(locale.sections[name] ?? {}, section);
    }
  });
}

test("words with further sections have the sections of the language loaded", async () => {
  const load = async (/** @type {string} */ language) => ({ page: { hello: `hello in ${language}` } });
  assert.equal((await loadWords("pt-BR", load)).say("page.hello"), "hello in pt");
  assert.equal((await loadWords("xx", load)).say("page.hello"), "hello in en");
});

test("a language tag loads its language, or English without a file", async () => {
  assert.equal((await loadWords("pt-BR")).say("dialog.transfer"), "Transferir");
  assert.equal((await loadWords("ES")).language, "es");
  for (const tag of ["xx", "", "../../etc", "zz-", "en_US.UTF-8", "e"]) {
    assert.equal((await loadWords(tag)).language, "en", tag);
  }
});

test("plural forms and numbers follow the language", async () => {
  const spanish = await loadWords("es");
  assert.equal(spanish.say("dialog.members", { count: 1 }), "1 agente");
  assert.equal(spanish.say("dialog.members", { count: 10_000 }), "10.000 agentes");
  assert.equal(ENGLISH.say("dialog.members", { count: 1 }), "1 agent");
});

test("a parameter is inserted verbatim, once", () => {
  assert.equal(ENGLISH.say("dialog.customer", { customer: "{customer} $& <b>" }), "with {customer} $& <b>");
  assert.throws(() => ENGLISH.say("dialog.nothing"), /dialog\.nothing/);
});

test("a parameter that turns the text direction is isolated", () => {
  const overriding = "Ana \u202eazuoS";
  assert.equal(ENGLISH.say("dialog.customer", { customer: overriding }), `with \u2068${overriding}\u2069`);
  assert.equal(ENGLISH.say("dialog.customer", { customer: "דנה" }), "with \u2068דנה\u2069");
  const closing = "Ana\u2069\u2067 \u202eSouza";
  assert.equal(ENGLISH.say("dialog.customer", { customer: closing }), "with \u2068Ana \u202eSouza\u2069");
});

test("an ordinal is a word up to ten, then a number", () => {
  assert.equal(ENGLISH.ordinal(3), "third");
  assert.equal(ENGLISH.ordinal(11), "number 11");
});
