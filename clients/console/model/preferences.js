/** What the reader prefers, kept in this browser. */

import { browserStore } from "./storage.js";

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
   * @param {string | null} value Null for what the browser or the system prefers.
   */
  set(name, value) {
    if (value === null) browserStore.remove(name);
    else browserStore.set(name, value);
    this.dispatchEvent(new Event("change"));
  }
}

export const preferences = new Preferences();
