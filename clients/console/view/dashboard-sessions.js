/** The dashboard's list of open conversations, with a search, filters and commands. */

import { canRecall } from "../model/dashboard.js";
import { Timeline } from "../model/timeline.js";
import { createElement, setAttribute, setChildren, setKeyedChildren, setText } from "../../dialog/dom.js";
import { sayError } from "./errors.js";
import { ageMark, stateMark } from "./marks.js";
import { action, sayArrival } from "./session-cards.js";
import { TimelineList } from "./timeline.js";
import { say, sayNumber } from "./words.js";

/** @typedef {import("../../js/src/index.js").Session} Session */
/** @typedef {import("../model/dashboard.js").Filter} Filter */
/** @typedef {import("./app.js").ConsoleContext} ConsoleContext */

const SHOWN_FIRST = 100;
const SHOWN_MORE = 400;

/** Emits `change` when the filter does. */
export class SessionTable extends EventTarget {
  element;
  #context;
  /** @type {Filter} */
  #filter = { text: "", state: "", agentId: "", departmentId: "" };
  #shownMax = SHOWN_FIRST;
  #list = createElement("ul", { class: "rows sessions" });
  #count = createElement("span", { class: "count" });
  #none = createElement("p", { class: "soft none" });
  #more = createElement("button", { class: "quiet more", click: () => this.#showMore() });
  #search;
  #state;
  #agent;
  #department;
  #optionsKey = "";

  /** @param {ConsoleContext} context */
  constructor(context) {
    super();
    this.#context = context;
    this.#search = createElement("input", {
      type: "search",
      placeholder: say("search_conversations"),
      "aria-label": say("search_conversations"),
      input: () => this.narrow({ text: this.#search.value }, false),
    });
    const states = ["in_progress", "pending", "queued"].map(
      (state) => /** @type {[string, string]} */ ([state, say(`state_${state}`)]),
    );
    this.#state = filter(say("filter_state"), say("all_states"), (state) =>
      this.narrow({ state: /** @type {any} */ (state) }, false),
    );
    this.#state.update(states);
    this.#agent = filter(say("filter_agent"), say("all_agents"), (agentId) =>
      this.narrow({ agentId }, false),
    );
    this.#department = filter(say("filter_department"), say("all_departments"), (departmentId) =>
      this.narrow({ departmentId }, false),
    );
    this.element = createElement(
      "section",
      { class: "panel conversations", "aria-label": say("active_conversations") },
      createElement("header", {}, createElement("h2", {}, say("active_conversations"), " ", this.#count)),
      createElement(
        "div",
        { class: "filters", role: "search" },
        this.#search,
        this.#state.element,
        this.#department.element,
        this.#agent.element,
      ),
      this.#list,
      this.#none,
      this.#more,
    );
  }

  /**
   * Change a part of the filter.
   *
   * @param {Partial<Filter>} part
   * @param {boolean} [alone] Whether to reset the rest.
   */
  narrow(part, alone = true) {
    const none = { text: "", state: /** @type {const} */ (""), agentId: "", departmentId: "" };
    this.#filter = { ...(alone ? none : this.#filter), ...part };
    this.#shownMax = SHOWN_FIRST;
    if (alone) {
      this.#search.value = this.#filter.text;
      this.#state.choose(this.#filter.state);
    }
    this.dispatchEvent(new Event("change"));
  }

  /** @param {number} now */
  draw(now) {
    const { dashboard } = this.#context;
    if (dashboard === null) return;
    this.#drawFilters();
    const found = dashboard.matching(this.#filter);
    const shown = found.slice(0, this.#shownMax);
    setKeyedChildren(
      this.#list,
      shown,
      ({ id }) => id,
      () => this.#row(),
    );
    for (const row of this.#list.children) /** @type {any} */ (row).age(now);
    setText(
      this.#count,
      found.length === dashboard.sessions.size
        ? sayNumber(found.length)
        : `${sayNumber(found.length)}/${sayNumber(dashboard.sessions.size)}`,
    );
    this.#none.hidden = found.length > 0;
    setText(
      this.#none,
      say(!dashboard.complete ? "loading" : dashboard.sessions.size === 0 ? "no_conversations" : "no_match"),
    );
    this.#more.hidden = found.length <= shown.length;
    setText(this.#more, say("show_more", { count: found.length - shown.length }));
  }

  #drawFilters() {
    const { directory } = this.#context.workspace.client;
    const { agentId, departmentId } = this.#filter;
    const names = [...directory.agents.values(), ...directory.departments.values()].map(
      ({ id, name }) => `${id} ${name}`,
    );
    const key = names.join("\n");
    if (key !== this.#optionsKey) {
      this.#optionsKey = key;
      for (const [choice, rows] of /** @type {const} */ ([
        [this.#agent, directory.agents],
        [this.#department, directory.departments],
      ])) {
        const options = [...rows.values()].map(
          ({ id, name }) => /** @type {[string, string]} */ ([id, name]),
        );
        choice.update(options.sort(([, one], [, other]) => one.localeCompare(other)));
      }
    }
    this.#agent.choose(agentId);
    this.#department.choose(departmentId);
  }

  #showMore() {
    this.#shownMax += SHOWN_MORE;
    this.dispatchEvent(new Event("change"));
  }

  #row() {
    const { workspace, dashboard, notices, transfers } = this.#context;
    /** @type {Session} */
    let shown;
    const customer = createElement("button", {
      class: "name link",
      title: say("history"),
      click: () => this.#showHistory(shown),
    });
    const id = createElement("span", { class: "id soft" });
    const state = stateMark();
    const owner = createElement("span", { class: "owner" });
    const age = ageMark();
    const how = createElement("span", { class: "how" });
    const reason = createElement("span", { class: "reason" });
    const recall = action(say("recall"), "", async () => {
      try {
        await dashboard?.recall(shown);
      } catch (error) {
        notices.show(sayError(error, workspace.client.directory), { kind: "bad" });
      }
    });
    const row = createElement(
      "li",
      { class: "session-row" },
      createElement("div", { class: "cell customer" }, customer, id),
      createElement("div", { class: "cell where" }, state, owner, age),
      createElement("div", { class: "cell latest" }, how, reason),
      createElement(
        "div",
        { class: "cell actions" },
        recall,
        action(say("transfer"), "", () => transfers.open(shown)),
      ),
    );
    return Object.assign(row, {
      /** @param {Session} session */
      update(session) {
        if (session !== shown) {
          shown = session;
          setText(customer, session.customer.name);
          setText(id, session.id);
          state.update(session);
          const { transfer } = session;
          const arrival = transfer === null ? say("not_transferred") : sayArrival(transfer, undefined);
          setText(how, arrival);
          setAttribute(how, "title", arrival);
          setText(reason, transfer?.reason ?? "");
          setAttribute(reason, "title", transfer?.reason ?? "");
          recall.hidden = !canRecall(session);
          setAttribute(row, "data-state", session.state);
        }
        const name = session.owner === null ? "" : workspace.ownerName(session.owner);
        setText(owner, name);
        setAttribute(owner, "title", name);
      },
      /** @param {number} now */
      age: (now) => age.update(shown.updatedAt, now),
    });
  }

  /** @param {Session} session */
  #showHistory({ id, customer }) {
    const { client, me } = this.#context.workspace;
    const timeline = new Timeline((after) => client.sessions.historyPage(id, { after, limit: 500 }));
    const list = new TimelineList();
    const dialog = createElement("dialog", { class: "question history", "aria-labelledby": "history-title" });
    setChildren(
      dialog,
      createElement(
        "h2",
        { id: "history-title" },
        customer.name,
        " ",
        createElement("span", { class: "id soft" }, id),
      ),
      list,
      createElement("form", { method: "dialog", class: "row end" }, createElement("button", {}, say("done"))),
    );
    // The list follows new entries.
    const off = client.on("sessionChanged", ({ session }) => session.id === id && void timeline.load());
    dialog.addEventListener("close", () => {
      off();
      dialog.remove();
    });
    document.body.append(dialog);
    list.show(timeline, me?.id ?? null);
    dialog.showModal();
    void timeline.load();
  }
}

/**
 * @param {string} label
 * @param {string} all The label of the first option, which matches everything.
 * @param {(value: string) => void} chosen
 */
function filter(label, all, chosen) {
  const select = createElement("select", { "aria-label": label, change: () => chosen(select.value) });
  return {
    element: select,
    /** @param {[string, string][]} options */
    update(options) {
      const { value } = select;
      setChildren(
        select,
        createElement("option", { value: "" }, all),
        ...options.map(([id, name]) => createElement("option", { value: id }, name)),
      );
      select.value = value;
    },
    /** @param {string} value */
    choose(value) {
      if (select.value !== value) select.value = value;
    },
  };
}
