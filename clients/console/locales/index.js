/** The words of the page, in the language of the page: one file for each language, loaded when it is needed. */

import english from "./en.js";

/**
 * A text with `{names}` in it, or one text for each plural form of the language, chosen by the parameter `count`.
 *
 * @typedef {string | Readonly<Partial<Record<Intl.LDMLPluralRule, string>>>} Message
 */

/** @typedef {Readonly<Record<string, Message>>} Section */

/**
 * What a language's file exports.
 *
 * @typedef {object} Locale
 * @property {string} language Its code, as in `lang`.
 * @property {readonly string[]} ordinals First, second, third...
 * @property {Readonly<Record<string, Section>>} sections
 */

/** @typedef {Readonly<Record<string, string | number>>} Parameters */

/** The texts of one language, and its way to write numbers and times. */
export class Words {
  #locale;
  #plural;
  #number;
  #clock;

  /**
   * @param {Locale} locale
   * @param {string} [tag] The language with its region, such as `pt-BR`, for numbers and times.
   */
  constructor(locale, tag = locale.language) {
    this.#locale = locale;
    this.#plural = new Intl.PluralRules(locale.language);
    // Four digits are grouped too: next to five, "10.000" and "9999" would not look like the same thing.
    this.#number = new Intl.NumberFormat(tag, { useGrouping: "always" });
    this.#clock = new Intl.DateTimeFormat(tag, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  }

  /** The code of the language that these texts are in. */
  get language() {
    return this.#locale.language;
  }

  /**
   * Return a text with its parameters in it. They may hold anything that people typed, so show the result as text.
   *
   * @param {string} key A section and a name, such as `dialog.transfer`.
   * @param {Parameters} [parameters] Numbers are written in the way of the language.
   */
  say(key, parameters = {}) {
    const message = find(this.#locale, key) ?? find(english, key);
    if (message === undefined) throw new RangeError(`no text is called ${key}`);
    const form = typeof message === "string" ? message : this.#form(message, Number(parameters.count));
    return form.replace(/\{(\w+)\}/g, (whole, name) => {
      const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
      return typeof value === "number" ? this.number(value) : isolated(value ?? whole);
    });
  }

  /**
   * Return a number in the way of the language: 10,000 or 10.000.
   *
   * @param {number} value
   */
  number(value) {
    return this.#number.format(value);
  }

  /**
   * Return a place in a row in words: third.
   *
   * @param {number} place From 1.
   */
  ordinal(place) {
    return this.#locale.ordinals[place - 1] ?? this.say("shared.ordinal", { number: place });
  }

  /**
   * Return the time of day of a moment, to the second.
   *
   * @param {number} at Milliseconds of the epoch.
   */
  clock(at) {
    return this.#clock.format(at);
  }

  /**
   * @param {Exclude<Message, string>} forms
   * @param {number} count
   */
  #form(forms, count) {
    return forms[this.#plural.select(count)] ?? forms.other ?? "";
  }
}

/** Letters that run from right to left, and the marks that turn the direction of what follows. */
const TURNING =
  /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * Return a text for the middle of a sentence: what turns its direction turns nothing of the sentence around it.
 *
 * @param {string} text
 */
function isolated(text) {
  // Its own isolates would close this one early, or never let it close.
  return TURNING.test(text) ? `\u2068${text.replace(/[\u2066-\u2069]/g, "")}\u2069` : text;
}

/** English, which needs no loading. */
export const ENGLISH = new Words(english);

/** @type {Map<string, Promise<Locale>>} */
const loading = new Map();

/**
 * Load the words of a language.
 *
 * @param {string} tag A language tag, such as `pt-BR`. Of a tag only the language chooses the file.
 * @returns {Promise<Words>} English if there is no file for the language.
 */
export async function loadWords(tag) {
  const language = /^[a-z]{2,3}(?=-|$)/i.exec(tag)?.[0].toLowerCase();
  if (language === undefined || language === english.language) return new Words(english, regional(tag, "en"));
  const file = loading.get(language) ?? import(`./${language}.js`).then((module) => module.default);
  loading.set(language, file);
  try {
    return new Words(await file, regional(tag, language));
  } catch {
    // No such file, or no connection to fetch it by: English is better than no words, and the next page tries again.
    loading.delete(language);
    return ENGLISH;
  }
}

/**
 * @param {string} tag
 * @param {string} language
 */
function regional(tag, language) {
  try {
    return Intl.getCanonicalLocales(tag)[0] ?? language;
  } catch {
    return language;
  }
}

/**
 * @param {Locale} locale
 * @param {string} key
 * @returns {Message | undefined}
 */
function find(locale, key) {
  const dot = key.indexOf(".");
  return locale.sections[key.slice(0, dot)]?.[key.slice(dot + 1)];
}
