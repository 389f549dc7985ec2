/** One conversation in a list: who, how it came here and why, since when, and what can be done at once. */

import { el, setAttribute, setText } from "./dom.js";
import { ageMark } from "./marks.js";
import { say } from "./words.js";

/** @typedef {import("../../js/src/index.js").Session} Session */
/** @typedef {import("../../js/src/index.js").Transfer} Transfer */
/** @typedef {import("../model/desk.js").Desk} Desk */
/** @typedef {import("../model/desk.js").Sent} Sent */
/** @typedef {import("./desk.js").Doings} Doings */

/**
 * Say how a conversation came: who sent it, and to whom.
 *
 * @param {Transfer} transfer
 * @param {string | undefined} myId
 */
export function sayArrival({ by, from, to }, myId) {
  const mine = to.kind === "agent" && to.id === myId;
  // What one sent away and has again was declined or recalled.
  if (by.id === myId && !mine) return say("came_back", { name: to.name });
  const names = { by: by.id === myId ? say("you") : by.name, to: mine ? say("you") : to.name };
  // An admin may send what a third had: then both are named.
  const third = from !== null && from.kind === "agent" && from.id !== by.id;
  return third ? say("arrival_from", { ...names, from: from.name }) : say("arrival", names);
}

/** The parts that all cards have. @param {string} kind */
function frame(kind) {
  const title = el("button", { class: "card-title" });
  const mark = el("span", { class: "new-mark" }, say("new"));
  const age = ageMark();
  const how = el("p", { class: "how" });
  const reason = el("p", { class: "reason" });
  const actions = el("div", { class: "actions" });
  const card = el(
    "li",
    { class: `card ${kind}` },
    el("div", { class: "card-head" }, title, mark, age),
    how,
    reason,
    actions,
  );
  return { card, title, mark, age, how, reason, actions };
}

/**
 * @param {ReturnType<typeof frame>} parts
 * @param {Session} session
 * @param {Transfer | null} transfer
 * @param {string} how
 * @param {number} now
 */
function show({ title, age, how: howElement, reason, mark }, session, transfer, how, now) {
  setText(title, session.customer.name);
  age.update(session.updatedAt, now);
  setText(howElement, how);
  setText(reason, transfer?.reason ?? "");
  reason.hidden = !transfer?.reason;
  mark.hidden = true;
}

/**
 * A button that is pressed once until it is answered.
 *
 * @param {string} text
 * @param {string} kind
 * @param {() => unknown} press
 */
export function action(text, kind, press) {
  const button = el(
    "button",
    {
      class: kind,
      click: async () => {
        // Not `disabled`: that would throw the focus away, and with it the reader's place.
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

/** @param {Desk} desk @param {Doings} doings @param {() => number} now */
export function progressCard(desk, doings, now) {
  return ownCard("in-progress", desk, doings, now, () => []);
}

/** @param {Desk} desk @param {Doings} doings @param {() => number} now */
export function pendingCard(desk, doings, now) {
  return ownCard("pending", desk, doings, now, (shown) => [
    action(say("accept"), "primary", () => doings.accept(shown())),
    action(say("decline"), "", () => doings.decline(shown())),
    action(say("transfer"), "", () => doings.transfer(shown())),
  ]);
}

/**
 * Make the card of a conversation that is the reader's own: in progress, or in the pending list.
 *
 * @param {string} kind
 * @param {Desk} desk
 * @param {Doings} doings
 * @param {() => number} now
 * @param {(shown: () => Session) => HTMLElement[]} actions Buttons for the session that is shown then.
 */
function ownCard(kind, desk, doings, now, actions) {
  const parts = frame(kind);
  /** @type {Session} */
  let shown;
  const buttons = actions(() => shown);
  parts.title.addEventListener("click", () => doings.choose(shown));
  if (buttons.length > 0) parts.actions.append(...buttons);
  else parts.actions.remove();
  return Object.assign(parts.card, {
    /** @param {Session} session */
    update(session) {
      shown = session;
      const { transfer } = session;
      const arrival = transfer === null ? say("opened_here") : sayArrival(transfer, desk.me?.id);
      show(parts, session, transfer, arrival, now());
      const fresh = desk.unseen.has(session.id);
      parts.mark.hidden = !fresh;
      setAttribute(parts.card, "data-new", fresh);
      setAttribute(parts.title, "aria-current", desk.chosen?.session.id === session.id && "true");
    },
  });
}

/** @param {Desk} desk @param {Doings} doings @param {() => number} now */
export function queuedCard(desk, doings, now) {
  const parts = frame("queued");
  /** @type {Session} */
  let shown;
  parts.title.replaceWith((parts.title = /** @type {any} */ (el("span", { class: "card-title" }))));
  parts.actions.append(action(say("take"), "", () => doings.accept(shown)));
  return Object.assign(parts.card, {
    /** @param {Session} session */
    update(session) {
      shown = session;
      const { transfer, owner } = session;
      const where = owner === null ? "" : say("queued_in", { name: desk.ownerName(owner) });
      const how = transfer === null ? where : `${where} · ${say("sent_by", { name: transfer.by.name })}`;
      show(parts, session, transfer, how, now());
    },
  });
}

/** @param {Desk} desk @param {Doings} doings @param {() => number} now */
export function sentCard(desk, doings, now) {
  const parts = frame("sent");
  /** @type {Sent} */
  let shown;
  parts.title.replaceWith((parts.title = /** @type {any} */ (el("span", { class: "card-title" }))));
  parts.actions.append(action(say("recall"), "", () => doings.recall(shown.session)));
  return Object.assign(parts.card, {
    /** @param {Sent} sent */
    update(sent) {
      shown = sent;
      const { session, transfer } = sent;
      const name = session.owner === null ? transfer.to.name : desk.ownerName(session.owner);
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
