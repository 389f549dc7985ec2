/** The browser's storage: preferences are permanent; the token and drafts live as long as the tab. */

/**
 * @typedef {object} Store
 * @property {(name: string) => string | null} get
 * @property {(name: string, value: string) => void} set
 * @property {(name: string) => void} remove
 */

const PREFIX = "relevo.";

/**
 * Wrap a browser's storage. If it is blocked or full, values live as long as the page.
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
    // The page works without storage.
  }
  return {
    get: (name) => own.get(name) ?? storage?.getItem(PREFIX + name) ?? null,
    set(name, value) {
      own.delete(name);
      try {
        if (storage === null) throw new TypeError("no storage");
        storage.setItem(PREFIX + name, value);
      } catch {
        // Full or blocked: keep it in memory.
        own.set(name, value);
      }
    },
    remove(name) {
      own.delete(name);
      storage?.removeItem(PREFIX + name);
    },
  };
}

/** As long as the tab: the token and the drafts. */
export const tabStore = storeOf(() => sessionStorage);

/** Permanent: language, theme, notifications. */
export const browserStore = storeOf(() => localStorage);
