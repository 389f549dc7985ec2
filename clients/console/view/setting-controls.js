/** The controls of settings: each reads and writes the value as it is on the wire. */

import { createElement, setChildren } from "../../dialog/dom.js";
import { say, sayStatus } from "./words.js";

/** @typedef {import("../../js/src/index.js").Department} Department */
/** @typedef {import("../../js/src/index.js").Status} Status */
/** @typedef {import("../model/routing-settings.js").Field} Field */
/** @typedef {{ element: HTMLElement, read: () => unknown, write: (value: any) => void }} Control */

/** @type {readonly Status[]} */
const STATUSES = ["connected", "pre_pause", "pause", "disconnected"];

/**
 * Make the control of a setting.
 *
 * @param {Field} field
 * @param {string} id Of the element that its label names.
 * @param {readonly Department[]} departments
 * @returns {Control}
 */
export function makeControl(field, id, departments) {
  if (field.kind === "seconds") return numberControl(id, 1000);
  if (field.kind === "number") return numberControl(id, 1);
  if (field.kind === "choice") {
    return choiceControl(
      id,
      field.choices.map((choice) => [choice, say(`setting_${field.name}_${choice}`)]),
    );
  }
  return field.kind === "rule" ? ruleControl(id, departments) : reasonsControl(id);
}

/** @param {string} id @param {number} unit What one of the number is on the wire. @returns {Control} */
function numberControl(id, unit) {
  const element = createElement("input", { type: "number", id, min: 0, step: 1, required: true });
  return {
    element,
    read: () => Math.round(element.valueAsNumber * unit),
    write: (value) => {
      element.value = String((value ?? 0) / unit);
    },
  };
}

/** @param {string} id @param {[string, string][]} choices @returns {Control} */
function choiceControl(id, choices) {
  const options = choices.map(([value, text]) => createElement("option", { value }, text));
  const element = createElement("select", { id }, ...options);
  return {
    element,
    read: () => element.value,
    write: (value) => {
      element.value = value;
    },
  };
}

/** @param {string} text @param {HTMLInputElement} box */
function labelled(text, box) {
  return createElement("label", { class: "check" }, box, " ", text);
}

/**
 * @param {[string, string][]} choices
 * @returns {Control}
 */
function checksControl(choices) {
  const boxes = choices.map(([value]) => createElement("input", { type: "checkbox", value }));
  const labels = choices.map(([, text], index) => labelled(text, /** @type {any} */ (boxes[index])));
  return {
    element: createElement("div", { class: "checks" }, ...labels),
    read: () => boxes.filter(({ checked }) => checked).map(({ value }) => value),
    write: (values) => {
      for (const box of boxes) box.checked = values.includes(box.value);
    },
  };
}

/** @param {string} id @param {readonly Department[]} departments @returns {Control} */
function ruleControl(id, departments) {
  const any = createElement("input", { type: "checkbox" });
  const some = checksControl(departments.map((department) => [department.id, department.name]));
  const showSome = () => {
    some.element.hidden = any.checked;
  };
  any.addEventListener("change", showSome);
  const agents = choiceControl(
    `${id}-agents`,
    ["any", "members", "none"].map((value) => [value, say(`rule_agents_${value}`)]),
  );
  const statuses = checksControl(STATUSES.map((status) => [status, sayStatus(status)]));
  const atCapacity = createElement("input", { type: "checkbox" });
  const hops = numberControl(`${id}-hops`, 1);
  const reason = choiceControl(
    `${id}-reason`,
    ["optional", "required"].map((value) => [value, say(`rule_reason_${value}`)]),
  );
  /** @param {string} name @param {Control} control */
  const row = (name, control) =>
    createElement(
      "p",
      {},
      createElement("label", { for: control.element.id }, say(`rule_${name}`)),
      control.element,
    );
  const element = createElement(
    "div",
    { class: "rule", id, role: "group", "aria-label": say("setting_rule") },
    createElement(
      "div",
      { role: "group", "aria-label": say("rule_departments") },
      createElement("p", {}, say("rule_departments")),
      labelled(say("all_departments"), any),
      some.element,
    ),
    row("agents", agents),
    createElement(
      "div",
      { role: "group", "aria-label": say("rule_statuses") },
      createElement("p", {}, say("rule_statuses")),
      statuses.element,
      labelled(say("rule_at_capacity"), atCapacity),
    ),
    row("hops_max", hops),
    row("reason", reason),
  );
  return {
    element,
    read: () => ({
      departments: any.checked ? "any" : some.read(),
      agents: agents.read(),
      statuses: statuses.read(),
      at_capacity: atCapacity.checked,
      hops_max: hops.read(),
      reason: reason.read(),
    }),
    write: (rule) => {
      any.checked = rule.departments === "any";
      some.write(any.checked ? [] : rule.departments);
      showSome();
      agents.write(rule.agents);
      statuses.write(rule.statuses);
      atCapacity.checked = rule.at_capacity;
      hops.write(rule.hops_max);
      reason.write(rule.reason);
    },
  };
}

/** @param {string} id @returns {Control} */
function reasonsControl(id) {
  const list = createElement("ul", { class: "reasons" });
  /** @param {{ id: string, name: string, status: string }} reason */
  const row = (reason) => {
    const status = choiceControl(
      "",
      STATUSES.map((one) => [one, sayStatus(one)]),
    );
    status.write(reason.status);
    status.element.setAttribute("aria-label", say("own_status"));
    const code = createElement("input", { value: reason.id, required: true, "aria-label": say("reason_id") });
    const name = createElement("input", {
      value: reason.name,
      required: true,
      maxlength: 120,
      "aria-label": say("reason_name"),
    });
    const remove = () => {
      item.remove();
      list.dispatchEvent(new Event("input", { bubbles: true }));
    };
    const button = createElement("button", { type: "button", class: "quiet", click: remove }, say("remove"));
    const item = createElement("li", {}, status.element, code, name, button);
    return Object.assign(item, {
      read: () => ({ id: code.value.trim(), name: name.value.trim(), status: status.read() }),
    });
  };
  const add = () => {
    const item = row({ id: "", name: "", status: "pause" });
    list.append(item);
    item.querySelector("input")?.focus();
  };
  return {
    element: createElement(
      "div",
      { id, role: "group", "aria-label": say("setting_reasons") },
      list,
      createElement("button", { type: "button", click: add }, say("add_reason")),
    ),
    read: () => [...list.children].map((item) => /** @type {ReturnType<typeof row>} */ (item).read()),
    write: (reasons) => setChildren(list, ...(reasons ?? []).map(row)),
  };
}
