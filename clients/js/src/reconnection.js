/** When the next connection attempt starts. */
export class Reconnection {
  at = 0;
  /** How many attempts have failed in a row. */
  attempts = 0;
  #online = true;
  #backoff;
  #random;

  /**
   * @param {import("./backoff.js").Backoff} backoff
   * @param {() => number} random
   */
  constructor(backoff, random) {
    this.#backoff = backoff;
    this.#random = random;
  }

  /**
   * Plan the next attempt after a failed one, or after a lost connection.
   *
   * Without a network, attempts go on at the longest delay: a machine that reports itself offline may still reach a
   * router in its own building.
   *
   * @param {number} now
   */
  failed(now) {
    this.at = now + this.#backoff.delayMs(this.#online ? this.attempts : Infinity, this.#random);
    this.attempts += 1;
  }

  /** Reset the delays. */
  succeeded() {
    this.attempts = 0;
  }

  /**
   * Bring the next attempt forward.
   *
   * @param {number} now
   */
  hurry(now) {
    this.attempts = 0;
    // Still with jitter: a whole site may come back online at once.
    this.at = Math.min(this.at, now + this.#backoff.delayMs(0, this.#random));
  }

  /**
   * Note whether the machine has a network.
   *
   * @param {boolean} online
   */
  setOnline(online) {
    this.#online = online;
  }
}
