/** Tells the agent what arrived: on the screen, in the tab's title and, by choice, by a sound and by the browser. */

import { preferences } from "../model/preferences.js";
import { el } from "./dom.js";
import { say } from "./words.js";

/** @typedef {import("../model/desk.js").Occurrence} Occurrence */

const SHOWN_MS = 9_000;
const SHOWN_MAX = 3;

/** Play two short notes, made here: no file to fetch, and no autoplay of anything else. */
export class Chime {
  /** @type {AudioContext | null} */
  #context = null;

  play() {
    const context = (this.#context ??= new AudioContext());
    // A page that was never clicked may not sound; the browser holds it back, and that is all.
    void context.resume();
    const start = context.currentTime;
    for (const [index, frequency] of [660, 880].entries()) {
      const tone = new OscillatorNode(context, { frequency, type: "sine" });
      const volume = new GainNode(context, { gain: 0 });
      const at = start + index * 0.14;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(0.18, at + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.001, at + 0.3);
      tone.connect(volume).connect(context.destination);
      tone.start(at);
      tone.stop(at + 0.32);
    }
  }
}

export class Notices {
  element = el("section", {
    class: "notices",
    role: "log",
    "aria-live": "polite",
    "aria-label": say("notices"),
  });
  #desk;
  #open;
  #chime = new Chime();
  #ends;

  /**
   * @param {import("../model/desk.js").Desk} desk
   * @param {(sessionId: string) => void} open Shows a conversation.
   */
  constructor(desk, open) {
    this.#desk = desk;
    this.#open = open;
    const occurred = (/** @type {Event} */ event) =>
      this.#occurred(/** @type {CustomEvent<Occurrence>} */ (event).detail);
    const changed = () => {
      this.#showTitle();
      this.#tidy();
    };
    desk.addEventListener("occurrence", occurred);
    desk.addEventListener("change", changed);
    this.#ends = [
      () => desk.removeEventListener("occurrence", occurred),
      () => desk.removeEventListener("change", changed),
    ];
  }

  end() {
    for (const end of this.#ends) end();
    document.title = "Relevo";
  }

  /** Let the reader hear what it will be like. */
  sample() {
    this.#chime.play();
  }

  /**
   * Show a text until it is dismissed, or for a while.
   *
   * @param {string} text
   * @param {{ kind?: "info" | "good" | "bad", sessionId?: string | null }} [options] A `bad` one stays.
   */
  show(text, { kind = "info", sessionId = null } = {}) {
    const notice = el("div", { class: "notice", "data-kind": kind }, el("p", {}, text));
    if (sessionId !== null) notice.dataset.session = sessionId;
    const gone = () => notice.remove();
    if (sessionId !== null) {
      const open = () => {
        gone();
        this.#open(sessionId);
      };
      notice.append(el("button", { class: "quiet", click: open }, say("open")));
    }
    notice.append(el("button", { class: "quiet icon", "aria-label": say("dismiss"), click: gone }, "×"));
    this.element.append(notice);
    while (this.element.children.length > SHOWN_MAX) this.element.firstElementChild?.remove();
    if (kind !== "bad") setTimeout(gone, SHOWN_MS);
  }

  /** @param {Occurrence} occurrence */
  #occurred(occurrence) {
    const text = this.#say(occurrence);
    if (text === null) return;
    let sessionId = null;
    let reason = "";
    let good = false;
    if (occurrence.kind === "assigned" || occurrence.kind === "pending") {
      sessionId = occurrence.session.id;
      reason = occurrence.session.transfer?.reason ?? "";
    } else if (occurrence.kind === "updated") {
      good = occurrence.state === "delivered" || occurrence.state === "accepted";
    }
    this.show(text, { kind: good ? "good" : "info", sessionId });
    if (good) return;
    if (preferences.get("sound") === "on") this.#chime.play();
    this.#notify(text, reason, sessionId);
  }

  /**
   * @param {string} text
   * @param {string} reason
   * @param {string | null} sessionId
   */
  #notify(text, reason, sessionId) {
    if (preferences.get("notifications") !== "on" || document.hasFocus()) return;
    if (!("Notification" in window) || Notification.permission !== "granted") return;
    const notification = new Notification(text, {
      body: reason,
      tag: sessionId ?? "relevo",
      icon: "console/icon.svg",
    });
    notification.addEventListener("click", () => {
      window.focus();
      notification.close();
      if (sessionId !== null) this.#open(sessionId);
    });
  }

  /** @param {Occurrence} occurrence @returns {string | null} */
  #say(occurrence) {
    if (occurrence.kind === "assigned" || occurrence.kind === "pending") {
      const { customer, transfer } = occurrence.session;
      const by = transfer?.by;
      const how = by === undefined ? "" : by.id === this.#desk.me?.id ? "_back" : "_by";
      return say(`notice_${occurrence.kind}${how}`, { customer: customer.name, name: by?.name ?? "" });
    }
    if (occurrence.kind === "removed") {
      const { customer, why, transfer } = occurrence;
      if (why === "transferred" && transfer !== null) {
        return say("notice_taken", { customer, name: transfer.by.name, target: transfer.to.name });
      }
      return say(`notice_removed_${why}`, { customer });
    }
    if (occurrence.kind !== "updated") return null;
    const { session, transfer, state } = occurrence;
    const has = session.owner === null ? transfer.to.name : this.#desk.ownerName(session.owner);
    // Delivered is news only where somebody had to be found first; the dialog has told the rest.
    if (state === "delivered" && transfer.outcome === "assigned") return null;
    return say(`notice_${state}`, { customer: session.customer.name, name: has });
  }

  /** What tells of a conversation that was looked at meanwhile, or that has gone, is old news. */
  #tidy() {
    for (const notice of this.element.querySelectorAll("[data-session]")) {
      const { session } = /** @type {HTMLElement} */ (notice).dataset;
      if (!this.#desk.unseen.has(session ?? "")) notice.remove();
    }
  }

  #showTitle() {
    const count = this.#desk.unseen.size;
    const title = count > 0 ? `(${count}) Relevo` : "Relevo";
    if (document.title !== title) document.title = title;
  }
}
