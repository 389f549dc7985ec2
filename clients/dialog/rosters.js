/** The rows of both tabs, following a directory: changes are noted as they come and taken once a frame. */

import { compareAgents, compareDepartments } from "../js/src/directory.js";
import { Roster } from "./roster.js";

/** @typedef {import("../js/src/directory.js").Directory} Directory */
/** @typedef {import("../js/src/events.js").DirectoryChanged} DirectoryChanged */
/** @typedef {import("../js/src/objects.js").Agent} Agent */
/** @typedef {import("../js/src/objects.js").Department} Department */
/** @typedef {import("../js/src/objects.js").Owner} Owner */

export class Rosters {
  #anew = true;
  /** @type {Set<string>} */
  #agentIds = new Set();
  /** @type {Set<string>} */
  #departmentIds = new Set();

  agents = new Roster(compareAgents, (/** @type {Agent} */ agent) => {
    return [agent.name, ...agent.departments.map((id) => this.departmentName(id))].join(" ");
  });

  departments = new Roster(compareDepartments, (/** @type {Department} */ { name }) => name);

  /**
   * Return a department's name, or its id if nobody told the name.
   *
   * @param {string} id
   */
  departmentName(id) {
    return this.departments.get(id)?.name ?? id;
  }

  /** Take all rows at the next time. */
  begin() {
    this.#anew = true;
  }

  /**
   * Note which rows to take.
   *
   * @param {DirectoryChanged} event
   */
  note({ snapshot, agents, departments, agentsRemoved, departmentsRemoved }) {
    if (snapshot) {
      // It names all rows that are there, and not those that were.
      this.#anew = true;
      return;
    }
    for (const { id } of agents) this.#agentIds.add(id);
    for (const { id } of departments) this.#departmentIds.add(id);
    for (const id of agentsRemoved) this.#agentIds.add(id);
    for (const id of departmentsRemoved) this.#departmentIds.add(id);
  }

  /**
   * Bring the rows up to what a directory holds.
   *
   * @param {Directory} directory
   * @param {Owner | null} owner Who has the conversation, and is no target for it.
   * @returns {boolean} Whether departments are called otherwise than before, and so rows of agents say something else.
   */
  take(directory, owner) {
    this.agents.hide(owner?.kind === "agent" ? owner.id : null);
    this.departments.hide(owner?.kind === "department" ? owner.id : null);
    const renamed = this.#anew || this.#renamed(directory);
    if (this.#anew) {
      this.departments.replace(directory.departments);
      this.agents.replace(directory.agents);
    } else {
      this.departments.update(this.#departmentIds, directory.departments);
      this.agents.update(this.#agentIds, directory.agents);
      if (renamed) this.agents.describeAnew();
    }
    this.#anew = false;
    this.#agentIds.clear();
    this.#departmentIds.clear();
    return renamed;
  }

  /** Whether all rows are in order, and not only those that a screen shows. */
  get settled() {
    return this.agents.settled && this.departments.settled;
  }

  /** Put in order what `take` left for later. Returns whether there was anything. */
  settle() {
    const late = !this.settled;
    this.agents.settle();
    this.departments.settle();
    return late;
  }

  /** @param {Directory} directory */
  #renamed({ departments }) {
    return [...this.#departmentIds].some(
      (id) => this.departments.get(id)?.name !== departments.get(id)?.name,
    );
  }
}
