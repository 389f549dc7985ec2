/** The preferences, stored in this browser. */

import { browserStore } from "../../dialog/storage.js";

/** @typedef {"language" | "theme" | "sound" | "notifications"} Preference */

/** Emits `change`. */
class Preferences extends EventTarget {
  /**
   * @param {Preference} name
   * @returns {string | null}
   */
  get(name) {
    return browserStore.get(name);
  }

  /**
   * @param {Preference} name
   * @param {string | null} value Null for the default of the browser or the system.
   */
  set(name, value) {
    if (value === null) browserStore.remove(name);
    else browserStore.set(name, value);
    this.dispatchEvent(new Event("change"));
  }
}

export const preferences = new Preferences();
