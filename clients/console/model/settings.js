/** What the router tells its console. */

/**
 * @typedef {object} Settings
 * @property {readonly string[]} embedders Origins whose pages may show the console and sign in to it.
 * @property {readonly string[]} languages Codes of the languages that there are words for.
 */

/** Where the router is away, the page says so, in English; and asks again when it is loaded anew. @type {Settings} */
const NONE = { embedders: [], languages: ["en"] };

/** @type {Promise<Settings> | undefined} */
let loading;

/**
 * Ask for the settings, once.
 *
 * @returns {Promise<Settings>}
 */
export function loadSettings() {
  return (loading ??= ask());
}

async function ask() {
  try {
    const answer = await fetch(new URL("console/settings.json", document.baseURI));
    return { ...NONE, ...(await answer.json()) };
  } catch {
    return NONE;
  }
}
