/** The agent's inbox: its sessions in progress, its pending list, and those in a state that this client does not know. */

/** @typedef {import("./objects.js").Session} Session */
/** @typedef {import("./objects.js").InboxContent} InboxContent */

/**
 * The version at which a session left; `openedAt` is null if it left before this client knew it.
 *
 * @typedef {{ openedAt: number | null, fence: number }} Tombstone
 */

const TOMBSTONES_MAX = 4096;

/**
 * The agent's sessions by id, in the order they came.
 *
 * An older version never replaces a newer one, in whatever order pushes, replies and a welcome arrive. A session's
 * version is `openedAt` and `fence`, because a closed session's id may be opened again, with fence 1.
 */
export class Inbox {
  /** @type {Map<string, Session>} */
  #sessions = new Map();
  /**
   * Above the bound the oldest are dropped; the next welcome repairs what a late push then adds.
   *
   * @type {Map<string, Tombstone>}
   */
  #tombstones = new Map();

  /** Sessions in progress with the agent, by id; a copy. @returns {ReadonlyMap<string, Session>} */
  get inProgress() {
    return this.#of((state) => state === "in_progress");
  }

  /** Sessions in the agent's pending list, by id; a copy. @returns {ReadonlyMap<string, Session>} */
  get pending() {
    return this.#of((state) => state === "pending");
  }

  /** The agent's sessions in a state that this client does not know; a copy. @returns {ReadonlyMap<string, Session>} */
  get other() {
    return this.#of((state) => state !== "in_progress" && state !== "pending");
  }

  /**
   * Return a session that the agent has, or undefined.
   *
   * @param {string} sessionId
   */
  get(sessionId) {
    return this.#sessions.get(sessionId);
  }

  /**
   * Take the inbox of a welcome, whatever was known before.
   *
   * It is read from the store. If its fences are behind, the store has lost its latest changes (a replica was
   * promoted), and this client's memory of them is void.
   *
   * @param {InboxContent} content
   * @returns {Session[]} The sessions in progress that are new here, or of another version than before.
   */
  replace({ inProgress, pending }) {
    const held = this.#sessions;
    this.#sessions = new Map([...inProgress, ...pending].map((session) => [session.id, session]));
    this.#tombstones.clear();
    return inProgress.filter((session) => {
      const known = held.get(session.id);
      return known?.openedAt !== session.openedAt || known.fence !== session.fence;
    });
  }

  /**
   * Apply a session's state.
   *
   * @param {Session} session As a push or a reply has it.
   * @param {string | null} agentId Whose inbox this is, or null if the session is known to be this agent's.
   */
  observe(session, agentId = null) {
    const known = this.get(session.id);
    if (known !== undefined && isNewer(known, session)) return;
    const left = this.#tombstones.get(session.id);
    if (left !== undefined && outdates(left, session)) return;
    const { owner } = session;
    if (owner?.kind !== "agent" || (agentId !== null && owner.id !== agentId)) {
      if (known !== undefined) this.#drop(session.id, session);
      return;
    }
    if (known?.state !== session.state) this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
    this.#tombstones.delete(session.id);
  }

  /**
   * Remove a session that left the agent.
   *
   * @param {string} sessionId
   * @param {number} fence Of the change by which it left.
   */
  remove(sessionId, fence) {
    const known = this.get(sessionId);
    if (known !== undefined && known.fence > fence) return;
    const left = this.#tombstones.get(sessionId);
    if (known !== undefined) this.#drop(sessionId, { openedAt: known.openedAt, fence });
    else if (left === undefined || left.fence < fence) {
      this.#drop(sessionId, { openedAt: left?.openedAt ?? null, fence });
    }
  }

  /**
   * @param {string} sessionId
   * @param {Tombstone} tombstone
   */
  #drop(sessionId, { openedAt, fence }) {
    this.#sessions.delete(sessionId);
    // Deleted first, so that it stands at the end of the map, which keeps the order of insertion.
    this.#tombstones.delete(sessionId);
    this.#tombstones.set(sessionId, { openedAt, fence });
    if (this.#tombstones.size > TOMBSTONES_MAX) {
      for (const oldest of this.#tombstones.keys()) {
        this.#tombstones.delete(oldest);
        break;
      }
    }
  }

  /** @param {(state: string) => boolean} stateFits */
  #of(stateFits) {
    return new Map([...this.#sessions].filter(([, session]) => stateFits(session.state)));
  }
}

/**
 * Return whether one version of a session is newer than another: opened later, or of a higher fence. The id of a closed
 * session may be opened again, with fence 1.
 *
 * @param {Session} one
 * @param {Session} other
 */
export function isNewer(one, other) {
  return one.openedAt > other.openedAt || (one.openedAt === other.openedAt && one.fence > other.fence);
}

/**
 * @param {Tombstone} tombstone
 * @param {Session} session
 */
function outdates({ openedAt, fence }, session) {
  if (openedAt === null || openedAt === session.openedAt) return session.fence <= fence;
  return session.openedAt < openedAt;
}
