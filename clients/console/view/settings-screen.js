/** `<routing-settings>`: what the tenant and each department have set; for admins. */

import { compareDepartments } from "../../js/src/index.js";
import { createElement, setAttribute, setChildren, setText } from "../../dialog/dom.js";
import {
  DEPARTMENT_FIELDS,
  putSettings,
  readSettings,
  refusedSetting,
  TENANT_FIELDS,
} from "../model/routing-settings.js";
import { sayError } from "./errors.js";
import { makeControl } from "./setting-controls.js";
import { say } from "./words.js";

/** @typedef {import("./app.js").ConsoleContext} ConsoleContext */
/** @typedef {import("../model/routing-settings.js").Field} Field */
/** @typedef {import("../model/routing-settings.js").Level} Level */

export class RoutingSettings extends HTMLElement {
  #context;
  #level = createElement("select", { id: "settings-level", change: () => void this.#load() });
  #rows = createElement("div", { class: "setting-rows" });
  #state = createElement("p", { class: "soft", role: "status" });
  #save = createElement("button", { class: "primary", type: "submit" }, say("save"));
  /** The rows on the screen, by setting. @type {Map<string, ReturnType<RoutingSettings["row"]>>} */
  #shown = new Map();

  /** @param {ConsoleContext} context */
  constructor(context) {
    super();
    this.#context = context;
  }

  connectedCallback() {
    const departments = this.#departments();
    setChildren(
      this.#level,
      createElement("option", { value: "" }, say("settings_of_tenant")),
      ...departments.map(({ id, name }) => createElement("option", { value: id }, name)),
    );
    /** @param {SubmitEvent} event */
    const submit = (event) => {
      event.preventDefault();
      void this.#put();
    };
    const head = createElement("h1", {}, say("routing_settings"));
    const level = createElement(
      "p",
      {},
      createElement("label", { for: "settings-level" }, say("settings_of")),
      this.#level,
    );
    const end = createElement("div", { class: "row" }, this.#save, this.#state);
    this.replaceChildren(createElement("form", { submit }, head, level, this.#rows, end));
    void this.#load();
  }

  #departments() {
    return [...this.#context.workspace.client.directory.departments.values()].sort(compareDepartments);
  }

  get #department() {
    return this.#departments().find(({ id }) => id === this.#level.value) ?? null;
  }

  async #load() {
    const { client } = this.#context.workspace;
    const department = this.#department;
    setText(this.#state, say("loading"));
    try {
      const level = await readSettings(client, department?.id ?? null);
      if (department?.id !== this.#department?.id) return;
      this.#show(department === null ? TENANT_FIELDS : DEPARTMENT_FIELDS, level);
      setText(this.#state, "");
    } catch (error) {
      setText(this.#state, sayError(error, client.directory));
    }
  }

  /** @param {readonly Field[]} fields @param {Level} level */
  #show(fields, level) {
    const rows = fields.map((field) => this.row(field, level));
    this.#shown = new Map(rows.map((row) => [row.name, row]));
    setChildren(this.#rows, ...rows.map(({ element }) => element));
  }

  /**
   * Make the row of a setting.
   *
   * @param {Field} field
   * @param {Level} level
   */
  row(field, { values, own }) {
    const { name } = field;
    const control = makeControl(field, `setting-${name}`, this.#departments());
    control.write(values[name]);
    /** What to save: nothing, the value of the control, or null. */
    let change = /** @type {"none" | "value" | "default"} */ ("none");
    const department = this.#level.value !== "";
    const origin = createElement("span", { class: "soft" });
    const problem = createElement("p", { class: "problem", role: "alert" });
    const reset = createElement(
      "button",
      { type: "button", class: "quiet", click: () => set("default") },
      say(department ? "setting_as_tenant" : "setting_default"),
    );
    /** @param {typeof change} next */
    const set = (next) => {
      change = next;
      const here = next === "value" || (next === "none" && own.includes(name));
      reset.hidden = department && !here;
      setAttribute(element, "data-changed", next !== "none");
      setText(
        origin,
        next === "default" ? say("setting_reset") : here && department ? say("setting_here") : "",
      );
      setText(problem, "");
      setText(this.#state, "");
    };
    const element = createElement(
      "section",
      { class: "setting-row", "data-setting": name, input: () => set("value") },
      createElement("label", { for: `setting-${name}` }, say(`setting_${name}`)),
      createElement("p", { class: "soft" }, say(`setting_${name}_detail`)),
      control.element,
      createElement("p", { class: "row" }, origin, reset),
      problem,
    );
    set("none");
    return {
      name,
      element,
      get change() {
        return change;
      },
      value: () => (change === "default" ? null : control.read()),
      /** @param {string} text */
      refuse: (text) => setText(problem, text),
    };
  }

  async #put() {
    const { client } = this.#context.workspace;
    const changed = [...this.#shown.values()].filter(({ change }) => change !== "none");
    if (changed.length === 0 || this.#save.getAttribute("aria-busy") === "true") return;
    const settings = Object.fromEntries(changed.map((row) => [row.name, row.value()]));
    this.#save.setAttribute("aria-busy", "true");
    try {
      await putSettings(client, this.#department, settings);
      await this.#load();
      setText(this.#state, say("saved"));
    } catch (error) {
      const row = this.#shown.get(refusedSetting(error) ?? "");
      const text = sayError(error, client.directory);
      if (row === undefined) setText(this.#state, text);
      else row.refuse(text);
    } finally {
      this.#save.removeAttribute("aria-busy");
    }
  }
}

customElements.define("routing-settings", RoutingSettings);
