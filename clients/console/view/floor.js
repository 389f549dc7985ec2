/** `<admin-floor>`: the whole tenant, live: numbers, conversations, departments and agents. */

import { AgentsPanel, DepartmentsPanel } from "./floor-panels.js";
import { SessionTable } from "./floor-sessions.js";
import { makeChart } from "./chart.js";
import { el, setAttribute, setText } from "./dom.js";
import { LONG_WAIT_MS } from "./marks.js";
import { LiveElement } from "./live-element.js";
import { say, sayAge, sayNumber, sayTime } from "./words.js";

/** @typedef {import("./app.js").Office} Office */
/** @typedef {import("../model/floor.js").Filter} Filter */

const DRAW_EVERY_MS = 250;

export class AdminFloor extends LiveElement {
  drawEveryMs = DRAW_EVERY_MS;
  #office;
  #tiles;
  #table;
  #agents;
  #departments;

  /** @param {Office} office */
  constructor(office) {
    super();
    this.#office = office;
    this.#tiles = {
      progress: tile(say("tile_in_progress"), "line"),
      waiting: tile(say("tile_waiting"), "line"),
      transfers: tile(say("tile_transfers"), "bars"),
      available: tile(say("tile_available"), "line"),
    };
    this.#table = new SessionTable(office);
    /** @param {Partial<Filter>} filter */
    const narrow = (filter) => this.#table.narrow(filter);
    this.#agents = new AgentsPanel(office, narrow);
    this.#departments = new DepartmentsPanel(office, narrow);
  }

  begin() {
    const { floor, connection } = this.#office;
    if (floor === null) return;
    const { progress, waiting, transfers, available } = this.#tiles;
    this.replaceChildren(
      el("h1", { class: "unseen" }, say("dashboard")),
      el("div", { class: "tiles" }, progress.element, waiting.element, transfers.element, available.element),
      el(
        "div",
        { class: "floor-main" },
        this.#table.element,
        el("div", { class: "side" }, this.#departments.element, this.#agents.element),
      ),
    );
    this.listen(floor, "change");
    this.listen(connection, "situation");
    this.listen(this.#table, "change");
    this.listen(this.#agents, "change");
    this.redrawEvery(1000);
  }

  draw() {
    const { floor, connection } = this.#office;
    if (floor === null) return;
    const now = connection.now();
    this.#drawTiles(now);
    const waiting = floor.waiting();
    this.#table.draw(now);
    this.#departments.draw(now, waiting);
    this.#agents.draw(now, waiting);
    setAttribute(this, "aria-busy", !floor.complete && "true");
    setAttribute(this, "data-live", connection.live);
  }

  /** @param {number} now */
  #drawTiles(now) {
    const { floor } = this.#office;
    if (floor === null) return;
    const totals = floor.totals();
    const beats = floor.pulse.minutes(now);
    const { progress, waiting, transfers, available } = this.#tiles;
    progress.update(sayNumber(totals.inProgress), say("tile_in_progress_note", { count: totals.present }));
    const busiest = Math.max(...beats.map((beat) => beat.inProgress));
    progress.chart.update(beats, (beat) => beat.inProgress, say("chart_in_progress", { count: busiest }));
    const count = totals.pending + totals.queued;
    const age = totals.oldestAt === null ? null : now - totals.oldestAt;
    waiting.update(
      sayNumber(count),
      age === null
        ? say("nobody_waits")
        : say("tile_waiting_note", { pending: totals.pending, queued: totals.queued, age: sayAge(age) }),
      age !== null && age > LONG_WAIT_MS,
    );
    const most = Math.max(...beats.map((beat) => beat.waiting));
    waiting.chart.update(beats, (beat) => beat.waiting, say("chart_waiting", { count: most }));
    const sum = beats.reduce((all, beat) => all + beat.transfers, 0);
    const first = beats.findIndex((beat) => beat.seen);
    // Only what this screen has seen is counted, and it says so until that is the whole half hour.
    const note =
      first === 0
        ? say("tile_transfers_note", { count: sum })
        : say("tile_transfers_since", { count: sum, time: sayTime(beats[first]?.at ?? now) });
    transfers.update(sayNumber(beats.at(-1)?.transfers ?? 0), note);
    transfers.chart.update(beats, (beat) => beat.transfers, say("chart_transfers", { count: sum }));
    available.update(
      sayNumber(totals.available),
      say("tile_available_note", { count: totals.present }),
      totals.available === 0,
    );
    const fewest = Math.min(
      ...beats.filter((beat) => beat.seen).map((beat) => beat.available),
      totals.available,
    );
    available.chart.update(beats, (beat) => beat.available, say("chart_available", { count: fewest }));
  }
}

/**
 * @param {string} title
 * @param {"bars" | "line"} kind Of its chart.
 */
function tile(title, kind) {
  const value = el("p", { class: "value" });
  const note = el("p", { class: "soft" });
  const chart = makeChart(kind);
  const element = el(
    "section",
    { class: "tile" },
    el("h2", {}, title),
    el("div", { class: "figures" }, value, note),
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

customElements.define("admin-floor", AdminFloor);
