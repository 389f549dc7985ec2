/** What the dialog says, and offers to do, once a transfer was tried. */

import { tell, tellLeft, tellMoved, tellTrouble } from "./course.js";

/** @typedef {import("./course.js").Telling} Telling */
/** @typedef {import("./course.js").Teller} Teller */
/** @typedef {import("./errand.js").Stage} Stage */

/**
 * What a button asks of the dialog.
 *
 * @typedef {"close" | "select" | "transfer" | "stop" | "retry" | "back" | "recall"} Action
 */

/** @typedef {{ action: Action, label: string, busy?: boolean }} Offer */

/**
 * Return what is shown at a stage at which nothing can be chosen.
 *
 * @param {Exclude<Stage, { at: "choosing" }>} stage
 * @param {boolean} waiting Whether the transfer still waits for somebody.
 * @param {Teller} teller
 * @returns {{ telling: Telling, offers: Offer[] }} The last offer is the main one.
 */
export function outcomeAt(stage, waiting, teller) {
  const { words } = teller;
  /** @type {Offer} */
  const done = { action: "close", label: words.say("dialog.done") };
  /** @type {Offer} */
  const back = { action: "back", label: words.say("dialog.back") };
  switch (stage.at) {
    case "sending": {
      const title = words.say("dialog.waiting_for_connection");
      const stop = words.say("dialog.stop");
      return { telling: { tone: "neutral", title, details: [] }, offers: [{ action: "stop", label: stop }] };
    }
    case "left":
      return { telling: tellLeft(stage.event, teller), offers: [done] };
    case "moved":
      return { telling: tellMoved(stage.session, teller), offers: [done, back] };
    case "trouble": {
      const telling = tellTrouble(stage.error, teller, "transfer");
      if (telling.again === "never") return { telling, offers: [done] };
      if (telling.again === "other") return { telling, offers: [done, back] };
      return { telling, offers: [back, { action: "retry", label: words.say("dialog.retry") }] };
    }
    case "course": {
      const { course, recalling, trouble } = stage;
      const telling = trouble === null ? tell(course, teller) : tellTrouble(trouble, teller, "recall");
      const label = words.say(recalling ? "dialog.recalling" : "dialog.recall");
      return { telling, offers: waiting ? [{ action: "recall", label, busy: recalling }, done] : [done] };
    }
  }
}
