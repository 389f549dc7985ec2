/** The texts and buttons that the dialog shows once a transfer was tried. */

import { describeError, describeMove, describeRemoval, describeTransfer } from "./transfer-state.js";

/** @typedef {import("./transfer-flow.js").Stage} Stage */
/** @typedef {import("./transfer-state.js").DescribeContext} DescribeContext */
/** @typedef {import("./transfer-state.js").Description} Description */

/**
 * What a button does.
 *
 * @typedef {"close" | "select" | "transfer" | "stop" | "retry" | "back" | "recall"} Action
 */

/** @typedef {{ action: Action, label: string, busy?: boolean }} OutcomeButton */

/**
 * Return what is shown at every stage but `choosing`.
 *
 * @param {Exclude<Stage, { at: "choosing" }>} stage
 * @param {boolean} waiting Whether the transfer is pending or queued.
 * @param {DescribeContext} context
 * @returns {{ description: Description, buttons: OutcomeButton[] }} The last button is the main one.
 */
export function outcomeAt(stage, waiting, context) {
  const { words } = context;
  /** @type {OutcomeButton} */
  const done = { action: "close", label: words.say("dialog.done") };
  /** @type {OutcomeButton} */
  const back = { action: "back", label: words.say("dialog.back") };
  switch (stage.at) {
    case "sending": {
      const title = words.say("dialog.waiting_for_connection");
      return {
        description: { tone: "neutral", title, details: [] },
        buttons: [{ action: "stop", label: words.say("dialog.stop") }],
      };
    }
    case "removed":
      return { description: describeRemoval(stage.event, context), buttons: [done] };
    case "moved":
      return { description: describeMove(stage.session, context), buttons: [done, back] };
    case "failed": {
      const description = describeError(stage.error, context, "transfer");
      if (description.retry === "never") return { description, buttons: [done] };
      if (description.retry === "other") return { description, buttons: [done, back] };
      return { description, buttons: [back, { action: "retry", label: words.say("dialog.retry") }] };
    }
    case "transferred": {
      const { progress, recalling, error } = stage;
      const description =
        error === null ? describeTransfer(progress, context) : describeError(error, context, "recall");
      const label = words.say(recalling ? "dialog.recalling" : "dialog.recall");
      return {
        description,
        buttons: waiting ? [{ action: "recall", label, busy: recalling }, done] : [done],
      };
    }
  }
}
