/** The dashboard's departments and agents: who is there, how busy, and what waits for them. */

import { compareAgents, compareDepartments } from "../../js/src/index.js";
import { el, fold, keyed, setAttribute, setText } from "./dom.js";
import { sayError } from "./errors.js";
import { ageMark, LONG_WAIT_MS, loadBar, statusMark } from "./marks.js";
import { say, sayAge, sayShared } from "./words.js";

/** @typedef {import("../../js/src/index.js").Agent} Agent */
/** @typedef {import("../../js/src/index.js").Department} Department */
/** @typedef {import("../../js/src/index.js").Status} Status */
/** @typedef {import("../model/floor.js").Filter} Filter */
/** @typedef {import("../model/floor.js").Waiting} Waiting */
/** @typedef {import("./app.js").Office} Office */

const SHOWN_MAX = 100;
/** @type {readonly Status[]} */
const STATUSES = ["connected", "pre_pause", "pause", "disconnected"];

export class DepartmentsPanel {
  #office;
  #narrow;
  #list = el("ul", { class: "rows" });
  #none = el("p", { class: "soft none" }, say("no_departments"));
  element = el(
    "section",
    { class: "panel", "aria-label": say("departments") },
    el("header", {}, el("h2", {}, say("departments"))),
    this.#list,
    this.#none,
  );

  /**
   * @param {Office} office
   * @param {(filter: Partial<Filter>) => void} narrow Shows only some conversations.
   */
  constructor(office, narrow) {
    this.#office = office;
    this.#narrow = narrow;
  }

  /**
   * @param {number} now
   * @param {{ queues: Map<string, Waiting> }} waiting
   */
  draw(now, { queues }) {
    const { departments } = this.#office.desk.client.directory;
    const rows = [...departments.values()].sort(compareDepartments);
    keyed(
      this.#list,
      rows,
      ({ id }) => id,
      () => this.#row(),
    );
    for (const row of this.#list.children) /** @type {any} */ (row).queue(queues, now);
    this.#none.hidden = rows.length > 0;
  }

  #row() {
    let id = "";
    const name = el("button", { class: "link", click: () => this.#narrow({ departmentId: id }) });
    const members = el("span", { class: "soft" });
    const queue = el("span", { class: "queue" });
    const row = el("li", { class: "department-row" }, name, members, queue);
    return Object.assign(row, {
      /** @param {Department} department */
      update(department) {
        id = department.id;
        setText(name, department.name);
        setAttribute(name, "title", department.name);
        setText(members, say("members", { available: department.available, count: department.agents }));
        setAttribute(row, "data-none", department.available === 0);
      },
      /** @param {Map<string, Waiting>} queues @param {number} now */
      queue: (queues, now) => showWaiting(queue, queues.get(id), now, "queue_row"),
    });
  }
}

/** Emits `change` when its search does. */
export class AgentsPanel extends EventTarget {
  #office;
  #narrow;
  #list = el("ul", { class: "rows" });
  #none = el("p", { class: "soft none" }, say("no_match"));
  #rest = el("p", { class: "soft none" });
  #search = el("input", {
    type: "search",
    placeholder: say("search_agents"),
    "aria-label": say("search_agents"),
    input: () => this.dispatchEvent(new Event("change")),
  });
  element = el(
    "section",
    { class: "panel", "aria-label": say("agents") },
    el("header", {}, el("h2", {}, say("agents")), this.#search),
    this.#list,
    this.#none,
    this.#rest,
  );

  /**
   * @param {Office} office
   * @param {(filter: Partial<Filter>) => void} narrow Shows only some conversations.
   */
  constructor(office, narrow) {
    super();
    this.#office = office;
    this.#narrow = narrow;
  }

  /**
   * @param {number} now
   * @param {{ pending: Map<string, Waiting> }} waiting
   */
  draw(now, { pending }) {
    const { agents, departments } = this.#office.desk.client.directory;
    const wanted = fold(this.#search.value.trim());
    /** @param {Agent} agent */
    const matches = ({ name, id, departments: homes }) =>
      fold([name, id, ...homes.map((home) => departments.get(home)?.name ?? home)].join("\n")).includes(
        wanted,
      );
    const all = [...agents.values()];
    const found = wanted === "" ? all : all.filter(matches);
    keyed(
      this.#list,
      first(found, SHOWN_MAX, compareAgents),
      ({ id }) => id,
      () => this.#row(),
    );
    for (const row of this.#list.children) /** @type {any} */ (row).times(pending, now);
    this.#none.hidden = found.length > 0;
    this.#rest.hidden = found.length <= SHOWN_MAX;
    setText(this.#rest, say("search_for_more", { count: found.length - SHOWN_MAX }));
  }

  #row() {
    const { departments } = this.#office.desk.client.directory;
    /** @type {Agent} */
    let shown;
    const name = el("button", { class: "link", click: () => this.#narrow({ agentId: shown.id }) });
    const admin = el("span", { class: "chip" }, sayShared("admin"));
    const homes = el("span", { class: "soft homes" });
    const load = loadBar();
    const status = statusMark();
    const since = ageMark();
    const pendingMark = el("span", { class: "queue" });
    const select = el(
      "select",
      {
        class: "set-status",
        change: () => void this.#set(shown.id, /** @type {Status} */ (select.value), select),
      },
      ...STATUSES.map((value) =>
        el("option", { value }, value === "connected" ? say("connected") : sayShared(value)),
      ),
    );
    const row = el(
      "li",
      { class: "agent-row" },
      el("div", { class: "cell who" }, el("div", { class: "line" }, name, admin), homes),
      el("div", { class: "cell now" }, status, since, load, pendingMark),
      select,
    );
    return Object.assign(row, {
      /** @param {Agent} agent */
      update(agent) {
        if (agent === shown) return;
        shown = agent;
        setText(name, agent.name);
        setAttribute(name, "title", agent.name);
        admin.hidden = agent.role !== "admin";
        setText(homes, agent.departments.map((id) => departments.get(id)?.name ?? id).join(", "));
        load.update(agent);
        status.update(agent);
        setAttribute(select, "aria-label", say("set_status_of", { name: agent.name }));
        // An open list of choices is the admin's, until it is closed.
        if (document.activeElement !== select) select.value = agent.status;
      },
      /** @param {Map<string, Waiting>} pending @param {number} now */
      times(pending, now) {
        since.update(shown.statusSinceAt, now);
        showWaiting(pendingMark, pending.get(shown.id), now, "pending_row");
      },
    });
  }

  /** @param {string} agentId @param {Status} status @param {HTMLSelectElement} select */
  async #set(agentId, status, select) {
    const { desk, floor, notices } = this.#office;
    try {
      await floor?.setStatus(agentId, status);
    } catch (error) {
      notices.show(sayError(error, desk.client.directory), { kind: "bad" });
    } finally {
      // What it is now, whatever was asked for: an agent without a connection stays disconnected.
      select.value = desk.client.directory.agents.get(agentId)?.status ?? select.value;
    }
  }
}

/**
 * Return the first of a list in an order, without putting all of it in order: of ten thousand agents, most are behind
 * the last one shown at a glance.
 *
 * @template T
 * @param {readonly T[]} items
 * @param {number} count
 * @param {(one: T, other: T) => number} compare
 */
export function first(items, count, compare) {
  const sorted = items.slice(0, count).sort(compare);
  for (const item of items.slice(count)) {
    if (compare(item, /** @type {T} */ (sorted.at(-1))) >= 0) continue;
    sorted.pop();
    let low = 0;
    for (let high = sorted.length; low < high;) {
      const middle = (low + high) >> 1;
      if (compare(item, /** @type {T} */ (sorted[middle])) < 0) high = middle;
      else low = middle + 1;
    }
    sorted.splice(low, 0, item);
  }
  return sorted;
}

/**
 * @param {HTMLElement} element
 * @param {Waiting | undefined} waiting
 * @param {number} now
 * @param {string} words
 */
function showWaiting(element, waiting, now, words) {
  const age = waiting === undefined ? 0 : now - waiting.oldestAt;
  setText(element, waiting === undefined ? "" : say(words, { count: waiting.count, age: sayAge(age) }));
  element.hidden = waiting === undefined;
  setAttribute(element, "data-alarming", age > LONG_WAIT_MS);
}
