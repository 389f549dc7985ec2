/** Where a queued conversation stands: asked of the router, as the length of the queue only says how many wait. */

/** @typedef {import("../js/src/client.js").Client} Client */
/** @typedef {import("../js/src/objects.js").Department} Department */

/** The least time between two questions, however often the queue changes. */
const PAUSE_MS = 500;
/** One that leaves as another joins changes the place, and not the department's row. */
const AGAIN_MS = 3_000;

export class QueuePlace {
  #client;
  #sessionId;
  #told;
  /** @type {Department | undefined} */
  #row;
  #asking = false;
  #changed = false;
  #askedAt = 0;
  #ended = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {Client} client
   * @param {string} sessionId
   * @param {(place: number) => void} told
   */
  constructor(client, sessionId, told) {
    this.#client = client;
    this.#sessionId = sessionId;
    this.#told = told;
    void this.#ask();
  }

  /**
   * Take the row of the department; another one than before is a reason to ask again.
   *
   * @param {Department | undefined} row
   */
  follow(row) {
    if (row === this.#row) return;
    this.#row = row;
    if (this.#asking) this.#changed = true;
    else this.#askIn(Math.max(0, this.#askedAt + PAUSE_MS - Date.now()));
  }

  /** Ask no more. */
  end() {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  async #ask() {
    this.#asking = true;
    this.#changed = false;
    this.#askedAt = Date.now();
    try {
      const place = await this.#client.placeInQueue(this.#sessionId, { timeoutMs: AGAIN_MS });
      if (!this.#ended) this.#told(place);
    } catch {
      // It waits no longer, which the router tells by itself, or there is no connection: the last place stays.
    } finally {
      this.#asking = false;
    }
    this.#askIn(this.#changed ? PAUSE_MS : AGAIN_MS);
  }

  /** @param {number} delayMs */
  #askIn(delayMs) {
    clearTimeout(this.#timer);
    if (!this.#ended) this.#timer = setTimeout(() => void this.#ask(), delayMs);
  }
}
