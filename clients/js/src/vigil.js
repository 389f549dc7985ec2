/**
 * Whether the router is still there, for a client that cannot see websocket pings.
 *
 * An agent's presence depends on nothing that a timer here does: the router pings, and the websocket itself
 * answers, also in a background tab whose timers are throttled. This is the other direction, so that a screen
 * does not call itself live on a connection that has died without a word. Time alone proves nothing: after a
 * silence the router is asked, and only a question without an answer counts.
 */
export class Vigil {
  #heardAt = 0;
  #silenceMs = Infinity;
  #askedAt = Infinity;
  #asking = false;
  #answerTimeoutMs;
  #replyWaitMs;

  /**
   * @param {number} answerTimeoutMs How long a question may be without an answer.
   * @param {number} replyWaitMs How long a command may be without a reply before the router is asked.
   */
  constructor(answerTimeoutMs, replyWaitMs) {
    this.#answerTimeoutMs = answerTimeoutMs;
    this.#replyWaitMs = replyWaitMs;
  }

  /**
   * Begin with a connection.
   *
   * @param {number} pingIntervalMs How often the router itself looks after this connection.
   * @param {number} now
   */
  begin(pingIntervalMs, now) {
    this.#silenceMs = Math.max(1000, pingIntervalMs * 1.5);
    this.heard(now);
  }

  end() {
    this.#silenceMs = Infinity;
    this.#askedAt = Infinity;
    this.#asking = false;
  }

  /**
   * Note that something came: whatever it is, the router is there.
   *
   * @param {number} now
   */
  heard(now) {
    this.#heardAt = now;
    this.#askedAt = Infinity;
    this.#asking = false;
  }

  /**
   * Have the router asked now, because the network may have changed.
   *
   * @param {number} now
   */
  doubt(now) {
    if (this.#silenceMs === Infinity || this.#askedAt !== Infinity) return;
    this.#askedAt = now;
    this.#asking = true;
  }

  /**
   * Let time pass.
   *
   * @param {number} now
   * @param {boolean} waiting Whether a command waits for its reply.
   * @returns {boolean} Whether the router is there, as far as anybody can tell.
   */
  tick(now, waiting) {
    if (now >= this.#askedAt + this.#answerTimeoutMs) return false;
    if (now >= this.#heardAt + this.#patienceMs(waiting)) this.doubt(now);
    return true;
  }

  /** Return whether to send a `ping` now. */
  takeQuestion() {
    const asking = this.#asking;
    this.#asking = false;
    return asking;
  }

  /**
   * Return when `tick` has something to do, Infinity if never.
   *
   * @param {boolean} waiting
   */
  wakeAt(waiting) {
    return this.#askedAt === Infinity
      ? this.#heardAt + this.#patienceMs(waiting)
      : this.#askedAt + this.#answerTimeoutMs;
  }

  /** @param {boolean} waiting */
  #patienceMs(waiting) {
    return waiting ? Math.min(this.#silenceMs, this.#replyWaitMs) : this.#silenceMs;
  }
}
