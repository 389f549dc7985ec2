/** `<timeline-list>`: a conversation's history, with internal messages set apart. */

import { createElement, setChildren, setKeyedChildren, setText } from "../../dialog/dom.js";
import { LiveElement } from "./live-element.js";
import { say, sayTime } from "./words.js";

/** @typedef {import("../../js/src/index.js").Entry} Entry */
/** @typedef {import("../../js/src/index.js").Actor} Actor */
/** @typedef {import("../model/timeline.js").Timeline} Timeline */

// Closer to the end than this counts as reading the end.
const AT_END_PX = 60;

export class TimelineList extends LiveElement {
  /** @type {Timeline | null} */
  #timeline = null;
  #myId = "";
  #list = createElement("ol");
  #state = createElement("p", { class: "soft none", role: "status" });
  #again = createElement("button", { click: () => void this.#timeline?.load() }, say("try_again"));
  #end = () => {};

  begin() {
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", say("history"));
    this.tabIndex = 0;
    this.ending(() => this.#end());
    this.#follow();
  }

  /**
   * @param {Timeline} timeline
   * @param {string | null} myId The id of the agent that reads.
   */
  show(timeline, myId) {
    this.#timeline = timeline;
    this.#myId = myId ?? "";
    this.#list = createElement("ol");
    setChildren(this, this.#list, this.#state, this.#again);
    this.#follow();
    this.draw();
    this.scrollTop = this.scrollHeight;
  }

  draw() {
    if (this.#timeline === null) return;
    const { entries, state } = this.#timeline;
    const atEnd = this.scrollHeight - this.scrollTop - this.clientHeight < AT_END_PX;
    const grown = this.#list.childElementCount < entries.length;
    setKeyedChildren(
      this.#list,
      entries,
      ({ seq }) => String(seq),
      (entry) => line(entry, this.#myId),
    );
    const empty = state === "loading" && entries.length === 0;
    setText(this.#state, empty ? say("history_loading") : state === "failed" ? say("history_failed") : "");
    this.#state.hidden = this.#state.textContent === "";
    this.#again.hidden = state !== "failed";
    if (grown && atEnd) this.scrollTop = this.scrollHeight;
  }

  #follow() {
    this.#end();
    const timeline = this.#timeline;
    if (timeline === null) return;
    const changed = () => this.redraw();
    timeline.addEventListener("change", changed);
    this.#end = () => timeline.removeEventListener("change", changed);
  }
}

/** @param {Entry} entry @param {string} myId */
function line(entry, myId) {
  const time = createElement("time", { datetime: new Date(entry.at).toISOString() }, sayTime(entry.at));
  if (entry.kind === "internal") {
    const mine = entry.by?.id === myId;
    return createElement(
      "li",
      { class: "entry internal", "data-mine": mine },
      createElement(
        "p",
        { class: "by" },
        createElement("strong", {}, mine ? say("you_head") : nameOf(entry.by, myId)),
        " ",
        createElement("span", { class: "tag" }, say("internal")),
        " ",
        time,
      ),
      createElement("p", { class: "text" }, entry.text ?? ""),
    );
  }
  // An entry `declined` has the reason as its text.
  const said = entry.text !== null && createElement("p", { class: "text" }, entry.text);
  return createElement(
    "li",
    { class: "entry", "data-kind": entry.kind },
    createElement("p", { class: "what" }, sayEntry(entry, myId), " ", time),
    said,
  );
}

/** @param {Entry} entry @param {string} myId */
function sayEntry({ kind, by, transfer, why }, myId) {
  const actor = nameOf(by, myId);
  if (kind === "transferred" && transfer !== null) {
    const to = transfer.to.id === myId && transfer.to.kind === "agent" ? say("you") : transfer.to.name;
    return say(`entry_transferred_${transfer.outcome}`, { name: actor, to }, `${transfer.outcome}: ${to}`);
  }
  if (kind === "moved" && by === null) return say(`entry_moved_${why}`, {}, say("entry_moved_system"));
  return say(by === null ? `entry_${kind}_system` : `entry_${kind}`, { name: actor }, `${kind}: ${actor}`);
}

/** @param {Actor | null} by @param {string} myId */
function nameOf(by, myId) {
  if (by === null) return say("system");
  return by.id === myId && by.role !== "service" ? say("you") : by.name;
}

customElements.define("timeline-list", TimelineList);
