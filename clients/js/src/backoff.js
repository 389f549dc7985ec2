/** Delays between attempts. */

/**
 * Exponential delays with full jitter: anything from nothing to the doubled bound.
 *
 * Full jitter spreads the reconnections of ten thousand clients of a killed router.
 */
export class Backoff {
  /**
   * @param {object} bounds
   * @param {number} bounds.initialMs The bound of the first delay, in milliseconds.
   * @param {number} bounds.capMs The bound that doubling stops at, in milliseconds.
   */
  constructor({ initialMs, capMs }) {
    this.initialMs = initialMs;
    this.capMs = capMs;
    Object.freeze(this);
  }

  /**
   * Return the milliseconds to wait before a try.
   *
   * @param {number} attempt How many tries have failed before, from 0.
   * @param {() => number} random Returns a number in [0, 1).
   */
  delayMs(attempt, random) {
    // An unbounded exponent would end in Infinity after a long outage, and 0 times that is no delay.
    return random() * Math.min(this.capMs, this.initialMs * 2 ** Math.min(attempt, 64));
  }
}
