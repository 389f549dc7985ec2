/** A conversation in a list: customer, transfer, reason, age, and buttons. */

import { createElement, setAttribute, setText } from "../../dialog/dom.js";
import { ageMark } from "./marks.js";
import { say, sayAge } from "./words.js";

/** @typedef {import("../../js/src/index.js").Session} Session */
/** @typedef {import("../../js/src/index.js").Transfer} Transfer */
/** @typedef {import("../model/workspace.js").Workspace} Workspace */
/** @typedef {import("../model/workspace.js").Sent} Sent */
/** @typedef {import("./workspace.js").SessionCommands} SessionCommands */

/**
 * Describe the transfer that brought a conversation.
 *
 * @param {Transfer} transfer
 * @param {string | undefined} myId
 */
export function sayArrival({ by, from, to }, myId) {
  const mine = to.kind === "agent" && to.id === myId;
  // The agent's own transfer came back: declined or recalled.
  if (by.id === myId && !mine) return say("came_back", { name: to.name });
  const names = { by: by.id === myId ? say("you") : by.name, to: mine ? say("you") : to.name };
  // An admin may transfer another agent's conversation: then both are named.
  const third = from !== null && from.kind === "agent" && from.id !== by.id;
  return third ? say("arrival_from", { ...names, from: from.name }) : say("arrival", names);
}

/** The parts of all cards. @param {string} kind */
function createParts(kind) {
  const title = createElement("button", { class: "card-title" });
  const mark = createElement("span", { class: "new-mark" }, say("new"));
  const age = ageMark();
  const how = createElement("p", { class: "how" });
  const reason = createElement("p", { class: "reason" });
  const due = createElement("p", { class: "due soft" });
  const actions = createElement("div", { class: "actions" });
  const card = createElement(
    "li",
    { class: `card ${kind}` },
    createElement("div", { class: "card-head" }, title, mark, age),
    how,
    reason,
    due,
    actions,
  );
  return { card, title, mark, age, how, reason, due, actions };
}

/**
 * @param {ReturnType<typeof createParts>} parts
 * @param {Session} session
 * @param {Transfer | null} transfer
 * @param {string} how
 * @param {number} now
 */
function show({ title, age, how: howElement, reason, due, mark }, session, transfer, how, now) {
  setText(title, session.customer.name);
  age.update(session.updatedAt, now);
  setText(howElement, how);
  setText(reason, transfer?.reason ?? "");
  reason.hidden = !transfer?.reason;
  mark.hidden = true;
  due.hidden = session.dueAt === null;
  setText(due, session.dueAt === null ? "" : say("moves_on", { age: sayAge(session.dueAt - now) }));
}

/**
 * A button that ignores further presses until the command has its reply.
 *
 * @param {string} text
 * @param {string} kind
 * @param {() => unknown} press
 */
export function action(text, kind, press) {
  const button = createElement(
    "button",
    {
      class: kind,
      click: async () => {
        // Not `disabled`, which would take the focus away.
        if (button.getAttribute("aria-busy") === "true") return;
        button.setAttribute("aria-busy", "true");
        try {
          await press();
        } finally {
          button.removeAttribute("aria-busy");
        }
      },
    },
    text,
  );
  return button;
}

/** @param {Workspace} workspace @param {SessionCommands} commands @param {() => number} now */
export function progressCard(workspace, commands, now) {
  return ownCard("in-progress", workspace, commands, now, () => []);
}

/** @param {Workspace} workspace @param {SessionCommands} commands @param {() => number} now */
export function pendingCard(workspace, commands, now) {
  return ownCard("pending", workspace, commands, now, (current) => [
    action(say("accept"), "primary", () => commands.accept(current())),
    action(say("decline"), "", () => commands.decline(current())),
    action(say("transfer"), "", () => commands.transfer(current())),
  ]);
}

/**
 * Make the card of the agent's own conversation: in progress or pending.
 *
 * @param {string} kind
 * @param {Workspace} workspace
 * @param {SessionCommands} commands
 * @param {() => number} now
 * @param {(current: () => Session) => HTMLElement[]} actions Buttons for the session of the card.
 */
function ownCard(kind, workspace, commands, now, actions) {
  const parts = createParts(kind);
  /** @type {Session} */
  let current;
  const buttons = actions(() => current);
  parts.title.addEventListener("click", () => commands.open(current));
  if (buttons.length > 0) parts.actions.append(...buttons);
  else parts.actions.remove();
  return Object.assign(parts.card, {
    /** @param {Session} session */
    update(session) {
      current = session;
      const { transfer } = session;
      const arrival = transfer === null ? say("opened_here") : sayArrival(transfer, workspace.me?.id);
      show(parts, session, transfer, arrival, now());
      const fresh = workspace.unread.has(session.id);
      parts.mark.hidden = !fresh;
      setAttribute(parts.card, "data-new", fresh);
      setAttribute(parts.title, "aria-current", workspace.open?.session.id === session.id && "true");
    },
  });
}

/** @param {Workspace} workspace @param {SessionCommands} commands @param {() => number} now */
export function queuedCard(workspace, commands, now) {
  const parts = createParts("queued");
  /** @type {Session} */
  let current;
  parts.title.replaceWith(
    (parts.title = /** @type {any} */ (createElement("span", { class: "card-title" }))),
  );
  parts.actions.append(action(say("take"), "", () => commands.accept(current)));
  return Object.assign(parts.card, {
    /** @param {Session} session */
    update(session) {
      current = session;
      const { transfer, owner } = session;
      const where = owner === null ? "" : say("queued_in", { name: workspace.ownerName(owner) });
      const how = transfer === null ? where : `${where} · ${say("sent_by", { name: transfer.by.name })}`;
      show(parts, session, transfer, how, now());
    },
  });
}

/** @param {Workspace} workspace @param {SessionCommands} commands @param {() => number} now */
export function sentCard(workspace, commands, now) {
  const parts = createParts("sent");
  /** @type {Sent} */
  let current;
  parts.title.replaceWith(
    (parts.title = /** @type {any} */ (createElement("span", { class: "card-title" }))),
  );
  parts.actions.append(action(say("recall"), "", () => commands.recall(current.session)));
  return Object.assign(parts.card, {
    /** @param {Sent} sent */
    update(sent) {
      current = sent;
      const { session, transfer } = sent;
      const name = session.owner === null ? transfer.to.name : workspace.ownerName(session.owner);
      show(
        parts,
        session,
        transfer,
        say(session.state === "queued" ? "waits_in" : "waits_with", { name }),
        now(),
      );
    },
  });
}
