/** Transfers one session: sends the commands, and follows the pushes until the transfer has an outcome. */

import { newKey } from "../js/src/platform.js";
import { QueuePlace } from "./queue-place.js";
import { applyRecall, applyUpdate, isWaiting, mayBeApplied, startProgress } from "./transfer-state.js";

/** @typedef {import("../js/src/client.js").Client} Client */
/** @typedef {import("../js/src/events.js").SessionRemoved} SessionRemoved */
/** @typedef {import("../js/src/events.js").TransferUpdated} TransferUpdated */
/** @typedef {import("../js/src/objects.js").Session} Session */
/** @typedef {import("../js/src/objects.js").Target} Target */
/** @typedef {import("./transfer-state.js").TransferProgress} TransferProgress */

/**
 * The states of a flow. From `choosing`, `transfer` leads to `sending`, and its result to `transferred` or `failed`;
 * `removed` and `moved` are what others did while the agent was choosing. `back` leads to `choosing` from any.
 *
 * @typedef {{ at: "choosing" }
 *   | { at: "sending", abort: AbortController }
 *   | { at: "transferred", progress: TransferProgress, recalling: boolean, error: unknown }
 *   | { at: "failed", error: unknown }
 *   | { at: "removed", event: SessionRemoved }
 *   | { at: "moved", session: Session }} Stage
 */

/**
 * Called with each event for the page.
 *
 * @typedef {(name: "transfer" | "update" | "recall" | "error", detail: object) => void} Notify
 */

/** @typedef {{ target: Target, reason: string }} TransferRequest */

export class TransferFlow {
  #client;
  #sessionId;
  #pageSession;
  #onChange;
  #notify;
  /** @type {Stage} */
  #stage = { at: "choosing" };
  /** Pushes that arrive before the command's reply. @type {TransferUpdated[]} */
  #early = [];
  /** The request whose outcome is unknown, and its idempotency key. @type {{ request: string, key: string } | null} */
  #unconfirmed = null;
  /** @type {string | null} */
  #recallKey = null;
  /** @type {TransferRequest | null} */
  #request = null;
  /** @type {QueuePlace | null} */
  #queuePlace = null;
  /** @type {(() => void)[]} */
  #unlisten;

  /**
   * @param {Client} client
   * @param {string} sessionId
   * @param {Session | null} pageSession The session as the page has it.
   * @param {() => void} onChange Called when `stage` or `session` has changed.
   * @param {Notify} notify
   */
  constructor(client, sessionId, pageSession, onChange, notify) {
    this.#client = client;
    this.#sessionId = sessionId;
    this.#pageSession = pageSession;
    this.#onChange = onChange;
    this.#notify = notify;
    this.#unlisten = [
      client.on("transferUpdated", (event) => this.#onTransferUpdated(event)),
      client.on("sessionRemoved", (event) => this.#onSessionRemoved(event)),
      client.on("sessionChanged", ({ session }) => this.#onSessionChanged(session)),
    ];
  }

  get stage() {
    return this.#stage;
  }

  get sessionId() {
    return this.#sessionId;
  }

  /** The last request, null before the first. */
  get request() {
    return this.#request;
  }

  /** The newest known state of the session, null if unknown. @returns {Session | null} */
  get session() {
    const own = this.#client.inbox.get(this.#sessionId) ?? null;
    if (own === null || this.#pageSession === null) return own ?? this.#pageSession;
    return own.fence >= this.#pageSession.fence ? own : this.#pageSession;
  }

  /** Whether the transfer is pending or queued. */
  get waiting() {
    return this.#stage.at === "transferred" && isWaiting(this.#stage.progress);
  }

  /** Take the session as the page has it. @param {Session | null} session */
  setSession(session) {
    this.#pageSession = session;
    this.#onChange();
  }

  end() {
    this.stopPolling();
    for (const unlisten of this.#unlisten) unlisten();
  }

  /** Return to the selection. */
  back() {
    this.#enter({ at: "choosing" });
  }

  /**
   * Transfer the session.
   *
   * @param {TransferRequest} request
   */
  async transfer(request) {
    if (this.#stage.at === "sending") return;
    const { target, reason } = request;
    const fence = this.session?.fence;
    const abort = new AbortController();
    const key = this.#keyFor(JSON.stringify([target, reason, fence]));
    let connected = this.#client.state === "connected";
    const unlisten = this.#client.on("connected", () => (connected = true));
    this.#request = request;
    this.#early = [];
    this.#enter({ at: "sending", abort });
    try {
      const options = { reason: reason || undefined, fence, key, signal: abort.signal };
      const result = await this.#client.sessions.transfer(this.#sessionId, target, options);
      this.#unconfirmed = null;
      let progress = startProgress(result);
      for (const event of this.#early) progress = applyUpdate(progress, event, Date.now());
      this.#enter({ at: "transferred", progress, recalling: false, error: null });
      this.#notify("transfer", result);
    } catch (error) {
      if (!mayBeApplied(error)) this.#unconfirmed = null;
      // Aborted before a connection could carry it: nothing was sent.
      if (abort.signal.aborted && !connected) return this.back();
      this.#enter({ at: "failed", error });
      this.#notify("error", { error });
    } finally {
      unlisten();
    }
  }

  /** Abort a transfer that waits for the connection. */
  stop() {
    if (this.#stage.at === "sending")
      this.#stage.abort.abort(Object.assign(new Error("given up"), { code: "aborted" }));
  }

  /** Recall the transfer. */
  async recall() {
    const { at } = this.#stage;
    if (at !== "transferred" || this.#stage.recalling) return;
    this.#recallKey ??= newKey();
    this.#enter({ ...this.#stage, recalling: true, error: null });
    try {
      const session = await this.#client.sessions.recall(this.#sessionId, { key: this.#recallKey });
      this.#recallKey = null;
      this.#update((stage) => ({
        ...stage,
        progress: applyRecall(stage.progress, session),
        recalling: false,
      }));
      this.#notify("recall", { session });
    } catch (error) {
      if (!mayBeApplied(error)) this.#recallKey = null;
      this.#update((stage) => ({ ...stage, recalling: false, error }));
      this.#notify("error", { error });
    }
  }

  /** Poll the place of a queued session; call it after each change of the directory. */
  pollQueuePlace() {
    const { owner } = this.#stage.at === "transferred" ? this.#stage.progress.session : {};
    if (owner?.kind !== "department") return this.stopPolling();
    this.#queuePlace ??= new QueuePlace(this.#client, this.#sessionId, (place) =>
      this.#update((stage) => ({ ...stage, progress: { ...stage.progress, place } })),
    );
    this.#queuePlace.update(this.#client.directory.departments.get(owner.id));
  }

  stopPolling() {
    this.#queuePlace?.stop();
    this.#queuePlace = null;
  }

  /** @param {TransferUpdated} event */
  #onTransferUpdated(event) {
    if (event.session.id !== this.#sessionId) return;
    if (this.#stage.at === "sending") {
      this.#early.push(event);
      return;
    }
    if (this.#stage.at !== "transferred") return;
    const progress = applyUpdate(this.#stage.progress, event, Date.now());
    if (progress === this.#stage.progress) return;
    this.#enter({ ...this.#stage, progress, error: null });
    const { transfer, state, session } = event;
    this.#notify("update", { transfer, state, session });
  }

  /** @param {SessionRemoved} event */
  #onSessionRemoved(event) {
    if (event.sessionId === this.#sessionId && this.#stage.at === "choosing")
      this.#enter({ at: "removed", event });
  }

  /** @param {Session} session */
  #onSessionChanged(session) {
    if (session.id !== this.#sessionId || this.#pageSession === null) return;
    const before = this.session;
    if (before === null || session.fence <= before.fence) return;
    this.#pageSession = session;
    const mine = session.owner?.kind === "agent" && session.owner.id === this.#client.agent?.id;
    if (this.#stage.at === "choosing" && !mine) this.#enter({ at: "moved", session });
    else this.#onChange();
  }

  /** @param {(stage: Extract<Stage, { at: "transferred" }>) => Stage} next */
  #update(next) {
    if (this.#stage.at === "transferred") this.#enter(next(this.#stage));
  }

  /** @param {Stage} stage */
  #enter(stage) {
    this.#stage = stage;
    this.#onChange();
  }

  /**
   * Return a request's idempotency key: the same one while the outcome of the last attempt is unknown.
   *
   * @param {string} request
   */
  #keyFor(request) {
    if (this.#unconfirmed?.request !== request) this.#unconfirmed = { request, key: newKey() };
    return this.#unconfirmed.key;
  }
}
