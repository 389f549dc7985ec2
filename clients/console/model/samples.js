/** The samples of the dashboard's charts: the last half hour by the minute, as far as this page was open. */

const MINUTE_MS = 60_000;
const MINUTES = 30;

/**
 * @typedef {object} MinuteSample
 * @property {number} at The start of the minute.
 * @property {number} transfers
 * @property {number} waiting The maximum of pending and queued conversations.
 * @property {number} inProgress The maximum of conversations in progress.
 * @property {number} available The minimum of available agents.
 * @property {boolean} sampled Whether this page was open.
 */

export class Samples {
  /** @type {Map<number, MinuteSample>} */
  #byMinute = new Map();
  /** The transfers counted, so that a repeated push counts once. @type {Map<string, number>} */
  #transfers = new Map();

  /**
   * Count a transfer.
   *
   * @param {string} id
   * @param {number} at
   */
  addTransfer(id, at) {
    if (this.#transfers.has(id)) return;
    this.#transfers.set(id, at);
    this.#sampleOf(at).transfers += 1;
  }

  /**
   * Add a sample of the present state.
   *
   * @param {number} now
   * @param {{ waiting: number, inProgress: number, available: number }} state
   */
  add(now, { waiting, inProgress, available }) {
    const sample = this.#sampleOf(now);
    sample.waiting = sample.sampled ? Math.max(sample.waiting, waiting) : waiting;
    sample.inProgress = sample.sampled ? Math.max(sample.inProgress, inProgress) : inProgress;
    sample.available = sample.sampled ? Math.min(sample.available, available) : available;
    sample.sampled = true;
    const oldest = minuteOf(now) - MINUTES * MINUTE_MS;
    for (const at of this.#byMinute.keys()) if (at < oldest) this.#byMinute.delete(at);
    for (const [id, at] of this.#transfers) if (at < oldest) this.#transfers.delete(id);
  }

  /**
   * Return the last half hour, the present minute last; minutes before the page was opened are not `sampled`.
   *
   * @param {number} now
   * @returns {MinuteSample[]}
   */
  minutes(now) {
    const last = minuteOf(now);
    return Array.from({ length: MINUTES }, (_, index) => {
      const at = last - (MINUTES - 1 - index) * MINUTE_MS;
      return this.#byMinute.get(at) ?? emptySample(at);
    });
  }

  /** @param {number} at */
  #sampleOf(at) {
    const minute = minuteOf(at);
    const sample = this.#byMinute.get(minute) ?? emptySample(minute);
    this.#byMinute.set(minute, sample);
    return sample;
  }
}

/** @param {number} at */
function minuteOf(at) {
  return Math.floor(at / MINUTE_MS) * MINUTE_MS;
}

/**
 * @param {number} at
 * @returns {MinuteSample}
 */
function emptySample(at) {
  return { at, transfers: 0, waiting: 0, inProgress: 0, available: 0, sampled: false };
}
