/**
 * The heartbeat towards the router, for a client that cannot see websocket pings.
 *
 * An agent's presence does not depend on these timers: the router pings, and the websocket itself replies, also in a
 * background tab with throttled timers. This is the other direction: a screen must not stay live on a half-open
 * connection. Time alone proves nothing. After a silence the client sends a `ping`, and only a `ping` without a reply
 * ends the connection.
 */
export class Heartbeat {
  #receivedAt = 0;
  #silenceMs = Infinity;
  #pingedAt = Infinity;
  #pingDue = false;
  #answerTimeoutMs;
  #replyWaitMs;

  /**
   * @param {number} answerTimeoutMs How long a `ping` may be without a reply.
   * @param {number} replyWaitMs How long a command may be without a reply before a `ping` is sent.
   */
  constructor(answerTimeoutMs, replyWaitMs) {
    this.#answerTimeoutMs = answerTimeoutMs;
    this.#replyWaitMs = replyWaitMs;
  }

  /**
   * Start with a connection.
   *
   * @param {number} pingIntervalMs The interval of the router's own pings.
   * @param {number} now
   */
  start(pingIntervalMs, now) {
    this.#silenceMs = Math.max(1000, pingIntervalMs * 1.5);
    this.received(now);
  }

  stop() {
    this.#silenceMs = Infinity;
    this.#pingedAt = Infinity;
    this.#pingDue = false;
  }

  /**
   * Note a message: any message shows that the router is alive.
   *
   * @param {number} now
   */
  received(now) {
    this.#receivedAt = now;
    this.#pingedAt = Infinity;
    this.#pingDue = false;
  }

  /**
   * Send a `ping` now, because the network may have changed.
   *
   * @param {number} now
   */
  probe(now) {
    if (this.#silenceMs === Infinity || this.#pingedAt !== Infinity) return;
    this.#pingedAt = now;
    this.#pingDue = true;
  }

  /**
   * Check the silence and the outstanding `ping`.
   *
   * @param {number} now
   * @param {boolean} waiting Whether a command waits for its reply.
   * @returns {boolean} False if the connection is dead.
   */
  tick(now, waiting) {
    if (now >= this.#pingedAt + this.#answerTimeoutMs) return false;
    if (now >= this.#receivedAt + this.#silenceMsMax(waiting)) this.probe(now);
    return true;
  }

  /** Return whether to send a `ping` now. */
  takePing() {
    const due = this.#pingDue;
    this.#pingDue = false;
    return due;
  }

  /**
   * Return when `tick` has something to do, Infinity if never.
   *
   * @param {boolean} waiting
   */
  wakeAt(waiting) {
    return this.#pingedAt === Infinity
      ? this.#receivedAt + this.#silenceMsMax(waiting)
      : this.#pingedAt + this.#answerTimeoutMs;
  }

  /** @param {boolean} waiting */
  #silenceMsMax(waiting) {
    return waiting ? Math.min(this.#silenceMs, this.#replyWaitMs) : this.#silenceMs;
  }
}
