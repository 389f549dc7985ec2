/** The rows of both tabs: collects the directory's changes, and applies them once a frame. */

import { compareAgents, compareDepartments } from "../js/src/directory.js";
import { Namesakes } from "./namesakes.js";
import { SortedRows } from "./sorted-rows.js";

/** @typedef {import("../js/src/directory.js").Directory} Directory */
/** @typedef {import("../js/src/events.js").DirectoryChanged} DirectoryChanged */
/** @typedef {import("../js/src/objects.js").Agent} Agent */
/** @typedef {import("../js/src/objects.js").Department} Department */
/** @typedef {import("../js/src/objects.js").Owner} Owner */

export class DirectoryRows {
  #reloadDue = true;
  /** @type {Set<string>} */
  #agentIds = new Set();
  /** @type {Set<string>} */
  #departmentIds = new Set();
  #namesakes = new Namesakes();

  agents = new SortedRows(compareAgents, (/** @type {Agent} */ agent) => {
    return [agent.name, agent.id, ...agent.departments.map((id) => this.departmentName(id))].join(" ");
  });

  departments = new SortedRows(
    compareDepartments,
    (/** @type {Department} */ { name, id }) => `${name} ${id}`,
  );

  /**
   * Return a department's name, or its id if the name is unknown.
   *
   * @param {string} id
   */
  departmentName(id) {
    return this.departments.get(id)?.name ?? id;
  }

  /**
   * Return whether another agent has this one's name.
   *
   * @param {Agent} agent
   */
  hasNamesake(agent) {
    return this.#namesakes.has(agent);
  }

  /** Have the next `update` replace all rows. */
  reload() {
    this.#reloadDue = true;
  }

  /**
   * Collect the ids of rows that changed.
   *
   * @param {DirectoryChanged} event
   */
  collect({ snapshot, agents, departments, agentsRemoved, departmentsRemoved }) {
    if (snapshot) {
      // A snapshot names all present rows, and not the removed ones.
      this.#reloadDue = true;
      return;
    }
    for (const { id } of agents) this.#agentIds.add(id);
    for (const { id } of departments) this.#departmentIds.add(id);
    for (const id of agentsRemoved) this.#agentIds.add(id);
    for (const id of departmentsRemoved) this.#departmentIds.add(id);
  }

  /**
   * Apply the collected changes.
   *
   * @param {Directory} directory
   * @param {Owner | null} owner The session's owner, which is no target for it.
   * @returns {boolean} Whether names changed that rows of other agents show: of departments, or their namesakes'.
   */
  update(directory, owner) {
    this.agents.hide(owner?.kind === "agent" ? owner.id : null);
    this.departments.hide(owner?.kind === "department" ? owner.id : null);
    const renamed = this.#reloadDue || this.#isRenamed(directory);
    let shared = false;
    if (this.#reloadDue) {
      this.departments.replace(directory.departments);
      this.agents.replace(directory.agents);
      this.#namesakes.replace(directory.agents.values());
    } else {
      this.departments.update(this.#departmentIds, directory.departments);
      for (const id of this.#agentIds)
        shared = this.#namesakes.change(this.agents.get(id), directory.agents.get(id)) || shared;
      this.agents.update(this.#agentIds, directory.agents);
      if (renamed) this.agents.clearSearchTexts();
    }
    this.#reloadDue = false;
    this.#agentIds.clear();
    this.#departmentIds.clear();
    return renamed || shared;
  }

  /** Whether all rows are in order, and not only the first screenful. */
  get sorted() {
    return this.agents.sorted && this.departments.sorted;
  }

  /** Sort the rows that `update` left unsorted. Returns whether there were any. */
  sort() {
    const due = !this.sorted;
    this.agents.sort();
    this.departments.sort();
    return due;
  }

  /** @param {Directory} directory */
  #isRenamed({ departments }) {
    return [...this.#departmentIds].some(
      (id) => this.departments.get(id)?.name !== departments.get(id)?.name,
    );
  }
}
