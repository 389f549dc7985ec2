/** Who is chosen, and what the directory says of it at this moment. */

import { forecast, nearest, tellForecast } from "./forecast.js";

/** @typedef {import("../js/src/objects.js").Agent} Agent */
/** @typedef {import("../js/src/objects.js").Owner} Owner */
/** @typedef {import("../js/src/objects.js").Target} Target */
/** @typedef {import("../console/locales/index.js").Words} Words */
/** @typedef {import("./forecast.js").Forecast} Forecast */
/** @typedef {import("./forecast.js").Rows} Rows */

/** @typedef {import("./outcome.js").Action} Action */

/**
 * What the lower part of the dialog shows while the choice is open.
 *
 * @typedef {object} Composing
 * @property {string} text What the choice will lead to.
 * @property {"good" | "waiting" | "bad" | "neutral"} tone
 * @property {readonly Agent[]} nearest Who could have it at once instead.
 * @property {Action} action What the main button does.
 * @property {string} label Of the main button.
 * @property {boolean} ready Whether there is something to press it for.
 * @property {boolean} busy Whether it has been pressed.
 */

export class Choice {
  #name;
  #wasAvailable;
  /** Whether it is settled, and only the reason is left: an agent is by being chosen, a department by *Select*. */
  selected;

  /**
   * @param {Target} target
   * @param {Rows} rows
   */
  constructor({ kind, id }, rows) {
    /** @type {Target} */
    this.target = { kind, id };
    const agent = kind === "agent" ? rows.agents.get(id) : undefined;
    this.#wasAvailable = agent?.available === true;
    this.#name = this.#row(rows)?.name ?? id;
    this.selected = kind === "agent";
  }

  /**
   * Return what a transfer to it will lead to.
   *
   * @param {Rows} rows
   * @param {Owner | null} owner Who has the conversation.
   */
  foresee(rows, owner) {
    return forecast(this.target, rows, owner);
  }

  /**
   * Say what a transfer to it will lead to.
   *
   * @param {Forecast} foreseen
   * @param {Rows} rows
   * @param {Words} words
   */
  tell(foreseen, rows, words) {
    // One who is gone is still called as before.
    this.#name = this.#row(rows)?.name ?? this.#name;
    const name = this.#name;
    const told = tellForecast(foreseen, { ...this.target, name, wasAvailable: this.#wasAvailable }, words);
    if (!this.selected || this.target.kind === "agent" || foreseen.outcome === "gone") return told;
    return { ...told, text: `${words.say("dialog.selected", { name })} ${told.text}` };
  }

  /**
   * Return who could have it at once, in place of an agent with whom it would wait.
   *
   * @param {Forecast} foreseen
   * @param {Rows} rows
   * @param {Owner | null} owner Who has the conversation.
   * @returns {readonly Agent[]}
   */
  instead(foreseen, rows, owner) {
    const agent = rows.agents.get(this.target.id);
    if (foreseen.outcome !== "pending" || agent === undefined) return [];
    return nearest(agent, rows.agents.values(), owner?.kind === "agent" ? owner.id : null);
  }

  /** @param {Rows} rows */
  #row({ agents, departments }) {
    return this.target.kind === "agent" ? agents.get(this.target.id) : departments.get(this.target.id);
  }
}

/**
 * Return what is shown of a choice, and what can be done next.
 *
 * @param {Choice | null} chosen
 * @param {Rows | null} rows
 * @param {{ owner: Owner | null, kind: Target["kind"], busy: boolean, words: Words }} given `owner` has the conversation;
 *   `kind` is what the tab in front offers.
 * @returns {Composing}
 */
export function compose(chosen, rows, { owner, kind, busy, words }) {
  const action = kind === "agent" || chosen?.selected ? "transfer" : "select";
  const label = words.say(busy ? "dialog.transferring" : `dialog.${action}`);
  if (chosen === null || rows === null) {
    const text = words.say(`dialog.choose_${kind}`);
    return { text, tone: "neutral", nearest: [], action, label, ready: false, busy };
  }
  const foreseen = chosen.foresee(rows, owner);
  const nearest = chosen.instead(foreseen, rows, owner);
  return {
    ...chosen.tell(foreseen, rows, words),
    nearest,
    action,
    label,
    ready: foreseen.outcome !== "gone",
    busy,
  };
}
