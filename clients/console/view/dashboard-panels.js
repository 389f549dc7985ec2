/** The dashboard's panels of departments and of agents: availability, load, and waiting conversations. */

import { compareAgents, compareDepartments, hasTerms, searchTerms } from "../../js/src/index.js";
import { createElement, setAttribute, setKeyedChildren, setText } from "../../dialog/dom.js";
import { firstSorted } from "../../dialog/sorted-rows.js";
import { sayError } from "./errors.js";
import { ageMark, LONG_WAIT_MS, loadBar, statusMark } from "./marks.js";
import { say, sayAge, sayShared } from "./words.js";

/** @typedef {import("../../js/src/index.js").Agent} Agent */
/** @typedef {import("../../js/src/index.js").Department} Department */
/** @typedef {import("../../js/src/index.js").Status} Status */
/** @typedef {import("../model/dashboard.js").Filter} Filter */
/** @typedef {import("../model/dashboard.js").Waiting} Waiting */
/** @typedef {import("./app.js").ConsoleContext} ConsoleContext */

const SHOWN_MAX = 100;
/** @type {readonly Status[]} */
const STATUSES = ["connected", "pre_pause", "pause", "disconnected"];

export class DepartmentsPanel {
  #context;
  #narrow;
  #list = createElement("ul", { class: "rows" });
  #none = createElement("p", { class: "soft none" }, say("no_departments"));
  element = createElement(
    "section",
    { class: "panel", "aria-label": say("departments") },
    createElement("header", {}, createElement("h2", {}, say("departments"))),
    this.#list,
    this.#none,
  );

  /**
   * @param {ConsoleContext} context
   * @param {(filter: Partial<Filter>) => void} narrow Shows only some conversations.
   */
  constructor(context, narrow) {
    this.#context = context;
    this.#narrow = narrow;
  }

  /**
   * @param {number} now
   * @param {{ queues: Map<string, Waiting> }} waiting
   */
  draw(now, { queues }) {
    const { departments } = this.#context.workspace.client.directory;
    const rows = [...departments.values()].sort(compareDepartments);
    setKeyedChildren(
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
    const name = createElement("button", { class: "link", click: () => this.#narrow({ departmentId: id }) });
    const members = createElement("span", { class: "soft" });
    const queue = createElement("span", { class: "queue" });
    const row = createElement("li", { class: "department-row" }, name, members, queue);
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
  #context;
  #narrow;
  #list = createElement("ul", { class: "rows" });
  #none = createElement("p", { class: "soft none" }, say("no_match"));
  #rest = createElement("p", { class: "soft none" });
  #search = createElement("input", {
    type: "search",
    placeholder: say("search_agents"),
    "aria-label": say("search_agents"),
    input: () => this.dispatchEvent(new Event("change")),
  });
  element = createElement(
    "section",
    { class: "panel", "aria-label": say("agents") },
    createElement("header", {}, createElement("h2", {}, say("agents")), this.#search),
    this.#list,
    this.#none,
    this.#rest,
  );

  /**
   * @param {ConsoleContext} context
   * @param {(filter: Partial<Filter>) => void} narrow Shows only some conversations.
   */
  constructor(context, narrow) {
    super();
    this.#context = context;
    this.#narrow = narrow;
  }

  /**
   * @param {number} now
   * @param {{ pending: Map<string, Waiting> }} waiting
   */
  draw(now, { pending }) {
    const { agents, departments } = this.#context.workspace.client.directory;
    const terms = searchTerms(this.#search.value);
    const found = [...agents.values()].filter(({ name, id, departments: homes }) =>
      hasTerms(terms, [name, id, ...homes.map((home) => departments.get(home)?.name ?? home)]),
    );
    setKeyedChildren(
      this.#list,
      firstSorted(found, SHOWN_MAX, compareAgents),
      ({ id }) => id,
      () => this.#row(),
    );
    for (const row of this.#list.children) /** @type {any} */ (row).times(pending, now);
    this.#none.hidden = found.length > 0;
    this.#rest.hidden = found.length <= SHOWN_MAX;
    setText(this.#rest, say("search_for_more", { count: found.length - SHOWN_MAX }));
  }

  #row() {
    const { departments } = this.#context.workspace.client.directory;
    /** @type {Agent} */
    let shown;
    const name = createElement("button", { class: "link", click: () => this.#narrow({ agentId: shown.id }) });
    const admin = createElement("span", { class: "chip" }, sayShared("admin"));
    const homes = createElement("span", { class: "soft homes" });
    const load = loadBar();
    const status = statusMark();
    const since = ageMark();
    const pendingMark = createElement("span", { class: "queue" });
    const select = createElement(
      "select",
      {
        class: "set-status",
        change: () => void this.#set(shown.id, /** @type {Status} */ (select.value), select),
      },
      ...STATUSES.map((value) =>
        createElement("option", { value }, value === "connected" ? say("connected") : sayShared(value)),
      ),
    );
    const row = createElement(
      "li",
      { class: "agent-row" },
      createElement(
        "div",
        { class: "cell identity" },
        createElement("div", { class: "line" }, name, admin),
        homes,
      ),
      createElement("div", { class: "cell now" }, status, since, load, pendingMark),
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
        // An open select keeps its value until it is closed.
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
    const { workspace, dashboard, notices } = this.#context;
    try {
      await dashboard?.setStatus(agentId, status);
    } catch (error) {
      notices.show(sayError(error, workspace.client.directory), { kind: "bad" });
    } finally {
      // The row's present status: an agent without a connection stays disconnected.
      select.value = workspace.client.directory.agents.get(agentId)?.status ?? select.value;
    }
  }
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
