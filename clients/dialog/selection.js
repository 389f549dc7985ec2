/** The selected target, and what the directory says about it now. */

import { describePrediction, forbiddenBy, nearestAvailable, predictOutcome } from "./predicted-outcome.js";

/** @typedef {import("../js/src/objects.js").Agent} Agent */
/** @typedef {import("../js/src/objects.js").Owner} Owner */
/** @typedef {import("../js/src/objects.js").Target} Target */
/** @typedef {import("./locales/index.js").Words} Words */
/** @typedef {import("./outcome.js").Action} Action */
/** @typedef {import("./predicted-outcome.js").Bounds} Bounds */
/** @typedef {import("./predicted-outcome.js").PredictedOutcome} PredictedOutcome */
/** @typedef {import("./predicted-outcome.js").Rows} Rows */

/**
 * What the lower part of the dialog shows while the agent chooses.
 *
 * @typedef {object} SelectionState
 * @property {string} text The predicted outcome.
 * @property {"good" | "waiting" | "bad" | "neutral"} tone
 * @property {readonly Agent[]} alternatives Available agents to choose instead.
 * @property {Action} action What the main button does.
 * @property {string} label The main button's label.
 * @property {boolean} ready Whether the main button can be pressed.
 * @property {boolean} busy Whether the transfer is being sent.
 */

export class Selection {
  #name;
  #wasAvailable;
  /** Whether only the reason is left: an agent at once, a department after *Select*. */
  confirmed;

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
    this.confirmed = kind === "agent";
  }

  /**
   * Return the predicted outcome of a transfer to this target.
   *
   * @param {Rows} rows
   * @param {Owner | null} owner The session's owner.
   * @param {Bounds} bounds
   */
  predict(rows, owner, bounds) {
    return predictOutcome(this.target, rows, owner, bounds);
  }

  /**
   * Describe a predicted outcome.
   *
   * @param {PredictedOutcome} predicted
   * @param {Rows} rows
   * @param {Words} words
   */
  describe(predicted, rows, words) {
    // A removed target keeps its last name.
    this.#name = this.#row(rows)?.name ?? this.#name;
    const name = this.#name;
    const selected = { ...this.target, name, wasAvailable: this.#wasAvailable };
    const description = describePrediction(predicted, selected, words);
    if (!this.confirmed || this.target.kind === "agent" || predicted.outcome === "gone") return description;
    return { ...description, text: `${words.say("dialog.selected", { name })} ${description.text}` };
  }

  /**
   * Return available agents for a transfer that would be pending, or is forbidden: those to which it is allowed.
   *
   * @param {PredictedOutcome} predicted
   * @param {Rows} rows
   * @param {Owner | null} owner The session's owner.
   * @param {Bounds} bounds
   * @returns {readonly Agent[]}
   */
  alternatives(predicted, rows, owner, bounds) {
    const agent = this.target.kind === "agent" ? rows.agents.get(this.target.id) : undefined;
    if ((predicted.outcome !== "pending" && predicted.outcome !== "refused") || agent === undefined)
      return [];
    const allowed = [...rows.agents.values()].filter(
      ({ id }) => forbiddenBy({ kind: "agent", id }, rows, bounds).length === 0,
    );
    return nearestAvailable(agent, allowed, owner?.kind === "agent" ? owner.id : null);
  }

  /** @param {Rows} rows */
  #row({ agents, departments }) {
    return this.target.kind === "agent" ? agents.get(this.target.id) : departments.get(this.target.id);
  }
}

/**
 * Return what the dialog shows of a selection, and what the main button does.
 *
 * @param {Selection | null} selection
 * @param {Rows | null} rows
 * @param {{ owner: Owner | null, bounds: Bounds, kind: Target["kind"], busy: boolean, words: Words }} options `owner` of
 *   the session; `kind` of the tab in front.
 * @returns {SelectionState}
 */
export function selectionState(selection, rows, { owner, bounds, kind, busy, words }) {
  const action = kind === "agent" || selection?.confirmed ? "transfer" : "select";
  const label = words.say(busy ? "dialog.transferring" : `dialog.${action}`);
  if (selection === null || rows === null) {
    const text = words.say(`dialog.choose_${kind}`);
    return { text, tone: "neutral", alternatives: [], action, label, ready: false, busy };
  }
  const predicted = selection.predict(rows, owner, bounds);
  return {
    ...selection.describe(predicted, rows, words),
    alternatives: selection.alternatives(predicted, rows, owner, bounds),
    action,
    label,
    ready: predicted.outcome !== "gone" && predicted.outcome !== "refused",
    busy,
  };
}
