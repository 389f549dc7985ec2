/** Reasons that were typed and not sent yet, by conversation. */

const DRAFTS_MAX = 100;

export class Drafts {
  /** @type {Map<string, string>} */
  #texts = new Map();

  /**
   * Return what was typed for a conversation.
   *
   * @param {string} sessionId
   */
  of(sessionId) {
    return this.#texts.get(sessionId) ?? "";
  }

  /**
   * Keep what is typed for a conversation; the one untouched for longest goes when there are too many.
   *
   * @param {string} sessionId
   * @param {string} text
   */
  keep(sessionId, text) {
    this.#texts.delete(sessionId);
    if (text === "") return;
    this.#texts.set(sessionId, text);
    const [oldest] = this.#texts.keys();
    if (this.#texts.size > DRAFTS_MAX && oldest !== undefined) this.#texts.delete(oldest);
  }
}
