/** The page lifecycle: visibility, freezing, and the network state, as the browser or an app reports them. */

/**
 * Called by a source of lifecycle events, at any time and any number of times.
 *
 * @typedef {object} SignalListener
 * @property {() => void} wake The page is visible or online again, or the machine woke up.
 * @property {(online: boolean) => void} online Whether there is a network.
 */

/**
 * Call a listener at each event, until the returned function is called.
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
 * Listen to the page that this runs in. Without a page (Node, React Native) there are no events.
 *
 * @param {Page} page
 * @returns {Signals}
 */
export function pageSignals(page = /** @type {Page} */ (globalThis)) {
  return (listener) => {
    const { document } = page;
    /** @type {[EventSource | undefined, string, () => void][]} */
    const handlers = [
      [page, "online", () => listener.online(true)],
      [page, "offline", () => listener.online(false)],
      [page, "pageshow", () => listener.wake()],
      [document, "resume", () => listener.wake()],
      [document, "visibilitychange", () => document?.visibilityState === "visible" && listener.wake()],
    ];
    for (const [source, type, call] of handlers) source?.addEventListener?.(type, call);
    if (page.navigator?.onLine === false) listener.online(false);
    return () => {
      for (const [source, type, call] of handlers) source?.removeEventListener?.(type, call);
    };
  };
}
