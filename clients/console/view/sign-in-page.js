/** `<sign-in-page>`: asks for a link, says how the first connection goes, or why there is none. */

import { el, fill, setText } from "./dom.js";
import { LiveElement } from "./live-element.js";
import { say } from "./words.js";

/** @typedef {import("../model/connection.js").Connection} Connection */
/** @typedef {import("../model/connection.js").Situation} Situation */

/**
 * Say a situation in a headline and what it means for the reader.
 *
 * @param {Situation} situation
 * @returns {{ headline: string, detail: string }}
 */
export function saySituation({ kind, ending }) {
  const name = kind === "ended" ? `ended_${ending ?? "other"}` : `situation_${kind}`;
  return { headline: say(name), detail: say(`${name}_detail`) };
}

/**
 * Say a situation to who sees nothing yet that could be of before.
 *
 * @param {Situation} situation
 */
function sayFirst(situation) {
  const said = saySituation(situation);
  const detail = ["unreachable", "lost"].includes(situation.kind) ? say("not_yet_detail") : said.detail;
  return { ...said, detail };
}

/**
 * Make the form that takes another link.
 *
 * @param {(text: string) => boolean} given Returns whether there is a token in the text.
 * @param {string} label
 */
export function linkForm(given, label) {
  const problem = el("p", { class: "problem", id: "link-problem", role: "alert" });
  const input = el("input", {
    type: "password",
    name: "link",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": label,
    "aria-describedby": "link-problem",
    placeholder: label,
    required: true,
  });
  return el(
    "form",
    {
      class: "link-form",
      submit: (/** @type {SubmitEvent} */ event) => {
        event.preventDefault();
        const found = given(input.value);
        setText(problem, found ? "" : say("link_unreadable"));
        input.setAttribute("aria-invalid", String(!found));
        if (found) input.value = "";
        else input.focus();
      },
    },
    el("div", { class: "joined" }, input, el("button", { class: "primary" }, say("sign_in"))),
    problem,
  );
}

export class SignInPage extends LiveElement {
  #given;
  /** @type {Connection | null} */
  #connection = null;
  #shown = "";
  #retry = el("p", { class: "soft" });

  /** @param {(text: string) => boolean} given Takes what is pasted; returns whether there is a token in it. */
  constructor(given) {
    super();
    this.#given = given;
  }

  begin() {
    this.#shown = "";
    this.redrawEvery(1000);
  }

  /** @param {Connection | null} connection Null where nobody has signed in. */
  show(connection) {
    this.#connection = connection;
    this.#shown = "";
    this.draw();
  }

  draw() {
    const situation = this.#connection?.situation ?? null;
    const shown = situation === null ? "none" : `${situation.kind} ${situation.ending}`;
    if (shown !== this.#shown) {
      this.#shown = shown;
      this.#build(situation);
    }
    const retryAt = situation?.retryAt ?? null;
    const seconds = retryAt === null ? 0 : Math.ceil((retryAt - Date.now()) / 1000);
    setText(this.#retry, seconds > 0 ? say("retry_in", { count: seconds }) : "");
  }

  /** @param {Situation | null} situation */
  #build(situation) {
    const { headline, detail } =
      situation === null ? { headline: say("welcome"), detail: say("welcome_detail") } : sayFirst(situation);
    const waiting = situation !== null && situation.kind !== "ended";
    const trouble = situation !== null && !["connecting", "slow"].includes(situation.kind);
    const again = el("button", { click: () => this.#connection?.client.wake() }, say("retry_now"));
    fill(
      this,
      el(
        "main",
        { class: "sign-in", "data-situation": situation?.ending ?? situation?.kind ?? "none" },
        el("p", { class: "brand" }, "Relevo"),
        el("div", { role: "status" }, el("h1", {}, headline), el("p", {}, detail)),
        waiting && !trouble && el("div", { class: "progress", "aria-hidden": "true" }),
        waiting && trouble && el("div", { class: "row" }, again, this.#retry),
        !waiting && linkForm(this.#given, say("link_label")),
      ),
    );
  }
}

customElements.define("sign-in-page", SignInPage);
