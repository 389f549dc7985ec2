/** Small marks that stand everywhere: a status, a load, a state, an age. Each in words, and not by colour alone. */

import { el, setAttribute, setText } from "./dom.js";
import { say, sayAge, sayNumber, sayShared, sayTime } from "./words.js";

/** @typedef {import("../../js/src/index.js").Agent} Agent */
/** @typedef {import("../../js/src/index.js").Session} Session */

/** From here on a wait is shown as one that somebody should end. */
export const LONG_WAIT_MS = 5 * 60_000;

/**
 * Say how ready an agent is, as the dialog does.
 *
 * @param {Agent} agent
 * @returns {"available" | "at_capacity" | "pre_pause" | "pause" | "disconnected"}
 */
export function readiness({ status, available }) {
  if (status !== "connected") return status;
  return available ? "available" : "at_capacity";
}

/** Make a mark of an agent's status. */
export function statusMark() {
  const dot = el("span", { class: "dot", "aria-hidden": "true" });
  const text = el("span");
  const mark = el("span", { class: "status-mark" }, dot, text);
  return Object.assign(mark, {
    /** @param {Agent} agent */
    update(agent) {
      const ready = readiness(agent);
      setAttribute(dot, "data-look", ready);
      setText(text, sayShared(ready));
    },
  });
}

/** Make a bar of an agent's load, with `load/capacity` as text. */
export function loadBar() {
  const text = el("span", { class: "load-text" });
  const bar = el("span", { class: "load-bar", "aria-hidden": "true" }, el("span"));
  const filled = /** @type {HTMLElement} */ (bar.firstChild);
  const mark = el("span", { class: "load", role: "img" }, text, bar);
  return Object.assign(mark, {
    /** @param {Agent} agent */
    update({ load, capacity }) {
      setText(text, `${sayNumber(load)}/${sayNumber(capacity)}`);
      setAttribute(mark, "aria-label", say("load", { load, capacity }));
      setAttribute(mark, "title", say("load", { load, capacity }));
      setAttribute(bar, "data-full", load >= capacity);
      const width = `${Math.min(100, capacity === 0 ? 100 : (load / capacity) * 100)}%`;
      if (filled.style.width !== width) filled.style.width = width;
    },
  });
}

/** Make a mark of a conversation's state. */
export function stateMark() {
  const mark = el("span", { class: "chip" });
  return Object.assign(mark, {
    /** @param {Session} session */
    update({ state }) {
      setAttribute(mark, "data-state", state);
      setText(mark, say(`state_${state}`));
    },
  });
}

/** Make a mark of how long something has lasted; the moment it began is in its title. */
export function ageMark() {
  const mark = el("time", { class: "age" });
  return Object.assign(mark, {
    /**
     * @param {number} at
     * @param {number} now
     */
    update(at, now) {
      setText(mark, sayAge(now - at));
      setAttribute(mark, "datetime", new Date(at).toISOString());
      setAttribute(mark, "title", sayTime(at));
    },
  });
}
