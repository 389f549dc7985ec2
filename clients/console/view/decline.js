/** Confirmation dialogs. A typed reason is kept until the command has succeeded. */

import { createElement, setText } from "../../dialog/dom.js";
import { REASON_MAX } from "../../dialog/view.js";
import { say } from "./words.js";

/** @typedef {import("../../js/src/index.js").Session} Session */
/** @typedef {import("../../dialog/drafts.js").Drafts} Drafts */

/**
 * Ask for a reason, then decline.
 *
 * @param {Session} session
 * @param {Drafts} drafts
 * @param {(reason: string, key: string) => Promise<boolean>} decline Returns whether it succeeded.
 * @returns {Promise<void>}
 */
export async function askToDecline(session, drafts, decline) {
  const draft = `decline/${session.id}/${session.fence}`;
  const left = createElement("span", { class: "soft" });
  const input = createElement("textarea", {
    rows: 3,
    maxlength: REASON_MAX,
    id: "decline-reason",
    input: typed,
  });
  input.value = drafts.get(draft).text;
  function typed() {
    drafts.type(draft, input.value);
    setText(left, input.value === "" ? "" : `${input.value.length}/${REASON_MAX}`);
  }
  const yes = await ask(
    say("decline_title", { customer: session.customer.name }),
    say("decline"),
    createElement("p", {}, say("decline_detail")),
    createElement("label", { for: "decline-reason" }, say("reason_optional")),
    input,
    left,
  );
  if (!yes) return;
  if (await decline(input.value.trim(), drafts.keyOf(draft))) drafts.done(draft);
}

/**
 * Ask for a confirmation.
 *
 * @param {string} title
 * @param {string} confirmation The label of the confirming button.
 * @param {...Node} content
 * @returns {Promise<boolean>}
 */
export function ask(title, confirmation, ...content) {
  const dialog = createElement(
    "dialog",
    { class: "question", "aria-labelledby": "question-title" },
    createElement(
      "form",
      { method: "dialog" },
      createElement("h2", { id: "question-title" }, title),
      ...content,
      createElement(
        "div",
        { class: "row end" },
        createElement("button", { value: "no", type: "submit", formnovalidate: true }, say("cancel")),
        createElement("button", { value: "yes", class: "primary" }, confirmation),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
