/** `<admin-dashboard>`: the tenant's numbers, conversations, departments and agents, live. */

import { AgentsPanel, DepartmentsPanel } from "./dashboard-panels.js";
import { SessionTable } from "./dashboard-sessions.js";
import { makeChart } from "./chart.js";
import { createElement, setAttribute, setText } from "../../dialog/dom.js";
import { LONG_WAIT_MS } from "./marks.js";
import { LiveElement } from "./live-element.js";
import { say, sayAge, sayNumber, sayTime } from "./words.js";

/** @typedef {import("./app.js").ConsoleContext} ConsoleContext */
/** @typedef {import("../model/dashboard.js").Filter} Filter */

const DRAW_EVERY_MS = 250;

export class AdminDashboard extends LiveElement {
  drawEveryMs = DRAW_EVERY_MS;
  #context;
  #tiles;
  #table;
  #agents;
  #departments;

  /** @param {ConsoleContext} context */
  constructor(context) {
    super();
    this.#context = context;
    this.#tiles = {
      progress: tile(say("tile_in_progress"), "line"),
      waiting: tile(say("tile_waiting"), "line"),
      transfers: tile(say("tile_transfers"), "bars"),
      available: tile(say("tile_available"), "line"),
    };
    this.#table = new SessionTable(context);
    /** @param {Partial<Filter>} filter */
    const narrow = (filter) => this.#table.narrow(filter);
    this.#agents = new AgentsPanel(context, narrow);
    this.#departments = new DepartmentsPanel(context, narrow);
  }

  begin() {
    const { dashboard, connection } = this.#context;
    if (dashboard === null) return;
    const { progress, waiting, transfers, available } = this.#tiles;
    this.replaceChildren(
      createElement("h1", { class: "visually-hidden" }, say("dashboard")),
      createElement(
        "div",
        { class: "tiles" },
        progress.element,
        waiting.element,
        transfers.element,
        available.element,
      ),
      createElement(
        "div",
        { class: "dashboard-main" },
        this.#table.element,
        createElement("div", { class: "side" }, this.#departments.element, this.#agents.element),
      ),
    );
    this.listen(dashboard, "change");
    this.listen(connection, "state");
    this.listen(this.#table, "change");
    this.listen(this.#agents, "change");
    this.redrawEvery(1000);
  }

  draw() {
    const { dashboard, connection } = this.#context;
    if (dashboard === null) return;
    const now = connection.now();
    this.#drawTiles(now);
    const waiting = dashboard.waiting();
    this.#table.draw(now);
    this.#departments.draw(now, waiting);
    this.#agents.draw(now, waiting);
    setAttribute(this, "aria-busy", !dashboard.complete && "true");
    setAttribute(this, "data-live", connection.live);
  }

  /** @param {number} now */
  #drawTiles(now) {
    const { dashboard } = this.#context;
    if (dashboard === null) return;
    const totals = dashboard.totals();
    const minutes = dashboard.samples.minutes(now);
    const { progress, waiting, transfers, available } = this.#tiles;
    progress.update(sayNumber(totals.inProgress), say("tile_in_progress_note", { count: totals.busy }));
    const busiest = Math.max(...minutes.map((minute) => minute.inProgress));
    progress.chart.update(
      minutes,
      (minute) => minute.inProgress,
      say("chart_in_progress", { count: busiest }),
    );
    const count = totals.pending + totals.queued;
    const age = totals.oldestAt === null ? null : now - totals.oldestAt;
    waiting.update(
      sayNumber(count),
      age === null
        ? say("nobody_waits")
        : say("tile_waiting_note", { pending: totals.pending, queued: totals.queued, age: sayAge(age) }),
      age !== null && age > LONG_WAIT_MS,
    );
    const most = Math.max(...minutes.map((minute) => minute.waiting));
    waiting.chart.update(minutes, (minute) => minute.waiting, say("chart_waiting", { count: most }));
    const sum = minutes.reduce((all, minute) => all + minute.transfers, 0);
    const first = minutes.findIndex((minute) => minute.sampled);
    // Counted since the page was opened, and labelled so until that is half an hour.
    const note =
      first === 0
        ? say("tile_transfers_note", { count: sum })
        : say("tile_transfers_since", { count: sum, time: sayTime(minutes[first]?.at ?? now) });
    transfers.update(sayNumber(minutes.at(-1)?.transfers ?? 0), note);
    transfers.chart.update(minutes, (minute) => minute.transfers, say("chart_transfers", { count: sum }));
    available.update(
      sayNumber(totals.available),
      say("tile_available_note", { count: totals.present }),
      totals.available === 0,
    );
    const fewest = Math.min(
      ...minutes.filter((minute) => minute.sampled).map((minute) => minute.available),
      totals.available,
    );
    available.chart.update(minutes, (minute) => minute.available, say("chart_available", { count: fewest }));
  }
}

/**
 * @param {string} title
 * @param {"bars" | "line"} kind Of its chart.
 */
function tile(title, kind) {
  const value = createElement("p", { class: "value" });
  const note = createElement("p", { class: "soft" });
  const chart = makeChart(kind);
  const element = createElement(
    "section",
    { class: "tile" },
    createElement("h2", {}, title),
    createElement("div", { class: "figures" }, value, note),
    chart.element,
  );
  return {
    element,
    chart,
    /** @param {string} figure @param {string} text @param {boolean} [alarming] */
    update(figure, text, alarming = false) {
      setText(value, figure);
      setText(note, text);
      setAttribute(element, "data-alarming", alarming);
    },
  };
}

customElements.define("admin-dashboard", AdminDashboard);
