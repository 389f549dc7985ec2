/** The source of tokens: a string, or a function that returns fresh ones. */

/** @typedef {string | (() => string | Promise<string>)} TokenSource */

/** Give out a token. */
export class Tokens {
  /** @type {TokenSource} */
  #source;

  /** @param {TokenSource} source A token, or a function, plain or async, that returns a fresh one. */
  constructor(source) {
    this.#source = source;
  }

  /** Whether another call may give another token. */
  get renewable() {
    return typeof this.#source === "function";
  }

  /**
   * Use another token from now on, in place of one that was given as a string.
   *
   * @param {string} token
   */
  replace(token) {
    if (!this.renewable) this.#source = token;
  }

  /**
   * Return a token; throws whatever the source throws.
   *
   * @returns {Promise<string>}
   */
  async fresh() {
    const token = typeof this.#source === "function" ? await this.#source() : this.#source;
    if (typeof token !== "string")
      throw new TypeError(`the token source returned ${typeof token}, not a string`);
    return token;
  }
}
