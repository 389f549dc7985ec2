/** The dialog's texts: one file per language, loaded when it is needed. */

import english from "./en.js";

/**
 * A text with `{names}` in it, or one text per plural form of the language, selected by the parameter `count`.
 *
 * @typedef {string | Readonly<Partial<Record<Intl.LDMLPluralRule, string>>>} Message
 */

/** @typedef {Readonly<Record<string, Message>>} Section */

/**
 * The export of a language's file.
 *
 * @typedef {object} Locale
 * @property {string} language Its code, as in `lang`.
 * @property {readonly string[]} ordinals First, second, third...
 * @property {Readonly<Record<string, Section>>} sections
 */

/** @typedef {Readonly<Record<string, string | number>>} Parameters */

/** The texts of one language, and its format of numbers and times. */
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
    // Four digits are grouped too: "10.000" and "9999" side by side would not look alike.
    this.#number = new Intl.NumberFormat(tag, { useGrouping: "always" });
    this.#clock = new Intl.DateTimeFormat(tag, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  }

  /** The code of the language that these texts are in. */
  get language() {
    return this.#locale.language;
  }

  /**
   * Return a text with its parameters. They may contain anything that a user typed: show the result as text only.
   *
   * @param {string} key A section and a name, such as `dialog.transfer`.
   * @param {Parameters} [parameters] Numbers get the format of the language.
   * @param {string} [otherwise] The text where there is none of this key: a key of a word that a newer router may send.
   */
  say(key, parameters = {}, otherwise) {
    const message = find(this.#locale, key) ?? find(english, key) ?? otherwise;
    if (message === undefined) throw new RangeError(`there is no text ${key}`);
    const form = typeof message === "string" ? message : this.#form(message, Number(parameters.count));
    return form.replace(/\{(\w+)\}/g, (whole, name) => {
      const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
      return typeof value === "number" ? this.number(value) : isolated(value ?? whole);
    });
  }

  /**
   * Return a number in the format of the language: 10,000 or 10.000.
   *
   * @param {number} value
   */
  number(value) {
    return this.#number.format(value);
  }

  /**
   * Return an ordinal in words: third.
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

/** Right-to-left letters, and the control characters of text direction. */
const BIDIRECTIONAL =
  /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * Isolate a text of another direction from the sentence around it.
 *
 * @param {string} text
 */
function isolated(text) {
  // Isolates in the text would close this one early, or keep it open.
  return BIDIRECTIONAL.test(text) ? `\u2068${text.replace(/[\u2066-\u2069]/g, "")}\u2069` : text;
}

/** English, which needs no loading. */
export const ENGLISH = new Words(english);

/**
 * Load the words of a language.
 *
 * @param {string} tag A language tag, such as `pt-BR`. Its language selects the file.
 * @param {(language: string) => Promise<Readonly<Record<string, Section>>>} [loadSections] Loads further sections, those
 *   of a page that shares these words.
 * @returns {Promise<Words>} English if there is no file for the language.
 */
export async function loadWords(tag, loadSections = async () => ({})) {
  const language = /^[a-z]{2,3}(?=-|$)/i.exec(tag)?.[0].toLowerCase() ?? "en";
  try {
    return await load(language, regional(tag, language), loadSections);
  } catch {
    // No such file, or no connection to load it.
    return load("en", "en", loadSections);
  }
}

/**
 * @param {string} language
 * @param {string} tag
 * @param {(language: string) => Promise<Readonly<Record<string, Section>>>} loadSections
 */
async function load(language, tag, loadSections) {
  const [{ default: locale }, sections] = await Promise.all([
    import(`./${language}.js`),
    loadSections(language),
  ]);
  return new Words({ ...locale, sections: { ...locale.sections, ...sections } }, tag);
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
