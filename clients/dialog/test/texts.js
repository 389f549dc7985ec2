/** Comparisons of one language's texts with another's. */

import assert from "node:assert/strict";

/** @typedef {import("../locales/index.js").Section} Section */

/** @param {import("../locales/index.js").Message} message */
function parameters(message) {
  return new Set(
    Object.values(typeof message === "string" ? [message] : message).flatMap(
      (text) => text.match(/\{\w+\}/g) ?? [],
    ),
  );
}

/**
 * Fail unless two sections have the same keys, and each text the same parameters.
 *
 * @param {Section} section
 * @param {Section} english
 */
export function expectSameTexts(section, english) {
  assert.deepEqual(Object.keys(section), Object.keys(english));
  for (const [key, message] of Object.entries(english)) {
    assert.deepEqual(parameters(/** @type {any} */ (section[key])), parameters(message), key);
  }
}
