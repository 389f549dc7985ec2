/** Who is chosen, and what the directory says of it at this moment. */

import { forecast, nearest, tellForecast } from "./forecast.js";

/** @typedef {import("../../js/src/objects.js").Agent} Agent */
/** @typedef {import("../../js/src/objects.js").Owner} Owner */
/** @typedef {import("../../js/src/objects.js").Target} Target */
/** @typedef {import("../locales/index.js").Words} Words */
/** @typedef {import("./forecast.js").Forecast} Forecast */
/** @typedef {import("./forecast.js").Rows} Rows */

export class Choice {
  #name;
  #wasAvailable;

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
    return tellForecast(
      foreseen,
      { ...this.target, name: this.#name, wasAvailable: this.#wasAvailable },
      words,
    );
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
