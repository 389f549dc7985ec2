/** What was typed and not sent yet: it survives a reload, a lost connection and a new sign-in. */

/** @typedef {import("./storage.js").Store} Store */

/**
 * A text on its way: `key` is its idempotency key from the first attempt on, so that repeating it applies it once.
 *
 * @typedef {{ text: string, key: string | null }} Draft
 */

export class Drafts {
  #store;
  #owner;

  /**
   * @param {Store} store
   * @param {string} owner Whose they are, as in `acme/ana`: another person at the same tab sees none of them.
   */
  constructor(store, owner) {
    this.#store = store;
    this.#owner = owner;
  }

  /**
   * @param {string} name Such as `note/chat-1`.
   * @returns {Draft}
   */
  get(name) {
    const kept = this.#store.get(this.#place(name));
    if (kept === null) return { text: "", key: null };
    const [text, key] = JSON.parse(kept);
    return { text, key };
  }

  /**
   * Keep a text; a changed one is another message, and gets another key when it is sent.
   *
   * @param {string} name
   * @param {string} text
   */
  type(name, text) {
    if (text === "") this.#store.remove(this.#place(name));
    else if (text !== this.get(name).text) this.#keep(name, text, null);
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
    this.#store.remove(this.#place(name));
  }

  /** @param {string} name @param {string} text @param {string | null} key */
  #keep(name, text, key) {
    this.#store.set(this.#place(name), JSON.stringify([text, key]));
  }

  /** @param {string} name */
  #place(name) {
    return `draft.${this.#owner}.${name}`;
  }
}
