/** What the small charts show: the last half hour, minute by minute, as far as this screen has seen it. */

const MINUTE_MS = 60_000;
const MINUTES = 30;

/**
 * @typedef {object} Beat One minute.
 * @property {number} at When it began.
 * @property {number} transfers
 * @property {number} waiting The most that waited at once, in pending lists and queues.
 * @property {number} inProgress The most that were in progress at once.
 * @property {number} available The fewest agents that were available at once.
 * @property {boolean} seen Whether this screen was there.
 */

export class Pulse {
  /** @type {Map<number, Beat>} */
  #beats = new Map();
  /** The transfers counted, so that one that is told twice counts once. @type {Map<string, number>} */
  #transfers = new Map();

  /**
   * Count a transfer.
   *
   * @param {string} id
   * @param {number} at
   */
  transferred(id, at) {
    if (this.#transfers.has(id)) return;
    this.#transfers.set(id, at);
    this.#beat(at).transfers += 1;
  }

  /**
   * Take note of the present state.
   *
   * @param {number} now
   * @param {{ waiting: number, inProgress: number, available: number }} state
   */
  sample(now, { waiting, inProgress, available }) {
    const beat = this.#beat(now);
    beat.waiting = beat.seen ? Math.max(beat.waiting, waiting) : waiting;
    beat.inProgress = beat.seen ? Math.max(beat.inProgress, inProgress) : inProgress;
    beat.available = beat.seen ? Math.min(beat.available, available) : available;
    beat.seen = true;
    const oldest = this.#minute(now) - MINUTES * MINUTE_MS;
    for (const at of this.#beats.keys()) if (at < oldest) this.#beats.delete(at);
    for (const [id, at] of this.#transfers) if (at < oldest) this.#transfers.delete(id);
  }

  /**
   * Return the last minutes, the present one last; those before the screen was there are not `seen`.
   *
   * @param {number} now
   * @returns {Beat[]}
   */
  minutes(now) {
    const last = this.#minute(now);
    return Array.from({ length: MINUTES }, (_, index) => {
      const at = last - (MINUTES - 1 - index) * MINUTE_MS;
      return this.#beats.get(at) ?? emptyBeat(at);
    });
  }

  /** @param {number} at */
  #beat(at) {
    const minute = this.#minute(at);
    const beat = this.#beats.get(minute) ?? emptyBeat(minute);
    this.#beats.set(minute, beat);
    return beat;
  }

  /** @param {number} at */
  #minute(at) {
    return Math.floor(at / MINUTE_MS) * MINUTE_MS;
  }
}

/**
 * @param {number} at
 * @returns {Beat}
 */
function emptyBeat(at) {
  return { at, transfers: 0, waiting: 0, inProgress: 0, available: 0, seen: false };
}
