/** Where the console's token comes from: the link's fragment, this tab, the embedding page, or what is pasted. */

import { loadSettings } from "./settings.js";
import { tabStore } from "./storage.js";

const NAME = "token";
// The embedding page's own back end signs tokens; a slow one gets this long before the last token is tried again.
const EMBEDDER_ANSWER_MS = 10_000;

/**
 * Return the token in what somebody pasted: a token, or a whole link with `#token=`.
 *
 * @param {string} text
 * @returns {string | null} Null if there is none in it.
 */
export function tokenIn(text) {
  const trimmed = text.trim();
  const token = new URLSearchParams(trimmed.slice(trimmed.indexOf("#") + 1)).get("token") ?? trimmed;
  return /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(token) ? token : null;
}

/**
 * Say when a token ends, for the screen only: who may what is the router's business.
 *
 * @param {string} token
 * @returns {number | null} Milliseconds since the Unix epoch, or null if it does not say.
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
 * Take the token out of the address bar, where it would be seen, bookmarked and shared.
 *
 * @returns {string | null} The token that the address or this tab holds.
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

/** The page that shows the console in a frame, and hands it tokens by messages. */
export class Embedder {
  #origins;
  /** @type {Set<(token: string) => void>} */
  #waiting = new Set();

  /**
   * @param {readonly string[]} origins Whose messages are believed: those that the router lets show the console.
   * @param {(token: string) => void} signIn Called with each token that the page sends without being asked.
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

  /** Say that the console listens. */
  greet() {
    this.#say("relevo.ready");
  }

  /**
   * Ask for a fresh token.
   *
   * @returns {Promise<string | null>} Null if the page does not answer.
   */
  ask() {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(null), EMBEDDER_ANSWER_MS);
      this.#waiting.add((token) => {
        clearTimeout(timer);
        resolve(token);
      });
      this.#say("relevo.token-wanted");
    });
  }

  /** @param {string} type */
  #say(type) {
    // Each with its target: the message reaches the page that is there only if it is one of these.
    for (const origin of this.#origins) parent.postMessage({ type }, origin);
  }
}

/**
 * Return the embedding page, or null for a page of its own.
 *
 * @param {(token: string) => void} signIn
 * @returns {Promise<Embedder | null>}
 */
export async function findEmbedder(signIn) {
  if (parent === window) return null;
  const { embedders } = await loadSettings();
  return new Embedder([location.origin, ...embedders], signIn);
}
