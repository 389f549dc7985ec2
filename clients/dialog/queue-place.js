/** Polls a queued session's place: the department's row only has the length of the queue. */

/** @typedef {import("../js/src/client.js").Client} Client */
/** @typedef {import("../js/src/objects.js").Department} Department */

/** The least time between two requests, however often the queue changes. */
const INTERVAL_MS_MIN = 500;
/** When one session leaves as another joins, the place changes and the department's row does not. */
const INTERVAL_MS = 3_000;

export class QueuePlace {
  #client;
  #sessionId;
  #onPlace;
  /** @type {Department | undefined} */
  #row;
  #requesting = false;
  #changed = false;
  #requestedAt = 0;
  #stopped = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {Client} client
   * @param {string} sessionId
   * @param {(place: number) => void} onPlace
   */
  constructor(client, sessionId, onPlace) {
    this.#client = client;
    this.#sessionId = sessionId;
    this.#onPlace = onPlace;
    void this.#request();
  }

  /**
   * Take the department's row; a changed one brings the next request forward.
   *
   * @param {Department | undefined} row
   */
  update(row) {
    if (row === this.#row) return;
    this.#row = row;
    if (this.#requesting) this.#changed = true;
    else this.#requestIn(Math.max(0, this.#requestedAt + INTERVAL_MS_MIN - Date.now()));
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #request() {
    this.#requesting = true;
    this.#changed = false;
    this.#requestedAt = Date.now();
    try {
      const place = await this.#client.sessions.place(this.#sessionId, { timeout: INTERVAL_MS });
      if (!this.#stopped) this.#onPlace(place);
    } catch {
      // The session is no longer queued, or there is no connection: the last place stays.
    } finally {
      this.#requesting = false;
    }
    this.#requestIn(this.#changed ? INTERVAL_MS_MIN : INTERVAL_MS);
  }

  /** @param {number} delayMs */
  #requestIn(delayMs) {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#request(), delayMs);
  }
}
