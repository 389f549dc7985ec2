/** Renders rows of agents and departments. */

import { readiness } from "./predicted-outcome.js";
import { createElement, setAttribute, setText } from "./dom.js";

/** @typedef {import("../js/src/objects.js").Agent} Agent */
/** @typedef {import("../js/src/objects.js").Department} Department */
/** @typedef {import("./locales/index.js").Words} Words */

/**
 * Returns what of the session's rule forbids a target, whatever the reason; undefined for nothing.
 *
 * @typedef {(target: import("../js/src/objects.js").Target) => import("../js/src/rules.js").Because | undefined} Forbidden
 */

/** How many of an agent's departments are named; the rest is counted. */
const DEPARTMENTS_SHOWN = 3;

/**
 * Return the renderer of agents.
 *
 * @param {() => Words} words
 * @param {(id: string) => string} departmentName
 * @param {(agent: Agent) => boolean} hasNamesake
 * @param {Forbidden} forbidden
 */
export function agentRenderer(words, departmentName, hasNamesake, forbidden) {
  return {
    create() {
      const name = createElement("span", { class: "name" });
      const admin = createElement("span", { class: "badge" });
      const departments = createElement("span", { class: "detail" });
      const status = createElement("span", { class: "status" });
      const load = createElement("span", { class: "load", "aria-hidden": "true" });
      const loadInWords = createElement("span", { class: "visually-hidden" });
      const filled = createElement("span", { class: "filled" });
      const bar = createElement("span", { class: "bar", "aria-hidden": "true" }, filled);
      const element = createElement(
        "div",
        { class: "row", part: "row", role: "option" },
        createElement("span", { class: "dot", "aria-hidden": "true" }),
        createElement(
          "span",
          { class: "identity" },
          createElement("span", { class: "line" }, name, " ", admin),
          " ",
          departments,
        ),
        " ",
        createElement(
          "span",
          { class: "figures" },
          status,
          " ",
          createElement("span", { class: "line" }, load, loadInWords, bar),
        ),
      );
      return { element, name, admin, departments, status, load, loadInWords, filled };
    },

    /**
     * @param {Record<"element" | "name" | "admin" | "departments" | "status" | "load" | "loadInWords" | "filled", HTMLElement>} parts
     * @param {Agent} agent
     */
    update(parts, agent) {
      const { load, capacity } = agent;
      const state = readiness(agent);
      setAttribute(parts.element, "data-state", state);
      showForbidden(parts.element, forbidden({ kind: "agent", id: agent.id }), agent.name, words());
      setText(parts.name, agent.name);
      setText(parts.admin, agent.role === "admin" ? words().say("shared.admin") : "");
      parts.admin.hidden = agent.role !== "admin";
      const departments = departmentsOf(agent, departmentName);
      const id = hasNamesake(agent) ? agent.id : "";
      setText(parts.departments, [id, departments].filter(Boolean).join(" · "));
      setText(parts.status, words().say(`shared.${state}`, {}, state));
      setText(parts.load, `${words().number(load)}/${words().number(capacity)}`);
      setText(parts.loadInWords, words().say("dialog.load", { load, capacity }));
      parts.filled.style.transform = `scaleX(${capacity > 0 ? Math.min(1, load / capacity) : 1})`;
    },
  };
}

/**
 * Return the renderer of departments.
 *
 * @param {() => Words} words
 * @param {Forbidden} forbidden
 */
export function departmentRenderer(words, forbidden) {
  return {
    create() {
      const name = createElement("span", { class: "name" });
      const members = createElement("span", { class: "detail" });
      const available = createElement("span", { class: "status" });
      const waiting = createElement("span", { class: "detail waiting" });
      const element = createElement(
        "div",
        { class: "row", part: "row", role: "option" },
        createElement("span", { class: "dot", "aria-hidden": "true" }),
        createElement("span", { class: "identity" }, name, " ", members),
        " ",
        createElement("span", { class: "figures" }, available, " ", waiting),
      );
      return { element, name, members, available, waiting };
    },

    /**
     * @param {Record<"element" | "name" | "members" | "available" | "waiting", HTMLElement>} parts
     * @param {Department} department
     */
    update(parts, { id, name, agents, available, queued }) {
      setAttribute(parts.element, "data-state", available > 0 ? "available" : "disconnected");
      showForbidden(parts.element, forbidden({ kind: "department", id }), name, words());
      parts.waiting.classList.toggle("some", queued > 0);
      setText(parts.name, name);
      setText(parts.members, words().say("dialog.members", { count: agents }));
      setText(parts.available, words().say("dialog.members_available", { count: available }));
      setText(parts.waiting, words().say("dialog.waiting", { count: queued }));
    },
  };
}

/**
 * @param {Agent} agent
 * @param {(id: string) => string} departmentName
 */
function departmentsOf({ departments }, departmentName) {
  const names = departments.slice(0, DEPARTMENTS_SHOWN).map(departmentName).join(", ");
  const rest = departments.length - DEPARTMENTS_SHOWN;
  return rest > 0 ? `${names} +${rest}` : names;
}

/**
 * Grey a row out and say why, or undo it.
 *
 * @param {HTMLElement} row
 * @param {ReturnType<Forbidden>} because
 * @param {string} name
 * @param {Words} words
 */
function showForbidden(row, because, name, words) {
  row.classList.toggle("forbidden", because !== undefined);
  setAttribute(
    row,
    "title",
    because === undefined ? null : words.say(`dialog.not_allowed_${because}`, { name }),
  );
}
