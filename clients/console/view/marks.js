/** Small elements of many screens: status, load, state, age. Each in words, not by colour alone. */

import { readiness } from "../../dialog/predicted-outcome.js";
import { createElement, setAttribute, setText } from "../../dialog/dom.js";
import { say, sayAge, sayNumber, sayShared, sayTime } from "./words.js";

/** @typedef {import("../../js/src/index.js").Agent} Agent */
/** @typedef {import("../../js/src/index.js").Session} Session */

/** A conversation that waits longer is highlighted. */
export const LONG_WAIT_MS = 5 * 60_000;

/** Make a mark of an agent's status. */
export function statusMark() {
  const dot = createElement("span", { class: "dot", "aria-hidden": "true" });
  const text = createElement("span");
  const mark = createElement("span", { class: "status-mark" }, dot, text);
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
  const text = createElement("span", { class: "load-text" });
  const bar = createElement("span", { class: "load-bar", "aria-hidden": "true" }, createElement("span"));
  const filled = /** @type {HTMLElement} */ (bar.firstChild);
  const mark = createElement("span", { class: "load", role: "img" }, text, bar);
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
  const mark = createElement("span", { class: "chip" });
  return Object.assign(mark, {
    /** @param {Session} session */
    update({ state }) {
      setAttribute(mark, "data-state", state);
      setText(mark, say(`state_${state}`, {}, state));
    },
  });
}

/** Make a mark of how long something has lasted; the moment it began is in its title. */
export function ageMark() {
  const mark = createElement("time", { class: "age" });
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
