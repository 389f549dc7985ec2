/** `<top-bar>`: the screens, the agent's status and load, and the settings. */

import { preferences } from "../model/preferences.js";
import { createElement, setAttribute, setText } from "../../dialog/dom.js";
import { sayError } from "./errors.js";
import { LiveElement } from "./live-element.js";
import { loadBar } from "./marks.js";
import { languageNames, languageShown, say, sayStatus, sayStatusChange } from "./words.js";

/** @typedef {import("../../js/src/index.js").Agent} Agent */
/** @typedef {import("../../js/src/index.js").Status} Status */
/** @typedef {import("./app.js").ConsoleContext} ConsoleContext */
/** @typedef {import("./app.js").Screen} Screen */

/** @type {readonly Status[]} */
const STATUSES = ["connected", "pre_pause", "pause"];
const DIRECTORY_DELAY_MS = 1_000;

export class TopBar extends LiveElement {
  static observedAttributes = ["screen"];
  #context;
  #goTo;
  #signOut;
  /** The requested status, until the directory shows it. @type {Status | null} */
  #requestedStatus = null;
  #sending = false;
  /** @type {Map<Screen, HTMLButtonElement>} */
  #screenButtons = new Map();
  /** @type {Map<Status, HTMLButtonElement>} */
  #statuses = new Map();
  #badge = createElement("span", { class: "badge" });
  #load = loadBar();
  #hint = createElement("span", { class: "status-hint" });

  /**
   * @param {ConsoleContext} context
   * @param {{ goTo: (screen: Screen) => void, signOut: () => Promise<void> }} navigation
   */
  constructor(context, { goTo, signOut }) {
    super();
    this.#context = context;
    this.#goTo = goTo;
    this.#signOut = signOut;
  }

  begin() {
    const { workspace, connection } = this.#context;
    this.#build();
    this.listen(workspace, "change");
    this.listen(connection, "state");
  }

  attributeChangedCallback() {
    for (const [screen, button] of this.#screenButtons) {
      setAttribute(button, "aria-current", screen === this.getAttribute("screen") && "page");
    }
  }

  draw() {
    const { workspace, connection } = this.#context;
    const { me } = workspace;
    if (me === null) return;
    if (!this.#sending && this.#requestedStatus === me.status) this.#requestedStatus = null;
    for (const [status, button] of this.#statuses) {
      setAttribute(button, "aria-busy", this.#sending && this.#requestedStatus === status && "true");
      setAttribute(button, "aria-pressed", String((this.#requestedStatus ?? me.status) === status));
      button.disabled = !connection.live;
    }
    this.#load.update(me);
    const hint =
      me.status === "pre_pause"
        ? say("pre_pause_hint", { count: me.load })
        : me.status === "disconnected"
          ? say("set_disconnected")
          : this.#sayOthersStatus(me);
    setText(this.#hint, hint);
    setText(this.#badge, workspace.unread.size > 0 ? String(workspace.unread.size) : "");
  }

  #build() {
    const { workspace, dashboard, connection } = this.#context;
    /** @param {Screen} screen @param {...(Node | string)} children */
    const screenButton = (screen, ...children) => {
      const button = createElement(
        "button",
        { class: "screen-link", click: () => this.#goTo(screen) },
        ...children,
      );
      this.#screenButtons.set(screen, button);
      return button;
    };
    const navigation =
      dashboard === null
        ? null
        : createElement(
            "nav",
            { "aria-label": say("screens") },
            screenButton("dashboard", say("dashboard")),
            screenButton("workspace", say("workspace"), this.#badge),
            screenButton("settings", say("screen_settings")),
          );
    const statuses = STATUSES.map((status) => {
      const button = createElement(
        "button",
        {
          "data-status": status,
          "aria-pressed": "false",
          title: say(`status_${status}_hint`),
          click: () => void this.#setStatus(status),
        },
        createElement("span", { class: "dot", "data-look": statusColour(status), "aria-hidden": "true" }),
        createElement("span", { class: "label" }, sayStatus(status)),
      );
      this.#statuses.set(status, button);
      return button;
    });
    const name = workspace.me?.name ?? "";
    this.replaceChildren(
      createElement(
        "header",
        {},
        createElement("p", { class: "brand" }, createElement("span", {}, "Relevo")),
        navigation ?? "",
        createElement(
          "div",
          { class: "own" },
          this.#hint,
          createElement(
            "div",
            { class: "status-picker", role: "group", "aria-label": say("own_status") },
            ...statuses,
          ),
          this.#load,
          createElement("span", { class: "me", title: connection.client.welcome?.tenant ?? "" }, name),
          this.#menu(),
        ),
      ),
    );
  }

  #menu() {
    const popover = createElement(
      "div",
      { popover: "auto", class: "menu", id: "settings-menu" },
      createElement(
        "p",
        { class: "menu-name" },
        createElement("strong", {}, this.#context.workspace.me?.name ?? ""),
        createElement("span", { class: "soft" }, this.#context.connection.client.welcome?.tenant ?? ""),
      ),
      this.#selectSetting("language", say("language"), languageNames(), languageShown()),
      this.#selectSetting(
        "theme",
        say("theme"),
        [
          ["", say("theme_system")],
          ["light", say("theme_light")],
          ["dark", say("theme_dark")],
        ],
        preferences.get("theme") ?? "",
      ),
      this.#checkboxSetting("sound", say("sound"), async () => {
        this.#context.notices.sample();
        return true;
      }),
      this.#checkboxSetting("notifications", say("notifications"), async () => {
        if (!("Notification" in window)) return false;
        return (await Notification.requestPermission()) === "granted";
      }),
      createElement(
        "button",
        { class: "quiet sign-out", click: () => void this.#signOut() },
        say("sign_out"),
      ),
    );
    return createElement(
      "div",
      { class: "settings" },
      createElement(
        "button",
        {
          class: "quiet icon",
          popovertarget: "settings-menu",
          "aria-label": say("settings"),
          title: say("settings"),
        },
        settingsIcon(),
      ),
      popover,
    );
  }

  /**
   * @param {import("../model/preferences.js").Preference} name
   * @param {string} label
   * @param {[string, string][]} options
   * @param {string} chosen
   */
  #selectSetting(name, label, options, chosen) {
    const select = createElement(
      "select",
      { change: () => preferences.set(name, select.value || null) },
      ...options.map(([value, text]) => createElement("option", { value, selected: value === chosen }, text)),
    );
    return createElement("label", { class: "setting" }, createElement("span", {}, label), select);
  }

  /**
   * @param {import("../model/preferences.js").Preference} name
   * @param {string} label
   * @param {() => Promise<boolean>} enable Returns whether the browser allows it.
   */
  #checkboxSetting(name, label, enable) {
    const problem = createElement("span", { class: "problem", role: "alert" });
    const box = createElement("input", {
      type: "checkbox",
      checked: preferences.get(name) === "on",
      change: async () => {
        const allowed = !box.checked || (await enable());
        box.checked &&= allowed;
        setText(problem, allowed ? "" : say("not_allowed"));
        preferences.set(name, box.checked ? "on" : null);
      },
    });
    return createElement("label", { class: "setting" }, createElement("span", {}, label, problem), box);
  }

  /** @param {Status} status */
  async #setStatus(status) {
    const { workspace, notices } = this.#context;
    this.#requestedStatus = status;
    this.#sending = true;
    this.draw();
    try {
      ({ status: this.#requestedStatus } = await workspace.setStatus(status));
      // The directory's patch follows the reply; until then the row has the old status.
      setTimeout(() => this.#clearRequestedStatus(), DIRECTORY_DELAY_MS);
    } catch (error) {
      this.#requestedStatus = null;
      notices.show(sayError(error, workspace.client.directory), { kind: "bad" });
    } finally {
      this.#sending = false;
      this.redraw();
    }
  }

  /** A status that the agent chose itself needs no explanation. @param {Agent} me */
  #sayOthersStatus({ id, status, statusBy, statusReason }) {
    const bySystem = statusBy === null && statusReason !== null;
    if (status === "connected" || (!bySystem && (statusBy === null || statusBy.id === id))) return "";
    return sayStatusChange({ status, by: statusBy, reason: statusReason });
  }

  #clearRequestedStatus() {
    if (this.#sending) return;
    this.#requestedStatus = null;
    this.redraw();
  }
}

/** @param {Status} status */
function statusColour(status) {
  return status === "connected" ? "available" : status;
}

function settingsIcon() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  for (const y of [5, 10, 15]) {
    const line = document.createElementNS(svg.namespaceURI, "path");
    const x = y === 10 ? 13 : 7;
    line.setAttribute("d", `M3 ${y}h${x - 5}m4 0h${15 - x}M${x} ${y}m-2 0a2 2 0 1 0 4 0a2 2 0 1 0-4 0`);
    svg.append(line);
  }
  return svg;
}

customElements.define("top-bar", TopBar);
