import assert from "node:assert/strict";
import { test } from "node:test";
import { expiryOf, tokenIn } from "../model/sign-in.js";

const TOKEN = `e30.${Buffer.from('{"exp":1700000000}').toString("base64url")}.c2ln`;

test("a token is found in a link, in a fragment and alone", () => {
  for (const text of [
    TOKEN,
    ` ${TOKEN}\n`,
    `https://chat.example.com/?a=b#token=${TOKEN}`,
    `#token=${TOKEN}&x=1`,
  ]) {
    assert.equal(tokenIn(text), TOKEN);
  }
});

test("a text without a token gives null", () => {
  for (const text of ["", "hello", "https://chat.example.com/", "#token=", "a.b", "a.b.c.d", "a.b. c"]) {
    assert.equal(tokenIn(text), null);
  }
});

test("expiry of a token is its exp, or null", () => {
  assert.equal(expiryOf(TOKEN), 1_700_000_000_000);
  for (const text of ["", "a.b.c", "e30.e30.e30", "é.é.é"]) assert.equal(expiryOf(text), null);
});
