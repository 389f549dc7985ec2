/** The console's settings, from the router. */

/**
 * @typedef {object} Settings
 * @property {readonly string[]} embedders Origins whose pages may show the console and sign in to it.
 * @property {readonly string[]} languages Codes of the languages with a file.
 */

/** Used while the router cannot be reached. @type {Settings} */
const NONE = { embedders: [], languages: ["en"] };

/** @type {Promise<Settings> | undefined} */
let loading;

/**
 * Load the settings, once.
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
