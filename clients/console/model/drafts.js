/** What was typed and not sent yet: it survives a reload, a lost connection and a new sign-in. */

/** @typedef {import("./storage.js").Store} Store */

/** Of one person; a shift leaves few behind. */
const DRAFTS_MAX = 100;

/**
 * A text on its way: `key` is its idempotency key from the first attempt on, so that repeating it applies it once.
 *
 * @typedef {{ text: string, key: string | null }} Draft
 */

/** As it is kept: its name, its text, its key. @typedef {[string, string, string | null]} Kept */

export class Drafts {
  #store;
  #place;

  /**
   * @param {Store} store
   * @param {string} owner Whose they are, as in `acme/ana`: another person at the same tab sees none of them.
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
   * Keep a text; a changed one is another message, and gets another key when it is sent.
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
    const fresh = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
    this.#keep(name, text, fresh);
    return fresh;
  }

  /** @param {string} name */
  done(name) {
    this.#keep(name, "", null);
  }

  /** @returns {Kept[]} The one that was touched last is the last. */
  #all() {
    return JSON.parse(this.#store.get(this.#place) ?? "[]");
  }

  /**
   * Keep a draft, without a text or key none; the one untouched for longest goes when there are too many.
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
