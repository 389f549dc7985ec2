/** The program's subscriptions, restored after reconnections and after gaps in the patch chain. */

import { InvalidDataError } from "./decode.js";
import { patch, snapshot } from "./objects.js";

/** @typedef {import("./backoff.js").Backoff} Backoff */
/** @typedef {import("./directory.js").Directory} Directory */
/** @typedef {import("./events.js").DirectoryChanged} DirectoryChanged */
/** @typedef {import("./objects.js").Snapshot} Snapshot */
/** @typedef {import("./pending-commands.js").PendingCommands} PendingCommands */

const DIRECTORY = "directory.subscribe";
const SESSIONS = "session.watch";

/** The parts of a snapshot that follow each other, until all are there. */
class SnapshotParts {
  /** @type {Snapshot[]} */
  #parts = [];

  /**
   * Take a part. Throws `InvalidDataError` if it does not continue the parts before it.
   *
   * @param {Snapshot} part
   * @returns {Snapshot | null} The whole snapshot with the last part, null before.
   */
  add(part) {
    if (part.part <= 1) this.#parts = [];
    if (part.parts === 0) return part;
    const first = this.#parts[0] ?? part;
    const continues =
      part.epoch === first.epoch &&
      part.seq === first.seq &&
      part.parts === first.parts &&
      part.part === this.#parts.length + 1;
    if (!continues) {
      const expected = `part ${this.#parts.length + 1} of ${first.parts}`;
      throw InvalidDataError.within(new InvalidDataError(expected, part.part), "part");
    }
    this.#parts.push(part);
    if (part.part < part.parts) return null;
    const parts = this.#parts;
    this.#parts = [];
    return {
      ...first,
      part: 0,
      parts: 0,
      departments: parts.flatMap(({ departments }) => departments),
      agents: parts.flatMap(({ agents }) => agents),
    };
  }

  clear() {
    this.#parts = [];
  }
}

export class Subscriptions {
  #directory;
  #pending;
  #retry;
  #random;
  #wantsDirectory = false;
  #wantsSessions = false;
  #snapshotParts = new SnapshotParts();
  /** Gaps in a row that resuming has not filled. */
  #gaps = 0;

  /**
   * @param {Directory} directory
   * @param {PendingCommands} pending
   * @param {Backoff} retry
   * @param {() => number} random
   */
  constructor(directory, pending, retry, random) {
    this.#directory = directory;
    this.#pending = pending;
    this.#retry = retry;
    this.#random = random;
  }

  /**
   * Note that the program gives a command; other types than the four of subscriptions say nothing.
   *
   * @param {string} type
   */
  submitted(type) {
    if (type === DIRECTORY) {
      this.#wantsDirectory = true;
      this.#pending.dropInternal(DIRECTORY);
    } else if (type === "directory.unsubscribe") {
      this.#wantsDirectory = false;
      this.#pending.dropInternal(DIRECTORY);
      this.#directory.cut();
    } else if (type === SESSIONS) {
      this.#wantsSessions = true;
    } else if (type === "session.unwatch") {
      this.#wantsSessions = false;
      this.#pending.dropInternal(SESSIONS);
    }
  }

  /**
   * Note that a command failed for good.
   *
   * @param {string} type
   */
  failed(type) {
    if (type === DIRECTORY) {
      this.#wantsDirectory = false;
      this.#directory.cut();
    } else if (type === SESSIONS) {
      this.#wantsSessions = false;
    }
  }

  /** Subscribe again on a new connection. */
  welcomed() {
    this.#gaps = 0;
    if (this.#wantsDirectory) this.#subscribe(DIRECTORY, 0);
    if (this.#wantsSessions) this.#subscribe(SESSIONS, 0);
  }

  /** Forget what a connection that was lost has left unfinished. */
  connectionLost() {
    this.#snapshotParts.clear();
  }

  /**
   * Apply a snapshot, or a part of one, or a patch.
   *
   * @param {string} type
   * @param {unknown} message
   * @param {number} now
   * @returns {DirectoryChanged | null} What changed, if anything did.
   */
  received(type, message, now) {
    const whole = type === "directory.snapshot" ? this.#snapshotParts.add(snapshot(message)) : null;
    // Sent before the router had the unsubscription.
    if (!this.#wantsDirectory) return null;
    if (whole !== null) return this.#directory.replace(whole);
    if (type !== "directory.patch") return null;
    const wasLive = this.#directory.live;
    const changed = this.#directory.apply(patch(message));
    if (changed === null) {
      this.#fillGap(now);
      return null;
    }
    this.#gaps = 0;
    // The reply to a resumed subscription may hold no rows, and is an event all the same: the directory is live
    // again.
    return wasLive && isEmpty(changed) ? null : changed;
  }

  /** @param {number} now */
  #fillGap(now) {
    if (this.#pending.has(DIRECTORY)) return;
    // After a second gap in a row resuming does not help: request a snapshot, after a delay.
    if (this.#gaps > 0) this.#directory.forgetPosition();
    const waitMs = this.#gaps > 0 ? this.#retry.delayMs(this.#gaps, this.#random) : 0;
    this.#gaps += 1;
    this.#subscribe(DIRECTORY, now + waitMs);
  }

  /**
   * @param {string} type
   * @param {number} notBefore
   */
  #subscribe(type, notBefore) {
    // A pending command of the program is sent again anyway.
    if (!this.#pending.has(type)) this.#pending.add(type, {}, { notBefore });
  }
}

/** @param {DirectoryChanged} changed */
function isEmpty({ agents, departments, agentsRemoved, departmentsRemoved }) {
  return agents.length + departments.length + agentsRemoved.length + departmentsRemoved.length === 0;
}
