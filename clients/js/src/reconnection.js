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
   * Without a network, attempts go on at their slowest: a machine that calls itself offline may still reach a
   * router in its own building.
   *
   * @param {number} now
   */
  failed(now) {
    this.at = now + this.#backoff.delayMs(this.#online ? this.attempts : Infinity, this.#random);
    this.attempts += 1;
  }

  /** Start the delays anew. */
  succeeded() {
    this.attempts = 0;
  }

  /**
   * Do soon what would wait.
   *
   * @param {number} now
   */
  hurry(now) {
    this.attempts = 0;
    // Still spread: a whole office comes back on line in one moment.
    this.at = Math.min(this.at, now + this.#backoff.delayMs(0, this.#random));
  }

  /**
   * Note whether the machine believes to have a network.
   *
   * @param {boolean} online
   */
  setOnline(online) {
    this.#online = online;
  }
}
