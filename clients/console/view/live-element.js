/** An element that listens while it is in the page, and draws at most once a frame. */
export class LiveElement extends HTMLElement {
  /** The least time between two drawings. */
  drawEveryMs = 0;
  #drawnAt = -Infinity;
  /** @type {(() => void)[]} */
  #ends = [];
  #due = false;

  connectedCallback() {
    this.begin();
    this.draw();
  }

  disconnectedCallback() {
    for (const end of this.#ends.splice(0)) end();
  }

  /** Called when it is connected: add listeners. */
  begin() {}

  /** Called to show the present state. */
  draw() {}

  /**
   * Call a function when it is disconnected.
   *
   * @param {() => void} end
   */
  ending(end) {
    this.#ends.push(end);
  }

  /**
   * @param {EventTarget} target
   * @param {string} type
   * @param {(event: any) => void} [listener] Redraws if absent.
   */
  listen(target, type, listener = () => this.redraw()) {
    target.addEventListener(type, listener);
    this.ending(() => target.removeEventListener(type, listener));
  }

  /** @param {number} everyMs */
  redrawEvery(everyMs) {
    const timer = setInterval(() => this.redraw(), everyMs);
    this.ending(() => clearInterval(timer));
  }

  /** Draw at the next frame, or `drawEveryMs` after the last drawing. */
  redraw() {
    if (this.#due) return;
    this.#due = true;
    const draw = () =>
      requestAnimationFrame((now) => {
        this.#due = false;
        this.#drawnAt = now;
        if (this.isConnected) this.draw();
      });
    const waitMs = this.#drawnAt + this.drawEveryMs - performance.now();
    if (waitMs > 0) setTimeout(draw, waitMs);
    else draw();
  }
}
