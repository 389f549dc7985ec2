/** `<relevo-conversation>`: one conversation, how it came, its history, and the notes of those who had it. */

import { ask } from "./decline.js";
import { el, fill, setAttribute, setText } from "./dom.js";
import { sayError } from "./errors.js";
import { LiveElement } from "./live-element.js";
import { ageMark, stateMark } from "./marks.js";
import { action, sayArrival } from "./session-cards.js";
import { TimelineList } from "./timeline.js";
import { say } from "./words.js";

/** @typedef {import("../../js/src/index.js").Session} Session */
/** @typedef {import("../model/desk.js").Chosen} Chosen */
/** @typedef {import("./app.js").Office} Office */

const NOTE_MAX = 4_000;

export class Conversation extends LiveElement {
  #office;
  #doings;
  /** The id and fence that the head was built for. */
  #built = "";
  /** @type {Chosen | null} */
  #chosen = null;
  #head = el("div", { class: "conversation-head" });
  #arrival = el("div", { class: "arrival" });
  #left = el("div", { class: "left-note", role: "status" });
  #timeline = new TimelineList();
  #age = ageMark();
  #state = stateMark();
  #note = el("textarea", { rows: 2, id: "note", maxlength: NOTE_MAX });
  #noteState = el("span", { class: "soft", role: "status" });
  #send = el("button", { class: "primary", type: "submit" }, say("add_note"));
  /** Of which conversations a note is on its way. @type {Set<string>} */
  #sending = new Set();

  /**
   * @param {Office} office
   * @param {import("./desk.js").Doings} doings
   */
  constructor(office, doings) {
    super();
    this.#office = office;
    this.#doings = doings;
  }

  begin() {
    const { desk, connection } = this.#office;
    this.setAttribute("role", "region");
    this.setAttribute("aria-label", say("conversation"));
    this.#note.placeholder = say("note_placeholder");
    const form = el(
      "form",
      {
        class: "composer",
        submit: (/** @type {SubmitEvent} */ event) => {
          event.preventDefault();
          void this.#sendNote();
        },
      },
      el("label", { for: "note" }, say("note_label")),
      this.#note,
      el("div", { class: "row" }, this.#noteState, el("span", { class: "spring" }), this.#send),
    );
    this.#note.addEventListener("input", () => this.#typed());
    this.#note.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    this.replaceChildren(this.#head, this.#left, this.#arrival, this.#timeline, form);
    this.listen(desk, "change");
    this.listen(connection, "situation");
    this.redrawEvery(1000);
  }

  draw() {
    const { desk, connection } = this.#office;
    const { chosen } = desk;
    if (chosen === null) {
      this.#chosen = null;
      this.#built = "";
      return;
    }
    const { session, left } = chosen;
    const other = this.#chosen?.session.id !== session.id || this.#chosen.timeline !== chosen.timeline;
    this.#chosen = chosen;
    const built = `${session.id} ${session.fence} ${left === null}`;
    if (built !== this.#built) {
      this.#built = built;
      this.#build(chosen);
    }
    if (other) {
      this.#timeline.show(chosen.timeline, desk.me?.id ?? null);
      this.#note.value = this.#office.drafts.get(`note/${session.id}`).text;
      this.#typed();
    }
    this.#age.update(session.updatedAt, connection.now());
    this.#note.readOnly = left !== null;
    this.#send.hidden = left !== null;
    this.#showNoteState();
  }

  /** @param {Chosen} chosen */
  #build({ session, left }) {
    const { desk } = this.#office;
    const { transfer, state } = session;
    const buttons =
      left !== null
        ? []
        : state === "pending"
          ? [
              action(say("accept"), "primary", () => this.#doings.accept(session)),
              action(say("decline"), "", () => this.#doings.decline(session)),
              action(say("transfer"), "", () => this.#doings.transfer(session)),
            ]
          : [
              action(say("transfer"), "primary", () => this.#doings.transfer(session)),
              action(say("close"), "", () => this.#close(session)),
            ];
    this.#state.update(session);
    const back = el(
      "button",
      { class: "back quiet", "aria-label": say("back"), click: () => desk.choose(null) },
      "‹",
    );
    fill(
      this.#head,
      back,
      el(
        "div",
        { class: "who" },
        el("h2", {}, session.customer.name),
        el(
          "p",
          { class: "soft" },
          left === null && this.#state,
          left === null && this.#age,
          el("span", { class: "id" }, session.id),
        ),
      ),
      el("div", { class: "actions" }, ...buttons),
    );
    this.#arrival.hidden = transfer === null || left !== null;
    if (transfer !== null) {
      fill(
        this.#arrival,
        el("p", {}, sayArrival(transfer, desk.me?.id)),
        transfer.reason !== null && el("blockquote", {}, transfer.reason),
      );
    }
    this.#left.hidden = left === null;
    setText(this.#left, left === null ? "" : this.#sayLeft(left));
    setAttribute(this, "data-left", left !== null);
  }

  /** @param {NonNullable<Chosen["left"]>} left */
  #sayLeft({ why, transfer }) {
    if (why !== "transferred" || transfer === null) return say(`left_${why}`);
    const mine = transfer.by.id === this.#office.desk.me?.id;
    const names = { name: transfer.by.name, target: transfer.to.name };
    return say(mine ? `left_by_me_${transfer.outcome}` : "left_transferred", names);
  }

  /** @param {Session} session */
  async #close(session) {
    const question = say("close_title", { customer: session.customer.name });
    if (await ask(question, say("close"), el("p", {}, say("close_detail"))))
      await this.#doings.close(session);
  }

  #typed() {
    if (this.#chosen !== null && this.#chosen.left === null) {
      this.#office.drafts.type(`note/${this.#chosen.session.id}`, this.#note.value);
    }
    this.#showNoteState();
  }

  #showNoteState() {
    const { length } = this.#note.value;
    const sending = this.#chosen !== null && this.#sending.has(this.#chosen.session.id);
    const { live } = this.#office.connection;
    let text = "";
    if (sending) text = say(live ? "note_sending" : "note_waiting");
    else if (this.#chosen?.left && length > 0) text = say("note_kept");
    else if (length > NOTE_MAX * 0.8) text = `${length}/${NOTE_MAX}`;
    setText(this.#noteState, text);
    setAttribute(this.#send, "aria-busy", sending && "true");
  }

  async #sendNote() {
    const { desk, drafts, notices } = this.#office;
    if (this.#chosen === null) return;
    const { id } = this.#chosen.session;
    const draft = `note/${id}`;
    const { text } = drafts.get(draft);
    if (text.trim() === "" || this.#sending.has(id)) return;
    const key = drafts.keyOf(draft);
    this.#sending.add(id);
    this.#showNoteState();
    try {
      await desk.note(id, text, key);
      // Only what was sent is done: somebody may have typed on meanwhile.
      if (drafts.get(draft).text === text) {
        drafts.done(draft);
        if (this.#chosen?.session.id === id) this.#note.value = "";
      }
    } catch (error) {
      notices.show(sayError(error, desk.client.directory), { kind: "bad" });
    } finally {
      this.#sending.delete(id);
      this.#showNoteState();
    }
  }
}

customElements.define("relevo-conversation", Conversation);
