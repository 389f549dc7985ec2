/** What is kept in the browser: preferences for good, a token and drafts as long as the tab. */

/**
 * @typedef {object} Store
 * @property {(name: string) => string | null} get
 * @property {(name: string, value: string) => void} set
 * @property {(name: string) => void} remove
 */

const PREFIX = "relevo.";

/**
 * Wrap a browser's storage. Where it is forbidden or full, what is set lives as long as the page.
 *
 * @param {() => Storage} find Reading the property itself may throw, in a frame whose storage is blocked.
 * @returns {Store}
 */
export function storeOf(find) {
  /** @type {Map<string, string>} */
  const own = new Map();
  /** @type {Storage | null} */
  let storage = null;
  try {
    storage = find();
  } catch {
    // A page without storage works; it forgets at its end.
  }
  return {
    get: (name) => own.get(name) ?? storage?.getItem(PREFIX + name) ?? null,
    set(name, value) {
      own.delete(name);
      try {
        if (storage === null) throw new TypeError("no storage");
        storage.setItem(PREFIX + name, value);
      } catch {
        // Full or blocked: this page remembers it all the same.
        own.set(name, value);
      }
    },
    remove(name) {
      own.delete(name);
      storage?.removeItem(PREFIX + name);
    },
  };
}

/** As long as the tab: the token, and what was typed and not sent. */
export const tabStore = storeOf(() => sessionStorage);

/** For good: language, theme, notifications. */
export const browserStore = storeOf(() => localStorage);
