/**
 * The globals that browsers, Node and React Native have in common.
 *
 * The package is checked without the types of a DOM or of Node: any other global does not compile.
 */

/**
 * The part of a websocket that is used.
 *
 * @typedef {object} WebSocketLike
 * @property {string} [protocol] The subprotocol that the router chose.
 * @property {string} binaryType
 * @property {((event: any) => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 * @property {(data: any) => void} send
 * @property {(code?: number, reason?: string) => void} close
 */

/** @typedef {new (url: string, protocols: string[]) => WebSocketLike} WebSocketConstructor */

/**
 * The part of an AbortSignal that is used.
 *
 * @typedef {object} AbortSignalLike
 * @property {boolean} aborted
 * @property {any} [reason]
 * @property {(type: "abort", listener: () => void) => void} addEventListener
 * @property {(type: "abort", listener: () => void) => void} removeEventListener
 */

/** @typedef {{ signal: AbortSignalLike, abort: (reason?: unknown) => void }} AbortControllerLike */

/** @typedef {{ method: string, headers: Record<string, string>, body: string, signal?: any }} FetchOptions */
/** @typedef {{ status: number, text: () => Promise<string> }} FetchResponse */
/** @typedef {(url: string, options: FetchOptions) => Promise<FetchResponse>} FetchLike */

/**
 * Where messages for the developer go; `console` is one.
 *
 * @typedef {object} Logger
 * @property {(...values: any[]) => void} info
 * @property {(...values: any[]) => void} warn
 * @property {(...values: any[]) => void} error
 */

/**
 * @typedef {object} Platform
 * @property {WebSocketConstructor} [WebSocket]
 * @property {FetchLike} [fetch]
 * @property {(callback: () => void, delayMs: number) => unknown} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {{ now: () => number }} [performance]
 * @property {{ randomUUID?: () => string, getRandomValues?: (bytes: Uint8Array) => unknown }} [crypto]
 * @property {new () => AbortControllerLike} AbortController
 * @property {Logger} console
 * @property {{ origin: string }} [location] Of the page.
 */

export const platform = /** @type {Platform} */ (/** @type {unknown} */ (globalThis));

/** Logs warnings and errors only. @type {Logger} */
export const QUIET_LOGGER = {
  info() {},
  warn: (...values) => platform.console.warn(...values),
  error: (...values) => platform.console.error(...values),
};

/**
 * Make a clock, in milliseconds, that never runs backwards and goes on while the machine sleeps.
 *
 * `performance.now()` stands still during sleep on some systems, and `Date.now()` jumps when it is set: the
 * greater step of the two counts. A command must not be sent again once the router has forgotten its key, and
 * that is a matter of real time.
 *
 * @param {() => number} steady
 * @param {() => number} wall
 * @returns {() => number}
 */
export function makeClock(
  steady = platform.performance ? () => platform.performance?.now() ?? 0 : Date.now,
  wall = Date.now,
) {
  let lastSteady = steady();
  let lastWall = wall();
  let elapsed = 0;
  return () => {
    const nowSteady = steady();
    const nowWall = wall();
    elapsed += Math.max(0, nowSteady - lastSteady, nowWall - lastWall);
    lastSteady = nowSteady;
    lastWall = nowWall;
    return elapsed;
  };
}

/** Return an idempotency key that was never used: 32 hexadecimal digits. */
export function newKey() {
  const bytes = new Uint8Array(16);
  if (platform.crypto?.getRandomValues) {
    platform.crypto.getRandomValues(bytes);
  } else {
    // React Native has no secure random source. A key must be unique, not unguessable: it counts only together with
    // its caller's token.
    for (let index = 0; index < bytes.length; index += 1) bytes[index] = Math.floor(Math.random() * 256);
  }
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
