/** The texts of the console, in the page's language. */

import { loadWords } from "../../dialog/locales/index.js";
import english from "../locales/en.js";
import { preferences } from "../model/preferences.js";
import { loadSettings } from "../model/settings.js";

/** @type {Awaited<ReturnType<typeof loadWords>>} */
let words;
let region = "en";
/** @type {readonly string[]} */
let languages = [];

/** Load the language of the preferences, or else the first of the browser's languages that has a file. */
export async function chooseWords() {
  ({ languages } = await loadSettings());
  const chosen = [preferences.get("language"), ...navigator.languages.map(primary)];
  const code = chosen.find((one) => one !== null && languages.includes(one)) ?? "en";
  // The region decides the format of numbers and times: 17:05 or 5:05 pm.
  region = navigator.languages.find((tag) => primary(tag) === code) ?? code;
  words = await loadWords(region, loadConsoleTexts);
  // With the region, so that the dialog uses the same format.
  document.documentElement.lang = region;
}

/** @param {string} language */
async function loadConsoleTexts(language) {
  // English needs no connection: it stands in for a language that cannot be loaded.
  const texts = language === "en" ? english : (await import(`../locales/${language}.js`)).default;
  return { console: texts };
}

/** Return the code of the present language. */
export function languageShown() {
  return words.language;
}

/**
 * Return the languages, each with its name in that language.
 *
 * @returns {[string, string][]}
 */
export function languageNames() {
  return languages.map((code) => {
    const name = new Intl.DisplayNames([code], { type: "language" }).of(code) ?? code;
    return [code, name.charAt(0).toLocaleUpperCase(code) + name.slice(1)];
  });
}

/** @param {string} tag */
function primary(tag) {
  return tag.split("-")[0] ?? tag;
}

/**
 * Say something of the section `console`.
 *
 * @param {string} name
 * @param {Record<string, string | number>} [values]
 * @param {string} [otherwise] The text where there is none of this name: a name of a word that a newer router may send.
 */
export function say(name, values, otherwise) {
  return words.say(`console.${name}`, values, otherwise);
}

/**
 * Say something that all parts have in common.
 *
 * @param {string} name
 */
export function sayShared(name) {
  return words.say(`shared.${name}`);
}

/** @param {import("../../js/src/index.js").Status} status */
export function sayStatus(status) {
  return sayShared(status === "connected" ? "available" : status);
}

/**
 * Say which status others, or the system, gave the agent, and why.
 *
 * @param {{ status: import("../../js/src/index.js").Status, by: { name: string } | null, reason: string | null }} change
 */
export function sayStatusChange({ status, by, reason }) {
  const values = { status: sayStatus(status), name: by?.name ?? "", reason: reason ?? "" };
  if (by === null) return say(`status_by_system_${reason}`, values, say("status_by_system", values));
  return say(reason === null ? "status_by" : "status_by_because", values);
}

/** @param {number} value */
export function sayNumber(value) {
  return words.number(value);
}

/**
 * Say how long something has lasted: two units at most, as in `1 h 5 min`.
 *
 * @param {number} milliseconds
 */
export function sayAge(milliseconds) {
  // A number stays with its unit at the end of a line.
  return ageIn(Math.max(0, Math.floor(milliseconds / 1000))).replaceAll(" ", "\u00a0");
}

/** @param {number} seconds */
function ageIn(seconds) {
  if (seconds < 60) return say("age_seconds", { count: seconds });
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return say("age_minutes", { count: minutes });
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return say("age_hours", { hours, minutes: minutes % 60 });
  return say("age_days", { days: Math.floor(hours / 24), hours: hours % 24 });
}

/**
 * Say a time of the day, with the date if it is another day's.
 *
 * @param {number} at
 */
export function sayTime(at) {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  /** @type {Intl.DateTimeFormatOptions} */
  const day = today ? {} : { day: "numeric", month: "short" };
  return date.toLocaleString(region, { ...day, hour: "2-digit", minute: "2-digit" });
}
