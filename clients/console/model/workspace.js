/** The agent's workspace: conversations in progress, pending, queued in the agent's departments, and sent. */

import { holdDirectory } from "../../dialog/index.js";
import { Timeline } from "./timeline.js";

/** @typedef {import("../../js/src/index.js").Agent} Agent */
/** @typedef {import("../../js/src/index.js").Entry} Entry */
/** @typedef {import("../../js/src/index.js").SessionRemoved["why"]} RemovalCause */
/** @typedef {import("../../js/src/index.js").Session} Session */
/** @typedef {import("../../js/src/index.js").Transfer} Transfer */
/** @typedef {import("../../js/src/index.js").TransferState} TransferState */
/** @typedef {import("./connection.js").Connection} Connection */

/**
 * A transfer by this agent that is still pending or queued.
 *
 * @typedef {{ session: Session, transfer: Transfer }} Sent
 */

/**
 * A change that others made, for a notice.
 *
 * @typedef {{ kind: "assigned" | "pending", session: Session }
 *   | { kind: "removed", sessionId: string, customer: string, why: RemovalCause, transfer: Transfer | null }
 *   | { kind: "updated", session: Session, transfer: Transfer, state: TransferState, why: string | null }
 *   | { kind: "status", status: Agent["status"], by: { id: string, name: string } | null, reason: string | null }} Activity
 */

/**
 * How the open conversation left the agent. `update`: the latest news of this agent's own transfer.
 *
 * @typedef {object} Removal
 * @property {RemovalCause} why
 * @property {Transfer | null} transfer
 * @property {{ session: Session, transfer: Transfer, state: TransferState, why: string | null } | null} update
 */

/**
 * The open conversation.
 *
 * @typedef {object} OpenSession
 * @property {Session} session The newest version.
 * @property {Timeline} timeline
 * @property {Removal | null} removal
 */

const QUEUED_MAX = 100;
const SENT_MAX = 50;
const KNOWN_MAX = 1_000;

/** Emits `change` after any change, and `activity` with an `Activity` as its detail. */
export class Workspace extends EventTarget {
  connection;
  /** The ids of new conversations that were not opened yet. @type {Set<string>} */
  unread = new Set();
  /** Queued in the agent's departments, the longest waiting first. @type {readonly Session[]} */
  queued = [];
  /** By session id, the latest last. @type {Map<string, Sent>} */
  sent = new Map();
  /** @type {OpenSession | null} */
  open = null;
  /** Every session seen here, for the customer's name after its removal. @type {Map<string, Session>} */
  #known = new Map();
  /** Sessions that this page's own command removes. @type {Set<string>} */
  #expected = new Set();
  /** @type {(() => void)[]} */
  #unlisten = [];
  #queuedKey = "";

  /** @param {Connection} connection */
  constructor(connection) {
    super();
    this.connection = connection;
    const { client } = connection;
    this.#unlisten.push(
      holdDirectory(client),
      client.on("connected", ({ reconnected }) => this.#onConnected(reconnected)),
      client.on("sessionAssigned", ({ session }) => this.#onArrival("assigned", session)),
      client.on("sessionPending", ({ session }) => this.#onArrival("pending", session)),
      client.on("sessionRemoved", (event) => this.#onSessionRemoved(event)),
      client.on("sessionEntry", ({ sessionId, entry }) => this.#onSessionEntry(sessionId, entry)),
      client.on("transferUpdated", (event) => this.#onTransferUpdated(event)),
      client.on("statusChanged", ({ agent, by, reason }) =>
        this.#emitActivity({ kind: "status", status: agent.status, by, reason }),
      ),
      client.on("directoryChanged", () => this.#onDirectoryChanged()),
    );
    if (client.state === "connected") this.#onConnected(false);
  }

  end() {
    for (const unlisten of this.#unlisten) unlisten();
  }

  get client() {
    return this.connection.client;
  }

  /** The agent's own row, live. @returns {Agent | null} */
  get me() {
    const { agent, directory } = this.client;
    return (agent && directory.agents.get(agent.id)) ?? agent;
  }

  /** In progress, the newest first. */
  get inProgress() {
    return [...this.client.inbox.inProgress.values()].sort((one, other) => other.updatedAt - one.updatedAt);
  }

  /** Pending, the longest waiting first. */
  get pending() {
    return [...this.client.inbox.pending.values()].sort((one, other) => one.updatedAt - other.updatedAt);
  }

  /** @param {import("../../js/src/index.js").Owner} owner */
  ownerName({ kind, id }) {
    const { agents, departments } = this.client.directory;
    return (kind === "agent" ? agents : departments).get(id)?.name ?? id;
  }

  /**
   * Open a conversation.
   *
   * @param {string | null} sessionId
   */
  openSession(sessionId) {
    const session = sessionId === null ? undefined : this.client.inbox.get(sessionId);
    if (session === undefined) {
      this.open = null;
    } else {
      this.unread.delete(session.id);
      const again = this.open?.session.id === session.id && this.open.removal === null;
      const timeline = again && this.open !== null ? this.open.timeline : this.#timelineOf(session.id);
      const seen = again && this.open?.session.fence === session.fence;
      this.open = { session, timeline, removal: null };
      if (!again) void timeline.load();
      if (!seen) this.#answer(session);
    }
    this.#emitChange();
  }

  /**
   * Add a transfer that this page made.
   *
   * @param {Session} session
   * @param {Transfer} transfer
   */
  addSent(session, transfer) {
    this.#remember(session);
    if (session.state === "pending" || session.state === "queued") this.#storeSent(session, transfer);
    this.#emitChange();
  }

  /** @param {string} sessionId */
  removeSent(sessionId) {
    if (this.sent.delete(sessionId)) this.#emitChange();
  }

  // Commands. Each rejects with the client's typed error.

  /** @param {Session} session */
  async accept(session) {
    await this.connection.track((client) => client.sessions.accept(session.id, { fence: session.fence }));
    this.openSession(session.id);
  }

  /** @param {Session} session @param {string} reason @param {string} key */
  async decline(session, reason, key) {
    await this.#expectRemoval(session.id, (client) =>
      client.sessions.decline(session.id, { reason: reason || undefined, key }),
    );
  }

  /** @param {Session} session */
  async close(session) {
    await this.#expectRemoval(session.id, (client) =>
      client.sessions.close(session.id, { fence: session.fence }),
    );
  }

  /** @param {Session} session */
  async recall(session) {
    await this.connection.track((client) => client.sessions.recall(session.id));
    this.removeSent(session.id);
  }

  /** @param {string} sessionId @param {string} text @param {string} key */
  async note(sessionId, text, key) {
    const entry = await this.connection.track((client) => client.sessions.note(sessionId, text, { key }));
    this.#onSessionEntry(sessionId, entry);
  }

  /**
   * @param {import("../../js/src/index.js").Status} status
   * @returns {Promise<Agent>} The agent's row after the change: a pre-pause without conversations is a pause at once.
   */
  async setStatus(status) {
    return this.connection.track((client) => client.agents.setStatus(status));
  }

  /**
   * Send a command that removes the conversation, which then needs no notice.
   *
   * @param {string} sessionId
   * @param {(client: import("../../js/src/index.js").Client) => Promise<unknown>} command
   */
  async #expectRemoval(sessionId, command) {
    this.#expected.add(sessionId);
    try {
      await this.connection.track(command);
    } catch (error) {
      this.#expected.delete(sessionId);
      throw error;
    }
    if (this.open?.session.id === sessionId) this.openSession(null);
  }

  /**
   * Tell the router that a person has opened a conversation: without an answer it may move on by itself.
   *
   * @param {Session} session
   */
  #answer({ id, state, answeredAt, fence }) {
    if (state !== "in_progress" || answeredAt !== null) return;
    // It may have moved at this moment, which its own event says.
    this.client.sessions.answer(id, { fence }).catch(() => {});
  }

  /** @param {string} sessionId */
  #timelineOf(sessionId) {
    return new Timeline((after) => this.client.sessions.historyPage(sessionId, { after, limit: 500 }));
  }

  /** @param {boolean} reconnected */
  #onConnected(reconnected) {
    const { inProgress, pending } = this.client.inbox;
    for (const session of [...inProgress.values(), ...pending.values()]) {
      const known = this.#known.get(session.id);
      // What changed during the disconnection is as new as a push.
      if (reconnected && known?.fence !== session.fence) {
        this.#onArrival(session.state === "pending" ? "pending" : "assigned", session);
      } else {
        this.#remember(session);
        // Nothing says that this person has seen it.
        if (!reconnected && session.answeredAt === null) this.unread.add(session.id);
      }
    }
    if (this.open !== null && this.open.removal === null) {
      const still = this.client.inbox.get(this.open.session.id);
      if (still === undefined)
        this.open = { ...this.open, removal: { why: "moved", transfer: null, update: null } };
      else void this.open.timeline.load();
    }
    this.#queuedKey = "";
    void this.#listQueued();
    this.#emitChange();
  }

  /** @param {"assigned" | "pending"} kind @param {Session} session */
  #onArrival(kind, session) {
    this.#remember(session);
    this.sent.delete(session.id);
    if (this.open?.session.id === session.id) this.openSession(session.id);
    else this.unread.add(session.id);
    this.#emitActivity({ kind, session });
  }

  /** @param {{ sessionId: string, why: RemovalCause, transfer: Transfer | null, fence: number }} event */
  #onSessionRemoved({ sessionId, why, transfer, fence }) {
    const known = this.#known.get(sessionId);
    // Older than the inbox.
    if (this.client.inbox.get(sessionId) !== undefined) return;
    this.unread.delete(sessionId);
    if (this.open?.session.id === sessionId && this.open.session.fence <= fence) {
      this.open = { ...this.open, removal: { why, transfer, update: null } };
      void this.open.timeline.load();
    }
    const own = this.#expected.delete(sessionId) || (transfer !== null && transfer.by.id === this.me?.id);
    if (own) {
      this.#emitChange();
      return;
    }
    this.#emitActivity({
      kind: "removed",
      sessionId,
      customer: known?.customer.name ?? sessionId,
      why,
      transfer,
    });
  }

  /** @param {string} sessionId @param {Entry} entry */
  #onSessionEntry(sessionId, entry) {
    if (this.open?.session.id === sessionId && this.open.removal === null) this.open.timeline.push(entry);
    this.#emitChange();
  }

  /** @param {{ session: Session, transfer: Transfer, state: TransferState, why: string | null }} event */
  #onTransferUpdated({ session, transfer, state, why }) {
    this.#remember(session);
    if (state === "moved" && (session.state === "pending" || session.state === "queued")) {
      this.#storeSent(session, transfer);
    } else if (state !== "delivered" || session.state === "in_progress") {
      this.sent.delete(session.id);
    }
    const { open } = this;
    if (open !== null && open.removal !== null && open.session.id === session.id) {
      // After other news a delivery says nothing more.
      const known = state === "delivered" ? open.removal.update : null;
      this.open = {
        ...open,
        removal: { ...open.removal, update: known ?? { session, transfer, state, why } },
      };
      void open.timeline.load();
    }
    this.#emitActivity({ kind: "updated", session, transfer, state, why });
  }

  /** @param {Session} session @param {Transfer} transfer */
  #storeSent(session, transfer) {
    this.sent.delete(session.id);
    this.sent.set(session.id, { session, transfer });
    const [oldest] = this.sent.keys();
    if (this.sent.size > SENT_MAX && oldest !== undefined) this.sent.delete(oldest);
  }

  #onDirectoryChanged() {
    void this.#listQueued();
    this.#emitChange();
  }

  /** List the queues of the agent's departments again if their lengths have changed. */
  async #listQueued() {
    const { directory } = this.client;
    const departments = this.me?.departments ?? [];
    const lengths = departments.map((id) => `${id} ${directory.departments.get(id)?.queued ?? 0}`);
    const key = lengths.join();
    if (key === this.#queuedKey) return;
    this.#queuedKey = key;
    if (lengths.every((length) => length.endsWith(" 0"))) {
      this.queued = [];
      this.#emitChange();
      return;
    }
    try {
      const pages = await Promise.all(
        departments.map((departmentId) =>
          this.client.sessions.listPage({ state: "queued", departmentId, limit: QUEUED_MAX }),
        ),
      );
      if (key !== this.#queuedKey) return;
      this.queued = pages
        .flatMap(({ sessions }) => sessions)
        .sort((one, other) => one.updatedAt - other.updatedAt);
      this.#emitChange();
    } catch {
      // Listed again at the next change, or after the reconnection.
      this.#queuedKey = "";
    }
  }

  /** @param {Session} session */
  #remember(session) {
    this.#known.delete(session.id);
    this.#known.set(session.id, session);
    const [oldest] = this.#known.keys();
    if (this.#known.size > KNOWN_MAX && oldest !== undefined) this.#known.delete(oldest);
  }

  /** @param {Activity} detail */
  #emitActivity(detail) {
    this.dispatchEvent(new CustomEvent("activity", { detail }));
    this.#emitChange();
  }

  #emitChange() {
    if (this.open !== null && this.open.removal === null) {
      const session = this.client.inbox.get(this.open.session.id);
      if (session !== undefined) this.open.session = session;
    }
    this.dispatchEvent(new Event("change"));
  }
}
