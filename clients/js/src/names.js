/** Names as people look for them and as lists order them: the same in every client (protocol/vectors/names.json). */

/** Letters that Unicode decomposes into nothing simpler, as their neighbours on a plain keyboard. */
const PLAIN_LETTERS = new Map(
  ("æ ae,œ oe,ø o,ß ss,đ d,ð d,þ th,ħ h,ı i,ȷ j,ĸ k,ł l,ŋ n,ŧ t,ə e,ɛ e,ɔ o,ɓ b,ɗ d,ƙ k,ƴ y," + "ς σ,ґ г")
    .split(",")
    .map((pair) => /** @type {[string, string]} */ (pair.split(" "))),
);
const LETTERS = new RegExp(`[${[...PLAIN_LETTERS.keys()].join("")}]`, "gu");

// Accents of Latin, Greek, Cyrillic, Hebrew and Arabic, and characters without width. A dakuten stays: it makes another kana.
const MARKS =
  /[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u00ad\u200b-\u200f\u2060\ufeff]/gu;

const PLAIN_TEXT = /^[\x20-\x7e]*$/;

/**
 * Return a text as it is searched: without case, accents and width, so that "lukasz" finds "Łukasz" and "ＬＵＫＡＳＺ".
 *
 * @param {string} text
 */
export function foldText(text) {
  if (PLAIN_TEXT.test(text)) return text.toLowerCase();
  return text
    .normalize("NFKD")
    .replace(MARKS, "")
    .toLowerCase()
    .replace(LETTERS, (letter) => PLAIN_LETTERS.get(letter) ?? letter);
}

/**
 * Return the words of a search, folded.
 *
 * @param {string} search
 */
export function searchTerms(search) {
  return foldText(search).split(/\s+/u).filter(Boolean);
}

/**
 * Return whether each word of a search stands in one of the texts.
 *
 * @param {readonly string[]} terms As of `searchTerms`; none of them: everything is found.
 * @param {readonly string[]} texts Such as a name and an id.
 */
export function hasTerms(terms, texts) {
  if (terms.length === 0) return true;
  const text = foldText(texts.join("\n"));
  return terms.every((term) => text.includes(term));
}

/**
 * Return a text whose plain order is that of names: folded, and numbers as numbers ("Agent 9" before "Agent 10").
 *
 * @param {string} name
 */
export function orderKey(name) {
  return foldText(name).replace(/[0-9]+/g, (digits) => {
    const number = digits.replace(/^0+/, "");
    // Of two numbers the one with more digits is greater.
    return `0${String.fromCharCode(number.length)}${number}`;
  });
}
