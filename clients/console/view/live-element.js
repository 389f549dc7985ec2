/** A part of the page that shows something that changes. */

/** Listens while it is in the page, and draws once per frame at most, however much has changed. */
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

  /** Called when it comes into the page: listen. */
  begin() {}

  /** Called to show what is so now. */
  draw() {}

  /**
   * Have a function called when it leaves the page.
   *
   * @param {() => void} end
   */
  ending(end) {
    this.#ends.push(end);
  }

  /**
   * @param {EventTarget} target
   * @param {string} type
   * @param {(event: any) => void} [listener] Draws where absent.
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

  /** Draw soon: at the next frame, or when the last drawing is long enough ago. */
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
