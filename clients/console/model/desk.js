/** What an agent has on the desk: conversations in progress, pending, waiting in own departments, and sent away. */

import { holdDirectory } from "../../dialog/hold.js";
import { Timeline } from "./timeline.js";

/** @typedef {import("../../js/src/index.js").Agent} Agent */
/** @typedef {import("../../js/src/index.js").Entry} Entry */
/** @typedef {import("../../js/src/index.js").RemovalCause} RemovalCause */
/** @typedef {import("../../js/src/index.js").Session} Session */
/** @typedef {import("../../js/src/index.js").Transfer} Transfer */
/** @typedef {import("../../js/src/index.js").TransferState} TransferState */
/** @typedef {import("./connection.js").Connection} Connection */

/**
 * A transfer that this agent made and that may still come back.
 *
 * @typedef {{ session: Session, transfer: Transfer }} Sent
 */

/**
 * Something that the agent did not do, and should notice.
 *
 * @typedef {{ kind: "assigned" | "pending", session: Session }
 *   | { kind: "removed", sessionId: string, customer: string, why: RemovalCause, transfer: Transfer | null }
 *   | { kind: "updated", session: Session, transfer: Transfer, state: TransferState }} Occurrence
 */

/**
 * The conversation on the screen. `left` says how it went away while it was there.
 *
 * @typedef {object} Chosen
 * @property {Session} session The latest known.
 * @property {Timeline} timeline
 * @property {{ why: RemovalCause, transfer: Transfer | null } | null} left
 */

const QUEUED_MAX = 100;
const SENT_MAX = 50;
const KNOWN_MAX = 1_000;

/** Emits `change` when anything changes, and `occurrence` with an `Occurrence` as its detail. */
export class Desk extends EventTarget {
  connection;
  /** Those that came and were not looked at yet, by id. @type {Set<string>} */
  unseen = new Set();
  /** What waits in the own departments' queues, the longest waiting first. @type {readonly Session[]} */
  queued = [];
  /** By session id, the latest last. @type {Map<string, Sent>} */
  sent = new Map();
  /** @type {Chosen | null} */
  chosen = null;
  /** Every session seen on this desk, to tell its customer's name when it has gone. @type {Map<string, Session>} */
  #known = new Map();
  /** Those that leave by this screen's own command. @type {Set<string>} */
  #expected = new Set();
  /** @type {(() => void)[]} */
  #ends = [];
  #queuedKey = "";

  /** @param {Connection} connection */
  constructor(connection) {
    super();
    this.connection = connection;
    const { client } = connection;
    this.#ends.push(
      holdDirectory(client),
      client.on("connected", ({ reconnected }) => this.#welcomed(reconnected)),
      client.on("sessionAssigned", ({ session }) => this.#came("assigned", session)),
      client.on("sessionPending", ({ session }) => this.#came("pending", session)),
      client.on("sessionRemoved", (event) => this.#left(event)),
      client.on("sessionEntry", ({ sessionId, entry }) => this.#wrote(sessionId, entry)),
      client.on("transferUpdated", (event) => this.#updated(event)),
      client.on("directoryChanged", () => this.#directoryChanged()),
    );
    if (client.connected) this.#welcomed(false);
  }

  end() {
    for (const end of this.#ends) end();
  }

  get client() {
    return this.connection.client;
  }

  /** The own row, live. @returns {Agent | null} */
  get me() {
    const { agent, directory } = this.client;
    return (agent && directory.agents.get(agent.id)) ?? agent;
  }

  /** In progress, the newest on top. */
  get inProgress() {
    return [...this.client.inbox.inProgress.values()].sort((one, other) => other.updatedAt - one.updatedAt);
  }

  /** Pending, the longest waiting on top. */
  get pending() {
    return [...this.client.inbox.pending.values()].sort((one, other) => one.updatedAt - other.updatedAt);
  }

  /** @param {import("../../js/src/index.js").Owner} owner */
  ownerName({ kind, id }) {
    const { agents, departments } = this.client.directory;
    return (kind === "agent" ? agents : departments).get(id)?.name ?? id;
  }

  /**
   * Put a conversation on the screen.
   *
   * @param {string | null} sessionId
   */
  choose(sessionId) {
    const session = sessionId === null ? undefined : this.client.inbox.get(sessionId);
    if (session === undefined) {
      this.chosen = null;
    } else {
      this.unseen.delete(session.id);
      const again = this.chosen?.session.id === session.id && this.chosen.left === null;
      const timeline = again && this.chosen !== null ? this.chosen.timeline : this.#timelineOf(session.id);
      this.chosen = { session, timeline, left: null };
      if (!again) void timeline.load();
    }
    this.#changed();
  }

  /**
   * Note a transfer that was just made from this screen.
   *
   * @param {Session} session
   * @param {Transfer} transfer
   */
  noteSent(session, transfer) {
    this.#remember(session);
    if (session.state === "pending" || session.state === "queued") this.#keepSent(session, transfer);
    this.#changed();
  }

  /** @param {string} sessionId */
  forgetSent(sessionId) {
    if (this.sent.delete(sessionId)) this.#changed();
  }

  // What the agent does. Each rejects with the client's typed error.

  /** @param {Session} session */
  async accept(session) {
    await this.connection.ask((client) => client.accept(session.id, { fence: session.fence }));
    this.choose(session.id);
  }

  /** @param {Session} session @param {string} reason @param {string} key */
  async decline(session, reason, key) {
    await this.#expecting(session.id, (client) => client.decline(session.id, reason || undefined, { key }));
  }

  /** @param {Session} session */
  async close(session) {
    await this.#expecting(session.id, (client) => client.closeSession(session.id, { fence: session.fence }));
  }

  /** @param {Session} session */
  async recall(session) {
    await this.connection.ask((client) => client.recall(session.id));
    this.forgetSent(session.id);
  }

  /** @param {string} sessionId @param {string} text @param {string} key */
  async note(sessionId, text, key) {
    const entry = await this.connection.ask((client) => client.note(sessionId, text, { key }));
    this.#wrote(sessionId, entry);
  }

  /**
   * @param {import("../../js/src/index.js").Status} status
   * @returns {Promise<Agent>} The own row as it is then: a pre-pause without conversations is a pause at once.
   */
  async setStatus(status) {
    return this.connection.ask((client) => client.setStatus(status));
  }

  /**
   * Give a command after which the conversation leaves, as the agent knows.
   *
   * @param {string} sessionId
   * @param {(client: import("../../js/src/index.js").Client) => Promise<unknown>} command
   */
  async #expecting(sessionId, command) {
    this.#expected.add(sessionId);
    try {
      await this.connection.ask(command);
    } catch (error) {
      this.#expected.delete(sessionId);
      throw error;
    }
    if (this.chosen?.session.id === sessionId) this.choose(null);
  }

  /** @param {string} sessionId */
  #timelineOf(sessionId) {
    return new Timeline((after) => this.client.history(sessionId, { after, limit: 500 }));
  }

  /** @param {boolean} reconnected */
  #welcomed(reconnected) {
    const { inProgress, pending } = this.client.inbox;
    for (const session of [...inProgress.values(), ...pending.values()]) {
      const known = this.#known.get(session.id);
      // What came while the connection was away is as new as what is pushed.
      if (reconnected && known?.fence !== session.fence) {
        this.#came(session.state === "pending" ? "pending" : "assigned", session);
      } else this.#remember(session);
    }
    if (this.chosen !== null && this.chosen.left === null) {
      const still = this.client.inbox.get(this.chosen.session.id);
      if (still === undefined) this.chosen = { ...this.chosen, left: { why: "moved", transfer: null } };
      else void this.chosen.timeline.load();
    }
    this.#queuedKey = "";
    void this.#listQueued();
    this.#changed();
  }

  /** @param {"assigned" | "pending"} kind @param {Session} session */
  #came(kind, session) {
    this.#remember(session);
    this.sent.delete(session.id);
    if (this.chosen?.session.id === session.id) this.choose(session.id);
    else this.unseen.add(session.id);
    this.#occurred({ kind, session });
  }

  /** @param {{ sessionId: string, why: RemovalCause, transfer: Transfer | null, fence: number }} event */
  #left({ sessionId, why, transfer, fence }) {
    const known = this.#known.get(sessionId);
    // An older word than what is here already.
    if (this.client.inbox.get(sessionId) !== undefined) return;
    this.unseen.delete(sessionId);
    if (this.chosen?.session.id === sessionId && this.chosen.session.fence <= fence) {
      this.chosen = { ...this.chosen, left: { why, transfer } };
    }
    const own = this.#expected.delete(sessionId) || (transfer !== null && transfer.by.id === this.me?.id);
    if (own) {
      this.#changed();
      return;
    }
    this.#occurred({
      kind: "removed",
      sessionId,
      customer: known?.customer.name ?? sessionId,
      why,
      transfer,
    });
  }

  /** @param {string} sessionId @param {Entry} entry */
  #wrote(sessionId, entry) {
    if (this.chosen?.session.id === sessionId && this.chosen.left === null) this.chosen.timeline.push(entry);
    this.#changed();
  }

  /** @param {{ session: Session, transfer: Transfer, state: TransferState }} event */
  #updated({ session, transfer, state }) {
    this.#remember(session);
    if (state === "moved" && (session.state === "pending" || session.state === "queued")) {
      this.#keepSent(session, transfer);
    } else if (state !== "delivered" || session.state === "in_progress") {
      this.sent.delete(session.id);
    }
    this.#occurred({ kind: "updated", session, transfer, state });
  }

  /** @param {Session} session @param {Transfer} transfer */
  #keepSent(session, transfer) {
    this.sent.delete(session.id);
    this.sent.set(session.id, { session, transfer });
    const [oldest] = this.sent.keys();
    if (this.sent.size > SENT_MAX && oldest !== undefined) this.sent.delete(oldest);
  }

  #directoryChanged() {
    void this.#listQueued();
    this.#changed();
  }

  /** Read the queues of the own departments again if their lengths have changed. */
  async #listQueued() {
    const { directory } = this.client;
    const departments = this.me?.departments ?? [];
    const lengths = departments.map((id) => `${id} ${directory.departments.get(id)?.queued ?? 0}`);
    const key = lengths.join();
    if (key === this.#queuedKey) return;
    this.#queuedKey = key;
    if (lengths.every((length) => length.endsWith(" 0"))) {
      this.queued = [];
      this.#changed();
      return;
    }
    try {
      const pages = await Promise.all(
        departments.map((departmentId) =>
          this.client.listSessions({ state: "queued", departmentId, limit: QUEUED_MAX }),
        ),
      );
      if (key !== this.#queuedKey) return;
      this.queued = pages
        .flatMap(({ sessions }) => sessions)
        .sort((one, other) => one.updatedAt - other.updatedAt);
      this.#changed();
    } catch {
      // Asked again at the next change, or when the connection is back.
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

  /** @param {Occurrence} detail */
  #occurred(detail) {
    this.dispatchEvent(new CustomEvent("occurrence", { detail }));
    this.#changed();
  }

  #changed() {
    if (this.chosen !== null && this.chosen.left === null) {
      const session = this.client.inbox.get(this.chosen.session.id);
      if (session !== undefined) this.chosen.session = session;
    }
    this.dispatchEvent(new Event("change"));
  }
}
