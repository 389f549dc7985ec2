/** Small questions before something is done. What was typed as an answer stays until it has been done. */

import { el, setText } from "./dom.js";
import { say } from "./words.js";

/** @typedef {import("../../js/src/index.js").Session} Session */
/** @typedef {import("../model/drafts.js").Drafts} Drafts */

const REASON_MAX = 1_000;

/**
 * Ask for a reason, and decline.
 *
 * @param {Session} session
 * @param {Drafts} drafts
 * @param {(reason: string, key: string) => Promise<boolean>} decline Returns whether it was done.
 * @returns {Promise<void>}
 */
export async function askToDecline(session, drafts, decline) {
  const draft = `decline/${session.id}/${session.fence}`;
  const left = el("span", { class: "soft" });
  const input = el("textarea", { rows: 3, maxlength: REASON_MAX, id: "decline-reason", input: typed });
  input.value = drafts.get(draft).text;
  function typed() {
    drafts.type(draft, input.value);
    setText(left, input.value === "" ? "" : `${input.value.length}/${REASON_MAX}`);
  }
  const yes = await ask(
    say("decline_title", { customer: session.customer.name }),
    say("decline"),
    el("p", {}, say("decline_detail")),
    el("label", { for: "decline-reason" }, say("reason_optional")),
    input,
    left,
  );
  if (!yes) return;
  if (await decline(input.value.trim(), drafts.keyOf(draft))) drafts.done(draft);
}

/**
 * Ask whether to do something.
 *
 * @param {string} title
 * @param {string} verb What the button says that does it.
 * @param {...Node} content
 * @returns {Promise<boolean>}
 */
export function ask(title, verb, ...content) {
  const dialog = el(
    "dialog",
    { class: "question", "aria-labelledby": "question-title" },
    el(
      "form",
      { method: "dialog" },
      el("h2", { id: "question-title" }, title),
      ...content,
      el(
        "div",
        { class: "row end" },
        el("button", { value: "no", type: "submit", formnovalidate: true }, say("cancel")),
        el("button", { value: "yes", class: "primary" }, verb),
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
