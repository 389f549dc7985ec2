/** How an agent and a department look in a list. */

import { readiness } from "./forecast.js";
import { make, mark, write } from "./make.js";

/** @typedef {import("../js/src/objects.js").Agent} Agent */
/** @typedef {import("../js/src/objects.js").Department} Department */
/** @typedef {import("../console/locales/index.js").Words} Words */

/** How many of an agent's departments are named before the rest is counted. */
const DEPARTMENTS_SHOWN = 3;

/**
 * Return how agents look.
 *
 * @param {() => Words} words
 * @param {(id: string) => string} departmentName
 */
export function agentLook(words, departmentName) {
  return {
    build() {
      const name = make("span", { class: "name" });
      const admin = make("span", { class: "badge" });
      const departments = make("span", { class: "detail" });
      const status = make("span", { class: "status" });
      const load = make("span", { class: "load", "aria-hidden": "true" });
      const loadInWords = make("span", { class: "unseen" });
      const fill = make("span", { class: "fill" });
      const bar = make("span", { class: "bar", "aria-hidden": "true" }, fill);
      const element = make(
        "div",
        { class: "row", part: "row", role: "option" },
        make("span", { class: "dot", "aria-hidden": "true" }),
        make("span", { class: "who" }, make("span", { class: "line" }, name, " ", admin), " ", departments),
        " ",
        make(
          "span",
          { class: "facts" },
          status,
          " ",
          make("span", { class: "line" }, load, loadInWords, bar),
        ),
      );
      return { element, name, admin, departments, status, load, loadInWords, fill };
    },

    /**
     * @param {Record<"element" | "name" | "admin" | "departments" | "status" | "load" | "loadInWords" | "fill", HTMLElement>} parts
     * @param {Agent} agent
     */
    fill(parts, agent) {
      const { load, capacity } = agent;
      const state = readiness(agent);
      mark(parts.element, "data-state", state);
      write(parts.name, agent.name);
      write(parts.admin, agent.role === "admin" ? words().say("shared.admin") : "");
      parts.admin.hidden = agent.role !== "admin";
      write(parts.departments, departmentsOf(agent, departmentName));
      write(parts.status, words().say(`shared.${state}`));
      write(parts.load, `${words().number(load)}/${words().number(capacity)}`);
      write(parts.loadInWords, words().say("dialog.load", { load, capacity }));
      parts.fill.style.transform = `scaleX(${capacity > 0 ? Math.min(1, load / capacity) : 1})`;
    },
  };
}

/**
 * Return how departments look.
 *
 * @param {() => Words} words
 */
export function departmentLook(words) {
  return {
    build() {
      const name = make("span", { class: "name" });
      const members = make("span", { class: "detail" });
      const available = make("span", { class: "status" });
      const waiting = make("span", { class: "detail waiting" });
      const element = make(
        "div",
        { class: "row", part: "row", role: "option" },
        make("span", { class: "dot", "aria-hidden": "true" }),
        make("span", { class: "who" }, name, " ", members),
        " ",
        make("span", { class: "facts" }, available, " ", waiting),
      );
      return { element, name, members, available, waiting };
    },

    /**
     * @param {Record<"element" | "name" | "members" | "available" | "waiting", HTMLElement>} parts
     * @param {Department} department
     */
    fill(parts, { name, agents, available, queued }) {
      mark(parts.element, "data-state", available > 0 ? "available" : "disconnected");
      parts.waiting.classList.toggle("some", queued > 0);
      write(parts.name, name);
      write(parts.members, words().say("dialog.members", { count: agents }));
      write(parts.available, words().say("dialog.members_available", { count: available }));
      write(parts.waiting, words().say("dialog.waiting", { count: queued }));
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
