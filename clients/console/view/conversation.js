/** `<relevo-conversation>`: a conversation with its latest transfer, its history and internal notes. */

import { ask } from "./decline.js";
import { createElement, setAttribute, setChildren, setText } from "../../dialog/dom.js";
import { sayError } from "./errors.js";
import { LiveElement } from "./live-element.js";
import { ageMark, stateMark } from "./marks.js";
import { sayUpdate } from "./notices.js";
import { action, sayArrival } from "./session-cards.js";
import { TimelineList } from "./timeline.js";
import { say } from "./words.js";

/** @typedef {import("../../js/src/index.js").Session} Session */
/** @typedef {import("../model/workspace.js").OpenSession} OpenSession */
/** @typedef {import("./app.js").ConsoleContext} ConsoleContext */

const NOTE_MAX = 4_000;

export class Conversation extends LiveElement {
  #context;
  #commands;
  /** The id and fence of the head on the screen. */
  #built = "";
  /** @type {OpenSession | null} */
  #open = null;
  #head = createElement("div", { class: "conversation-head" });
  #arrival = createElement("div", { class: "arrival" });
  #removal = createElement("div", { class: "removal-note", role: "status" });
  #timeline = new TimelineList();
  #age = ageMark();
  #state = stateMark();
  #note = createElement("textarea", { rows: 2, id: "note", maxlength: NOTE_MAX });
  #noteState = createElement("span", { class: "soft", role: "status" });
  #send = createElement("button", { class: "primary", type: "submit" }, say("add_note"));
  /** The conversations whose note is being sent. @type {Set<string>} */
  #sending = new Set();

  /**
   * @param {ConsoleContext} context
   * @param {import("./workspace.js").SessionCommands} commands
   */
  constructor(context, commands) {
    super();
    this.#context = context;
    this.#commands = commands;
  }

  begin() {
    const { workspace, connection } = this.#context;
    this.setAttribute("role", "region");
    this.setAttribute("aria-label", say("conversation"));
    this.#note.placeholder = say("note_placeholder");
    const form = createElement(
      "form",
      {
        class: "composer",
        submit: (/** @type {SubmitEvent} */ event) => {
          event.preventDefault();
          void this.#sendNote();
        },
      },
      createElement("label", { for: "note" }, say("note_label")),
      this.#note,
      createElement(
        "div",
        { class: "row" },
        this.#noteState,
        createElement("span", { class: "spring" }),
        this.#send,
      ),
    );
    this.#note.addEventListener("input", () => this.#typed());
    this.#note.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    this.replaceChildren(this.#head, this.#removal, this.#arrival, this.#timeline, form);
    this.listen(workspace, "change");
    this.listen(connection, "state");
    this.redrawEvery(1000);
  }

  draw() {
    const { workspace, connection } = this.#context;
    const { open } = workspace;
    if (open === null) {
      this.#open = null;
      this.#built = "";
      return;
    }
    const { session, removal } = open;
    const other = this.#open?.session.id !== session.id || this.#open.timeline !== open.timeline;
    this.#open = open;
    const built = `${session.id} ${session.fence} ${removal === null}`;
    if (built !== this.#built) {
      this.#built = built;
      const focused = this.contains(document.activeElement);
      this.#build(open);
      if (focused && document.activeElement === document.body) this.focusHeading();
    }
    if (other) {
      this.#timeline.show(open.timeline, workspace.me?.id ?? null);
      this.#note.value = this.#context.drafts.get(`note/${session.id}`).text;
      this.#typed();
    }
    setText(this.#removal, removal === null ? "" : this.#describeRemoval(removal));
    this.#age.update(session.updatedAt, connection.now());
    this.#note.readOnly = removal !== null;
    this.#send.hidden = removal !== null;
    this.#showNoteState();
  }

  /** Take the focus of a button that is gone. */
  focusHeading() {
    this.querySelector("h2")?.focus({ preventScroll: true });
  }

  /** @param {OpenSession} open */
  #build({ session, removal }) {
    const { workspace } = this.#context;
    const { transfer, state } = session;
    const buttons =
      removal !== null
        ? []
        : state === "pending"
          ? [
              action(say("accept"), "primary", () => this.#commands.accept(session)),
              action(say("decline"), "", () => this.#commands.decline(session)),
              action(say("transfer"), "", () => this.#commands.transfer(session)),
            ]
          : [
              action(say("transfer"), "primary", () => this.#commands.transfer(session)),
              action(say("close"), "", () => this.#close(session)),
            ];
    this.#state.update(session);
    const back = createElement(
      "button",
      { class: "back quiet", "aria-label": say("back"), click: () => workspace.openSession(null) },
      "‹",
    );
    setChildren(
      this.#head,
      back,
      createElement(
        "div",
        { class: "identity" },
        createElement("h2", { tabindex: -1 }, session.customer.name),
        createElement(
          "p",
          { class: "soft" },
          removal === null && this.#state,
          removal === null && this.#age,
          createElement("span", { class: "id" }, session.id),
        ),
      ),
      createElement("div", { class: "actions" }, ...buttons),
    );
    this.#arrival.hidden = transfer === null || removal !== null;
    if (transfer !== null) {
      setChildren(
        this.#arrival,
        createElement("p", {}, sayArrival(transfer, workspace.me?.id)),
        transfer.reason !== null && createElement("blockquote", {}, transfer.reason),
      );
    }
    this.#removal.hidden = removal === null;
    setAttribute(this, "data-removed", removal !== null);
  }

  /** @param {NonNullable<OpenSession["removal"]>} removal */
  #describeRemoval({ why, transfer, update }) {
    const news = update === null ? null : sayUpdate(update, this.#context.workspace);
    if (news !== null) return news;
    if (why !== "transferred" || transfer === null) return say(`removed_${why}`, {}, say("removed_moved"));
    const mine = transfer.by.id === this.#context.workspace.me?.id;
    const names = { name: transfer.by.name, target: transfer.to.name };
    const transferred = say("removed_transferred", names);
    return mine ? say(`removed_by_me_${transfer.outcome}`, names, transferred) : transferred;
  }

  /** @param {Session} session */
  async #close(session) {
    const question = say("close_title", { customer: session.customer.name });
    if (await ask(question, say("close"), createElement("p", {}, say("close_detail"))))
      await this.#commands.close(session);
  }

  #typed() {
    if (this.#open !== null && this.#open.removal === null) {
      this.#context.drafts.type(`note/${this.#open.session.id}`, this.#note.value);
    }
    this.#showNoteState();
  }

  #showNoteState() {
    const { length } = this.#note.value;
    const sending = this.#open !== null && this.#sending.has(this.#open.session.id);
    const { live } = this.#context.connection;
    let text = "";
    if (sending) text = say(live ? "note_sending" : "note_waiting");
    else if (this.#open?.removal && length > 0) text = say("note_kept");
    else if (length > NOTE_MAX * 0.8) text = `${length}/${NOTE_MAX}`;
    setText(this.#noteState, text);
    setAttribute(this.#send, "aria-busy", sending && "true");
  }

  async #sendNote() {
    const { workspace, drafts, notices } = this.#context;
    if (this.#open === null) return;
    const { id } = this.#open.session;
    const draft = `note/${id}`;
    const { text } = drafts.get(draft);
    if (text.trim() === "" || this.#sending.has(id)) return;
    const key = drafts.keyOf(draft);
    this.#sending.add(id);
    this.#showNoteState();
    try {
      await workspace.note(id, text, key);
      // The agent may have typed on during the request: only the sent text is done.
      if (drafts.get(draft).text === text) {
        drafts.done(draft);
        if (this.#open?.session.id === id) this.#note.value = "";
      }
    } catch (error) {
      notices.show(sayError(error, workspace.client.directory), { kind: "bad" });
    } finally {
      this.#sending.delete(id);
      this.#showNoteState();
    }
  }
}

customElements.define("relevo-conversation", Conversation);
