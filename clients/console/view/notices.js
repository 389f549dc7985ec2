/** Notices of what others did: on the screen, in the tab's title and, if enabled, by a sound and by the browser. */

import { preferences } from "../model/preferences.js";
import { createElement } from "../../dialog/dom.js";
import { say, sayStatusChange } from "./words.js";

/** @typedef {import("../model/workspace.js").Activity} Activity */

const SHOWN_MS = 9_000;
const SHOWN_MAX = 3;

/**
 * Say what became of this agent's own transfer; null where it is no news.
 *
 * @param {NonNullable<import("../model/workspace.js").Removal["update"]>} update
 * @param {import("../model/workspace.js").Workspace} workspace
 */
export function sayUpdate({ session, transfer, state, why }, workspace) {
  const { owner, customer } = session;
  // Back with this agent: its arrival says so.
  if (owner?.kind === "agent" && owner.id === workspace.me?.id) return null;
  // `delivered` is news only after a wait; the dialog has shown the rest.
  if (state === "delivered" && transfer.outcome === "assigned") return null;
  const name = owner === null ? transfer.to.name : workspace.ownerName(owner);
  const values = { customer: customer.name, name };
  const news = state === "moved" ? `notice_moved_${why}` : `notice_${state}`;
  return say(news, values, say("notice_moved", values));
}

/** A chime of two notes, synthesized: no file to load. */
export class Chime {
  /** @type {AudioContext | null} */
  #context = null;

  play() {
    const context = (this.#context ??= new AudioContext());
    // The browser blocks sound until the first click.
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
  element = createElement("section", {
    class: "notices",
    role: "log",
    "aria-live": "polite",
    "aria-label": say("notices"),
  });
  #workspace;
  #open;
  #chime = new Chime();
  #ends;

  /**
   * @param {import("../model/workspace.js").Workspace} workspace
   * @param {(sessionId: string) => void} open Shows a conversation.
   */
  constructor(workspace, open) {
    this.#workspace = workspace;
    this.#open = open;
    const onActivity = (/** @type {Event} */ event) =>
      this.#onActivity(/** @type {CustomEvent<Activity>} */ (event).detail);
    const changed = () => {
      this.#showTitle();
      this.#removeOld();
    };
    workspace.addEventListener("activity", onActivity);
    workspace.addEventListener("change", changed);
    changed();
    this.#ends = [
      () => workspace.removeEventListener("activity", onActivity),
      () => workspace.removeEventListener("change", changed),
    ];
  }

  end() {
    for (const end of this.#ends) end();
    document.title = "Relevo";
  }

  /** Play the chime once. */
  sample() {
    this.#chime.play();
  }

  /**
   * Show a text for nine seconds, or until it is dismissed.
   *
   * @param {string} text
   * @param {{ kind?: "info" | "good" | "bad", sessionId?: string | null }} [options] A `bad` one stays.
   */
  show(text, { kind = "info", sessionId = null } = {}) {
    const notice = createElement("div", { class: "notice", "data-kind": kind }, createElement("p", {}, text));
    if (sessionId !== null) notice.dataset.session = sessionId;
    const gone = () => notice.remove();
    if (sessionId !== null) {
      const open = () => {
        gone();
        this.#open(sessionId);
      };
      notice.append(createElement("button", { class: "quiet", click: open }, say("open")));
    }
    notice.append(
      createElement("button", { class: "quiet icon", "aria-label": say("dismiss"), click: gone }, "×"),
    );
    this.element.append(notice);
    while (this.element.children.length > SHOWN_MAX) this.element.firstElementChild?.remove();
    if (kind !== "bad") setTimeout(gone, SHOWN_MS);
  }

  /** @param {Activity} activity */
  #onActivity(activity) {
    const text = this.#say(activity);
    if (text === null) return;
    let sessionId = null;
    let reason = "";
    let good = false;
    if (activity.kind === "assigned" || activity.kind === "pending") {
      sessionId = activity.session.id;
      reason = activity.session.transfer?.reason ?? "";
    } else if (activity.kind === "updated") {
      good = activity.state === "delivered" || activity.state === "accepted";
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

  /** @param {Activity} activity @returns {string | null} */
  #say(activity) {
    switch (activity.kind) {
      case "status":
        return sayStatusChange(activity);
      case "removed": {
        const { customer, why, transfer } = activity;
        if (why === "transferred" && transfer !== null) {
          return say("notice_taken", { customer, name: transfer.by.name, target: transfer.to.name });
        }
        return say(`notice_removed_${why}`, { customer }, say("notice_removed_moved", { customer }));
      }
      case "updated":
        return sayUpdate(activity, this.#workspace);
      default: {
        const { customer, transfer } = activity.session;
        const by = transfer?.by;
        const how = by === undefined ? "" : by.id === this.#workspace.me?.id ? "_back" : "_by";
        return say(`notice_${activity.kind}${how}`, { customer: customer.name, name: by?.name ?? "" });
      }
    }
  }

  /** Remove the notices of conversations that were opened or that left. */
  #removeOld() {
    for (const notice of this.element.querySelectorAll("[data-session]")) {
      const { session } = /** @type {HTMLElement} */ (notice).dataset;
      if (!this.#workspace.unread.has(session ?? "")) notice.remove();
    }
  }

  #showTitle() {
    const count = this.#workspace.unread.size;
    const title = count > 0 ? `(${count}) Relevo` : "Relevo";
    if (document.title !== title) document.title = title;
  }
}
