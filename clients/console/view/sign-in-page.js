/** `<sign-in-page>`: asks for a link, and shows the state of the first connection. */

import { createElement, setChildren, setText } from "../../dialog/dom.js";
import { LiveElement } from "./live-element.js";
import { say } from "./words.js";

/** @typedef {import("../model/connection.js").Connection} Connection */
/** @typedef {import("../model/connection.js").ConnectionState} ConnectionState */

/**
 * Describe a connection's state in a headline and a detail.
 *
 * @param {ConnectionState} state
 * @returns {{ headline: string, detail: string }}
 */
export function sayConnectionState({ kind, ending }) {
  const name = kind === "ended" ? `ended_${ending ?? "other"}` : `connection_${kind}`;
  return { headline: say(name), detail: say(`${name}_detail`) };
}

/**
 * Describe a state before the first welcome, when no data is on the screen.
 *
 * @param {ConnectionState} state
 */
function sayFirstState(state) {
  const described = sayConnectionState(state);
  const detail = ["unreachable", "lost"].includes(state.kind) ? say("not_yet_detail") : described.detail;
  return { ...described, detail };
}

/**
 * Make the form for another link.
 *
 * @param {(text: string) => boolean} onPasted Returns whether the text contains a token.
 * @param {string} label
 */
export function linkForm(onPasted, label) {
  const problem = createElement("p", { class: "problem", id: "link-problem", role: "alert" });
  const input = createElement("input", {
    type: "password",
    name: "link",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": label,
    "aria-describedby": "link-problem",
    placeholder: label,
    required: true,
  });
  return createElement(
    "form",
    {
      class: "link-form",
      submit: (/** @type {SubmitEvent} */ event) => {
        event.preventDefault();
        const found = onPasted(input.value);
        setText(problem, found ? "" : say("link_unreadable"));
        input.setAttribute("aria-invalid", String(!found));
        if (found) input.value = "";
        else input.focus();
      },
    },
    createElement(
      "div",
      { class: "joined" },
      input,
      createElement("button", { class: "primary" }, say("sign_in")),
    ),
    problem,
  );
}

export class SignInPage extends LiveElement {
  #onPasted;
  /** @type {Connection | null} */
  #connection = null;
  #shown = "";
  #retry = createElement("p", { class: "soft" });

  /** @param {(text: string) => boolean} onPasted Takes the pasted text; returns whether it contains a token. */
  constructor(onPasted) {
    super();
    this.#onPasted = onPasted;
  }

  begin() {
    this.#shown = "";
    this.redrawEvery(1000);
  }

  /** @param {Connection | null} connection Null before a sign-in. */
  show(connection) {
    this.#connection = connection;
    this.#shown = "";
    this.draw();
  }

  draw() {
    const state = this.#connection?.state ?? null;
    const shown = state === null ? "none" : `${state.kind} ${state.ending}`;
    if (shown !== this.#shown) {
      this.#shown = shown;
      this.#build(state);
    }
    const retryAt = state?.retryAt ?? null;
    const seconds = retryAt === null ? 0 : Math.ceil((retryAt - Date.now()) / 1000);
    setText(this.#retry, seconds > 0 ? say("retry_in", { count: seconds }) : "");
  }

  /** @param {ConnectionState | null} state */
  #build(state) {
    const { headline, detail } =
      state === null ? { headline: say("welcome"), detail: say("welcome_detail") } : sayFirstState(state);
    const waiting = state !== null && state.kind !== "ended";
    const trouble = state !== null && !["connecting", "slow"].includes(state.kind);
    const retry = createElement("button", { click: () => this.#connection?.client.wake() }, say("retry_now"));
    setChildren(
      this,
      createElement(
        "main",
        { class: "sign-in", "data-connection": state?.ending ?? state?.kind ?? "none" },
        createElement("p", { class: "brand" }, "Relevo"),
        createElement(
          "div",
          { role: "status" },
          createElement("h1", {}, headline),
          createElement("p", {}, detail),
        ),
        waiting && !trouble && createElement("div", { class: "progress", "aria-hidden": "true" }),
        waiting && trouble && createElement("div", { class: "row" }, retry, this.#retry),
        !waiting && linkForm(this.#onPasted, say("link_label")),
      ),
    );
  }
}

customElements.define("sign-in-page", SignInPage);
