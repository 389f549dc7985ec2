/** Texts that were typed and not sent: they survive a reload, a lost connection and another sign-in. */

import { newKey } from "../js/src/platform.js";

/** @typedef {import("./storage.js").Store} Store */

/** Per agent. */
const DRAFTS_MAX = 100;

/**
 * A text, and its idempotency key from the first attempt to send it: repeating it applies it once.
 *
 * @typedef {{ text: string, key: string | null }} Draft
 */

/** As stored: name, text, key. @typedef {[string, string, string | null]} Kept */

export class Drafts {
  #store;
  #place;

  /**
   * @param {Store} store
   * @param {string} owner As in `acme ana` (no id has a space): another agent in the same tab sees none of them.
   */
  constructor(store, owner) {
    this.#store = store;
    this.#place = `drafts.${owner}`;
  }

  /**
   * @param {string} name Such as `note/chat-1`.
   * @returns {Draft}
   */
  get(name) {
    const [, text, key] = this.#all().find(([known]) => known === name) ?? [name, "", null];
    return { text, key };
  }

  /**
   * Store a text; a changed text gets another key when it is sent.
   *
   * @param {string} name
   * @param {string} text
   */
  type(name, text) {
    if (text !== this.get(name).text) this.#keep(name, text, null);
  }

  /**
   * Return the idempotency key to send a draft with: the same at each attempt.
   *
   * @param {string} name
   */
  keyOf(name) {
    const { text, key } = this.get(name);
    if (key !== null) return key;
    const fresh = newKey();
    this.#keep(name, text, fresh);
    return fresh;
  }

  /** @param {string} name */
  done(name) {
    this.#keep(name, "", null);
  }

  /** @returns {Kept[]} The latest last. */
  #all() {
    return JSON.parse(this.#store.get(this.#place) ?? "[]");
  }

  /**
   * Store a draft, or remove an empty one; above the limit the oldest are removed.
   *
   * @param {string} name
   * @param {string} text
   * @param {string | null} key
   */
  #keep(name, text, key) {
    const kept = this.#all().filter(([known]) => known !== name);
    if (text !== "" || key !== null) kept.push([name, text, key]);
    if (kept.length > 0) this.#store.set(this.#place, JSON.stringify(kept.slice(-DRAFTS_MAX)));
    else this.#store.remove(this.#place);
  }
}
