/** The sources of the console's token: the link's fragment, this tab, the embedding page, a pasted text. */

import { loadSettings } from "./settings.js";
import { tabStore } from "../../dialog/storage.js";

const NAME = "token";
// How long the embedding page has for a fresh token; then the last one is used again.
const EMBEDDER_ANSWER_MS = 10_000;

/**
 * Return the token in a pasted text: a token, or a whole link with `#token=`.
 *
 * @param {string} text
 * @returns {string | null} Null if the text contains none.
 */
export function tokenIn(text) {
  const trimmed = text.trim();
  const token = new URLSearchParams(trimmed.slice(trimmed.indexOf("#") + 1)).get("token") ?? trimmed;
  return /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(token) ? token : null;
}

/**
 * Return when a token expires, for the screen only: the router verifies tokens.
 *
 * @param {string} token
 * @returns {number | null} Milliseconds since the Unix epoch, or null without `exp`.
 */
export function expiryOf(token) {
  try {
    const part = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(part));
    return typeof exp === "number" ? exp * 1000 : null;
  } catch {
    return null;
  }
}

/**
 * Take the token out of the address bar, where it could be seen, bookmarked or shared.
 *
 * @returns {string | null} The token of the address, or else of this tab.
 */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given !== null) {
    history.replaceState(history.state, "", location.pathname + location.search);
    tabStore.set(NAME, given.trim());
  }
  return tabStore.get(NAME);
}

/** @param {string} token */
export function keepToken(token) {
  tabStore.set(NAME, token);
}

export function forgetToken() {
  tabStore.remove(NAME);
}

/** The page that embeds the console in a frame, and sends it tokens by `postMessage`. */
export class Embedder {
  #origins;
  /** @type {Set<(token: string) => void>} */
  #waiting = new Set();

  /**
   * @param {readonly string[]} origins Origins whose messages are accepted: those that may embed the console.
   * @param {(token: string) => void} signIn Called with each token that was not requested.
   */
  constructor(origins, signIn) {
    this.#origins = origins;
    addEventListener("message", ({ origin, source, data }) => {
      if (source !== parent || !origins.includes(origin)) return;
      if (data?.type !== "relevo.token" || typeof data.token !== "string") return;
      const waiting = [...this.#waiting];
      this.#waiting.clear();
      for (const resolve of waiting) resolve(data.token);
      if (waiting.length === 0) signIn(data.token);
    });
  }

  /** Tell the page that the console listens. */
  announceReady() {
    this.#post("relevo.ready");
  }

  /**
   * Request a fresh token.
   *
   * @returns {Promise<string | null>} Null if the page does not reply in time.
   */
  requestToken() {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(null), EMBEDDER_ANSWER_MS);
      this.#waiting.add((token) => {
        clearTimeout(timer);
        resolve(token);
      });
      this.#post("relevo.token-wanted");
    });
  }

  /** @param {string} type */
  #post(type) {
    // With a target origin: the message reaches the page only if its origin is one of these.
    for (const origin of this.#origins) parent.postMessage({ type }, origin);
  }
}

/**
 * Return the embedding page, or null if there is none.
 *
 * @param {(token: string) => void} signIn
 * @returns {Promise<Embedder | null>}
 */
export async function findEmbedder(signIn) {
  if (parent === window) return null;
  const { embedders } = await loadSettings();
  return new Embedder([location.origin, ...embedders], signIn);
}
