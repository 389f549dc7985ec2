/** `<agent-desk>`: the lists of conversations at the left, and the chosen one beside them. */

import { Conversation } from "./conversation.js";
import { askToDecline } from "./decline.js";
import { el, keyed, setAttribute, setText } from "./dom.js";
import { sayError } from "./errors.js";
import { LiveElement } from "./live-element.js";
import { pendingCard, progressCard, queuedCard, sentCard } from "./session-cards.js";
import { say } from "./words.js";

/** @typedef {import("../../js/src/index.js").Session} Session */
/** @typedef {import("./app.js").Office} Office */

/**
 * @template T
 * @typedef {object} Group A list under its headline.
 * @property {HTMLElement} element
 * @property {(items: readonly T[]) => void} update
 */

/**
 * What a card's buttons do.
 *
 * @typedef {object} Doings
 * @property {(session: Session) => void} choose
 * @property {(session: Session) => Promise<unknown>} accept
 * @property {(session: Session) => Promise<unknown>} decline
 * @property {(session: Session) => Promise<unknown>} recall
 * @property {(session: Session) => Promise<unknown>} close
 * @property {(session: Session) => void} transfer
 */

export class AgentDesk extends LiveElement {
  #office;
  #doings;
  #conversation;
  #empty = el("div", { class: "empty" });
  #groups;

  /** @param {Office} office */
  constructor(office) {
    super();
    this.#office = office;
    this.#doings = this.#makeDoings();
    this.#conversation = new Conversation(office, this.#doings);
    this.#groups = this.#makeGroups();
  }

  begin() {
    const { desk } = this.#office;
    const { progress, pending, queued, sent } = this.#groups;
    this.replaceChildren(
      el("h1", { class: "unseen" }, say("desk")),
      el("div", { class: "lists" }, progress.element, pending.element, queued.element, sent.element),
      el("div", { class: "stage" }, this.#empty, this.#conversation),
    );
    this.listen(desk, "change");
    this.redrawEvery(1000);
  }

  draw() {
    const { desk } = this.#office;
    this.#groups.progress.update(desk.inProgress);
    this.#groups.pending.update(desk.pending);
    this.#groups.queued.update(desk.queued);
    this.#groups.sent.update([...desk.sent.values()].reverse());
    setAttribute(this, "data-chosen", desk.chosen !== null);
    this.#empty.hidden = desk.chosen !== null;
    this.#conversation.hidden = desk.chosen === null;
    const busy = desk.inProgress.length + desk.pending.length > 0;
    setText(this.#empty, say(busy ? "choose_one" : "nothing_yet"));
  }

  #makeGroups() {
    const { desk, connection } = this.#office;
    const now = () => connection.now();
    const doings = this.#doings;
    return {
      progress: group(
        say("in_progress"),
        say("in_progress_none"),
        (/** @type {Session} */ { id }) => id,
        () => progressCard(desk, doings, now),
      ),
      pending: group(
        say("pending"),
        say("pending_none"),
        (/** @type {Session} */ { id }) => id,
        () => pendingCard(desk, doings, now),
      ),
      queued: group(
        say("queued"),
        null,
        (/** @type {Session} */ { id }) => id,
        () => queuedCard(desk, doings, now),
      ),
      sent: group(
        say("sent"),
        null,
        (/** @type {import("../model/desk.js").Sent} */ { session }) => session.id,
        () => sentCard(desk, doings, now),
      ),
    };
  }

  /** @returns {Doings} */
  #makeDoings() {
    const { desk, notices, drafts, transfers } = this.#office;
    /** @param {Promise<unknown>} doing @returns {Promise<boolean>} Whether it was done. */
    const told = async (doing) => {
      try {
        await doing;
        return true;
      } catch (error) {
        notices.show(sayError(error, desk.client.directory), { kind: "bad" });
        return false;
      }
    };
    return {
      choose: ({ id }) => desk.choose(id),
      accept: (session) => told(desk.accept(session)),
      decline: (session) =>
        askToDecline(session, drafts, (reason, key) => told(desk.decline(session, reason, key))),
      recall: (session) => told(desk.recall(session)),
      close: (session) => told(desk.close(session)),
      transfer: (session) => transfers.open(session),
    };
  }
}

/**
 * Make a list under a headline with its count.
 *
 * @template T
 * @param {string} headline
 * @param {string | null} none What to say when there are none; null to hide it all.
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => HTMLElement & { update: (item: T) => void }} create
 */
function group(headline, none, keyOf, create) {
  const count = el("span", { class: "count" });
  const list = el("ul");
  const nothing = el("p", { class: "soft none" }, none);
  const element = el("section", { class: "group" }, el("h2", {}, headline, " ", count), list, nothing);
  return {
    element,
    /** @param {readonly T[]} items */
    update(items) {
      keyed(list, items, keyOf, create);
      setText(count, items.length > 0 ? String(items.length) : "");
      nothing.hidden = items.length > 0;
      element.hidden = items.length === 0 && none === null;
    },
  };
}

customElements.define("agent-desk", AgentDesk);
