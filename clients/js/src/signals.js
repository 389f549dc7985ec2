/** What a page or an app knows about its network and its place on the screen. */

/**
 * What a client listens to. Every method is called at any time, and any number of times.
 *
 * @typedef {object} SignalListener
 * @property {() => void} wake Something is better than before: in sight again, on line again, out of sleep.
 * @property {(online: boolean) => void} online Whether there is a network at all.
 */

/**
 * Tell a listener what happens, until the function that is returned is called.
 *
 * @typedef {(listener: SignalListener) => () => void} Signals
 */

/**
 * @typedef {object} EventSource
 * @property {(type: string, listener: () => void) => void} [addEventListener]
 * @property {(type: string, listener: () => void) => void} [removeEventListener]
 */

/**
 * @typedef {EventSource & {
 *   document?: EventSource & { visibilityState?: string },
 *   navigator?: { onLine?: boolean },
 * }} Page
 */

/**
 * Listen to the page that this runs in. Where there is none (Node, React Native) nothing is ever told.
 *
 * @param {Page} page
 * @returns {Signals}
 */
export function pageSignals(page = /** @type {Page} */ (globalThis)) {
  return (listener) => {
    const { document } = page;
    /** @type {[EventSource | undefined, string, () => void][]} */
    const wanted = [
      [page, "online", () => listener.online(true)],
      [page, "offline", () => listener.online(false)],
      [page, "pageshow", () => listener.wake()],
      [document, "resume", () => listener.wake()],
      [document, "visibilitychange", () => document?.visibilityState === "visible" && listener.wake()],
    ];
    for (const [source, type, tell] of wanted) source?.addEventListener?.(type, tell);
    if (page.navigator?.onLine === false) listener.online(false);
    return () => {
      for (const [source, type, tell] of wanted) source?.removeEventListener?.(type, tell);
    };
  };
}
