/** `<agent-workspace>`: the lists of conversations at the left, and the open one beside them. */

import { Conversation } from "./conversation.js";
import { askToDecline } from "./decline.js";
import { createElement, setAttribute, setKeyedChildren, setText } from "../../dialog/dom.js";
import { sayError } from "./errors.js";
import { LiveElement } from "./live-element.js";
import { pendingCard, progressCard, queuedCard, sentCard } from "./session-cards.js";
import { say } from "./words.js";

/** @typedef {import("../../js/src/index.js").Session} Session */
/** @typedef {import("./app.js").ConsoleContext} ConsoleContext */

/**
 * @template T
 * @typedef {object} Group A list under its headline.
 * @property {HTMLElement} element
 * @property {(items: readonly T[]) => void} update
 */

/**
 * What a card's buttons do.
 *
 * @typedef {object} SessionCommands
 * @property {(session: Session) => void} open
 * @property {(session: Session) => Promise<unknown>} accept
 * @property {(session: Session) => Promise<unknown>} decline
 * @property {(session: Session) => Promise<unknown>} recall
 * @property {(session: Session) => Promise<unknown>} close
 * @property {(session: Session) => void} transfer
 */

export class AgentWorkspace extends LiveElement {
  #context;
  #commands;
  #conversation;
  #empty = createElement("div", { class: "empty" });
  #groups;

  /** @param {ConsoleContext} context */
  constructor(context) {
    super();
    this.#context = context;
    this.#commands = this.#createCommands();
    this.#conversation = new Conversation(context, this.#commands);
    this.#groups = this.#createGroups();
  }

  begin() {
    const { workspace } = this.#context;
    const { progress, pending, queued, sent } = this.#groups;
    this.replaceChildren(
      createElement("h1", { class: "visually-hidden" }, say("workspace")),
      createElement(
        "div",
        { class: "lists" },
        progress.element,
        pending.element,
        queued.element,
        sent.element,
      ),
      createElement("div", { class: "conversation-pane" }, this.#empty, this.#conversation),
    );
    this.listen(workspace, "change");
    this.redrawEvery(1000);
  }

  draw() {
    const { workspace } = this.#context;
    const focused = this.contains(document.activeElement);
    this.#groups.progress.update(workspace.inProgress);
    this.#groups.pending.update(workspace.pending);
    this.#groups.queued.update(workspace.queued);
    this.#groups.sent.update([...workspace.sent.values()].reverse());
    setAttribute(this, "data-open", workspace.open !== null);
    this.#empty.hidden = workspace.open !== null;
    this.#conversation.hidden = workspace.open === null;
    const busy = workspace.inProgress.length + workspace.pending.length > 0;
    setText(this.#empty, say(busy ? "choose_one" : "nothing_yet"));
    if (focused && document.activeElement === document.body) this.#conversation.focusHeading();
  }

  #createGroups() {
    const { workspace, connection } = this.#context;
    const now = () => connection.now();
    const commands = this.#commands;
    return {
      progress: group(
        say("in_progress"),
        say("in_progress_none"),
        (/** @type {Session} */ { id }) => id,
        () => progressCard(workspace, commands, now),
      ),
      pending: group(
        say("pending"),
        say("pending_none"),
        (/** @type {Session} */ { id }) => id,
        () => pendingCard(workspace, commands, now),
      ),
      queued: group(
        say("queued"),
        null,
        (/** @type {Session} */ { id }) => id,
        () => queuedCard(workspace, commands, now),
      ),
      sent: group(
        say("sent"),
        null,
        (/** @type {import("../model/workspace.js").Sent} */ { session }) => session.id,
        () => sentCard(workspace, commands, now),
      ),
    };
  }

  /** @returns {SessionCommands} */
  #createCommands() {
    const { workspace, notices, drafts, transfers } = this.#context;
    /** @param {Promise<unknown>} command @returns {Promise<boolean>} Whether it succeeded. */
    const withNotice = async (command) => {
      try {
        await command;
        return true;
      } catch (error) {
        notices.show(sayError(error, workspace.client.directory), { kind: "bad" });
        return false;
      }
    };
    return {
      open: ({ id }) => workspace.openSession(id),
      accept: (session) => withNotice(workspace.accept(session)),
      decline: (session) =>
        askToDecline(session, drafts, (reason, key) => withNotice(workspace.decline(session, reason, key))),
      recall: (session) => withNotice(workspace.recall(session)),
      close: (session) => withNotice(workspace.close(session)),
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
  const count = createElement("span", { class: "count" });
  const list = createElement("ul");
  const nothing = createElement("p", { class: "soft none" }, none);
  const element = createElement(
    "section",
    { class: "group" },
    createElement("h2", {}, headline, " ", count),
    list,
    nothing,
  );
  return {
    element,
    /** @param {readonly T[]} items */
    update(items) {
      setKeyedChildren(list, items, keyOf, create);
      setText(count, items.length > 0 ? String(items.length) : "");
      nothing.hidden = items.length > 0;
      element.hidden = items.length === 0 && none === null;
    },
  };
}

customElements.define("agent-workspace", AgentWorkspace);
