/** `<top-bar>`: where one is, who one is, one's own status, and what one prefers. */

import { preferences } from "../model/preferences.js";
import { el, setAttribute, setText } from "./dom.js";
import { sayError } from "./errors.js";
import { LiveElement } from "./live-element.js";
import { loadBar } from "./marks.js";
import { languageNames, languageShown, say, sayShared } from "./words.js";

/** @typedef {import("../../js/src/index.js").Status} Status */
/** @typedef {import("./app.js").Office} Office */
/** @typedef {import("./app.js").Place} Place */

/** @type {readonly Status[]} */
const STATUSES = ["connected", "pre_pause", "pause"];
const SETTLED_MS = 1_000;

export class TopBar extends LiveElement {
  static observedAttributes = ["place"];
  #office;
  #goTo;
  #signOut;
  /** The status that was asked for, until the directory shows it. @type {Status | null} */
  #asked = null;
  #sending = false;
  /** @type {Map<Place, HTMLButtonElement>} */
  #places = new Map();
  /** @type {Map<Status, HTMLButtonElement>} */
  #statuses = new Map();
  #badge = el("span", { class: "badge" });
  #load = loadBar();
  #hint = el("span", { class: "status-hint" });

  /**
   * @param {Office} office
   * @param {{ goTo: (place: Place) => void, signOut: () => Promise<void> }} ways
   */
  constructor(office, { goTo, signOut }) {
    super();
    this.#office = office;
    this.#goTo = goTo;
    this.#signOut = signOut;
  }

  begin() {
    const { desk, connection } = this.#office;
    this.#build();
    this.listen(desk, "change");
    this.listen(connection, "situation");
  }

  attributeChangedCallback() {
    for (const [place, button] of this.#places) {
      setAttribute(button, "aria-current", place === this.getAttribute("place") && "page");
    }
  }

  draw() {
    const { desk, connection } = this.#office;
    const { me } = desk;
    if (me === null) return;
    if (!this.#sending && this.#asked === me.status) this.#asked = null;
    for (const [status, button] of this.#statuses) {
      setAttribute(button, "aria-busy", this.#sending && this.#asked === status && "true");
      setAttribute(button, "aria-pressed", String((this.#asked ?? me.status) === status));
      button.disabled = !connection.live;
    }
    this.#load.update(me);
    const hint =
      me.status === "pre_pause"
        ? say("pre_pause_hint", { count: me.load })
        : me.status === "disconnected"
          ? say("set_disconnected")
          : "";
    setText(this.#hint, hint);
    setText(this.#badge, desk.unseen.size > 0 ? String(desk.unseen.size) : "");
  }

  #build() {
    const { desk, floor, connection } = this.#office;
    /** @param {Place} place @param {...(Node | string)} children */
    const way = (place, ...children) => {
      const button = el("button", { class: "place", click: () => this.#goTo(place) }, ...children);
      this.#places.set(place, button);
      return button;
    };
    const places =
      floor === null
        ? null
        : el(
            "nav",
            { "aria-label": say("places") },
            way("floor", say("dashboard")),
            way("desk", say("desk"), this.#badge),
          );
    const statuses = STATUSES.map((status) => {
      const button = el(
        "button",
        {
          "data-status": status,
          "aria-pressed": "false",
          title: say(`status_${status}_hint`),
          click: () => void this.#choose(status),
        },
        el("span", { class: "dot", "data-look": look(status), "aria-hidden": "true" }),
        el("span", { class: "label" }, status === "connected" ? sayShared("available") : sayShared(status)),
      );
      this.#statuses.set(status, button);
      return button;
    });
    const name = desk.me?.name ?? "";
    this.replaceChildren(
      el(
        "header",
        {},
        el("p", { class: "brand" }, el("span", {}, "Relevo")),
        places ?? "",
        el(
          "div",
          { class: "own" },
          this.#hint,
          el("div", { class: "status-picker", role: "group", "aria-label": say("own_status") }, ...statuses),
          this.#load,
          el("span", { class: "me", title: connection.client.welcome?.tenant ?? "" }, name),
          this.#menu(),
        ),
      ),
    );
  }

  #menu() {
    const popover = el(
      "div",
      { popover: "auto", class: "menu", id: "settings-menu" },
      el(
        "p",
        { class: "menu-name" },
        el("strong", {}, this.#office.desk.me?.name ?? ""),
        el("span", { class: "soft" }, this.#office.connection.client.welcome?.tenant ?? ""),
      ),
      this.#choice("language", say("language"), languageNames(), languageShown()),
      this.#choice(
        "theme",
        say("theme"),
        [
          ["", say("theme_system")],
          ["light", say("theme_light")],
          ["dark", say("theme_dark")],
        ],
        preferences.get("theme") ?? "",
      ),
      this.#toggle("sound", say("sound"), async () => {
        this.#office.notices.sample();
        return true;
      }),
      this.#toggle("notifications", say("notifications"), async () => {
        if (!("Notification" in window)) return false;
        return (await Notification.requestPermission()) === "granted";
      }),
      el("button", { class: "quiet sign-out", click: () => void this.#signOut() }, say("sign_out")),
    );
    return el(
      "div",
      { class: "settings" },
      el(
        "button",
        {
          class: "quiet icon",
          popovertarget: "settings-menu",
          "aria-label": say("settings"),
          title: say("settings"),
        },
        gear(),
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
  #choice(name, label, options, chosen) {
    const select = el(
      "select",
      { change: () => preferences.set(name, select.value || null) },
      ...options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)),
    );
    return el("label", { class: "setting" }, el("span", {}, label), select);
  }

  /**
   * @param {import("../model/preferences.js").Preference} name
   * @param {string} label
   * @param {() => Promise<boolean>} turnedOn Returns whether the browser allows it.
   */
  #toggle(name, label, turnedOn) {
    const problem = el("span", { class: "problem", role: "alert" });
    const box = el("input", {
      type: "checkbox",
      checked: preferences.get(name) === "on",
      change: async () => {
        const allowed = !box.checked || (await turnedOn());
        box.checked &&= allowed;
        setText(problem, allowed ? "" : say("not_allowed"));
        preferences.set(name, box.checked ? "on" : null);
      },
    });
    return el("label", { class: "setting" }, el("span", {}, label, problem), box);
  }

  /** @param {Status} status */
  async #choose(status) {
    const { desk, notices } = this.#office;
    this.#asked = status;
    this.#sending = true;
    this.draw();
    try {
      ({ status: this.#asked } = await desk.setStatus(status));
      // The directory follows the answer; until then the old status would flicker up once more.
      setTimeout(() => this.#settle(), SETTLED_MS);
    } catch (error) {
      this.#asked = null;
      notices.show(sayError(error, desk.client.directory), { kind: "bad" });
    } finally {
      this.#sending = false;
      this.redraw();
    }
  }

  #settle() {
    if (this.#sending) return;
    this.#asked = null;
    this.redraw();
  }
}

/** @param {Status} status */
function look(status) {
  return status === "connected" ? "available" : status;
}

function gear() {
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
