/** One conversation on its way to somebody else: the commands to the client, and what it tells of them. */

import { advance, begin, mayBeApplied, recalled, waits } from "./course.js";
import { QueuePlace } from "./queue-place.js";

/** @typedef {import("../js/src/client.js").Client} Client */
/** @typedef {import("../js/src/events.js").SessionRemoved} SessionRemoved */
/** @typedef {import("../js/src/events.js").TransferUpdated} TransferUpdated */
/** @typedef {import("../js/src/objects.js").Session} Session */
/** @typedef {import("../js/src/objects.js").Target} Target */
/** @typedef {import("./course.js").Course} Course */

/**
 * How far the errand is.
 *
 * @typedef {{ at: "choosing" }
 *   | { at: "sending", abort: AbortController }
 *   | { at: "course", course: Course, recalling: boolean, trouble: unknown }
 *   | { at: "trouble", error: unknown }
 *   | { at: "left", event: SessionRemoved }
 *   | { at: "moved", session: Session }} Stage
 */

/**
 * What the errand tells the page.
 *
 * @typedef {(name: "transfer" | "update" | "recall" | "error", detail: object) => void} Notify
 */

/** @typedef {{ target: Target, reason: string }} Wish */

export class Errand {
  #client;
  #sessionId;
  #given;
  #changed;
  #notify;
  /** @type {Stage} */
  #stage = { at: "choosing" };
  /** @type {TransferUpdated[]} */
  #early = [];
  /** @type {{ wish: string, key: string } | null} */
  #unsettled = null;
  /** @type {string | null} */
  #recallKey = null;
  /** @type {Wish | null} */
  #wish = null;
  /** @type {QueuePlace | null} */
  #place = null;
  /** @type {(() => void)[]} */
  #unlisten;

  /**
   * @param {Client} client
   * @param {string} sessionId
   * @param {Session | null} given The session as the page has it.
   * @param {() => void} changed Told when `stage` or `session` are others.
   * @param {Notify} notify
   */
  constructor(client, sessionId, given, changed, notify) {
    this.#client = client;
    this.#sessionId = sessionId;
    this.#given = given;
    this.#changed = changed;
    this.#notify = notify;
    this.#unlisten = [
      client.on("transferUpdated", (event) => this.#updated(event)),
      client.on("sessionRemoved", (event) => this.#removed(event)),
      client.on("sessionChanged", ({ session }) => this.#moved(session)),
    ];
  }

  get stage() {
    return this.#stage;
  }

  get sessionId() {
    return this.#sessionId;
  }

  /** What was sent last, null before. */
  get wish() {
    return this.#wish;
  }

  /** The session as last seen, null if nobody told. @returns {Session | null} */
  get session() {
    const own = this.#client.inbox.get(this.#sessionId) ?? null;
    if (own === null || this.#given === null) return own ?? this.#given;
    return own.fence >= this.#given.fence ? own : this.#given;
  }

  /** Whether the transfer that was made still waits for somebody. */
  get waiting() {
    return this.#stage.at === "course" && waits(this.#stage.course);
  }

  /** Take the session as the page has it by now. @param {Session | null} session */
  give(session) {
    this.#given = session;
    this.#changed();
  }

  /** Listen no more. */
  end() {
    this.rest();
    for (const unlisten of this.#unlisten) unlisten();
  }

  /** Go back to the choice. */
  back() {
    this.#enter({ at: "choosing" });
  }

  /**
   * Transfer the session.
   *
   * @param {Wish} wish
   */
  async transfer(wish) {
    if (this.#stage.at === "sending") return;
    const { target, reason } = wish;
    const fence = this.session?.fence;
    const abort = new AbortController();
    const key = this.#keyFor(JSON.stringify([target, reason, fence]));
    let connected = this.#client.connected;
    const unlisten = this.#client.on("connected", () => (connected = true));
    this.#wish = wish;
    this.#early = [];
    this.#enter({ at: "sending", abort });
    try {
      const options = { fence, key, signal: abort.signal };
      const result = await this.#client.transfer(this.#sessionId, target, reason || undefined, options);
      this.#unsettled = null;
      let course = begin(result);
      for (const event of this.#early) course = advance(course, event, Date.now());
      this.#enter({ at: "course", course, recalling: false, trouble: null });
      this.#notify("transfer", result);
    } catch (error) {
      if (!mayBeApplied(error)) this.#unsettled = null;
      // Given up before a connection could carry it: nothing has happened, and there is nothing to tell.
      if (abort.signal.aborted && !connected) return this.back();
      this.#enter({ at: "trouble", error });
      this.#notify("error", { error });
    } finally {
      unlisten();
    }
  }

  /** Give up a transfer that waits for its connection. */
  stop() {
    if (this.#stage.at === "sending")
      this.#stage.abort.abort(Object.assign(new Error("given up"), { code: "aborted" }));
  }

  /** Take the transfer back. */
  async recall() {
    const { at } = this.#stage;
    if (at !== "course" || this.#stage.recalling) return;
    this.#recallKey ??= newKey();
    this.#enter({ ...this.#stage, recalling: true, trouble: null });
    try {
      const session = await this.#client.recall(this.#sessionId, { key: this.#recallKey });
      this.#recallKey = null;
      this.#inCourse((stage) => ({ ...stage, course: recalled(stage.course, session), recalling: false }));
      this.#notify("recall", { session });
    } catch (error) {
      if (!mayBeApplied(error)) this.#recallKey = null;
      this.#inCourse((stage) => ({ ...stage, recalling: false, trouble: error }));
      this.#notify("error", { error });
    }
  }

  /** Look where the session stands in a queue, if it is in one, and after the directory changed. */
  look() {
    const { owner } = this.#stage.at === "course" ? this.#stage.course.session : {};
    if (owner?.kind !== "department") return this.rest();
    this.#place ??= new QueuePlace(this.#client, this.#sessionId, (place) =>
      this.#inCourse((stage) => ({ ...stage, course: { ...stage.course, place } })),
    );
    this.#place.follow(this.#client.directory.departments.get(owner.id));
  }

  /** Look no more, as long as nobody sees it. */
  rest() {
    this.#place?.end();
    this.#place = null;
  }

  /** @param {TransferUpdated} event */
  #updated(event) {
    if (event.session.id !== this.#sessionId) return;
    if (this.#stage.at === "sending") {
      this.#early.push(event);
      return;
    }
    if (this.#stage.at !== "course") return;
    const course = advance(this.#stage.course, event, Date.now());
    if (course === this.#stage.course) return;
    this.#enter({ ...this.#stage, course, trouble: null });
    const { transfer, state, session } = event;
    this.#notify("update", { transfer, state, session });
  }

  /** @param {SessionRemoved} event */
  #removed(event) {
    if (event.sessionId === this.#sessionId && this.#stage.at === "choosing")
      this.#enter({ at: "left", event });
  }

  /** @param {Session} session */
  #moved(session) {
    if (session.id !== this.#sessionId || this.#given === null) return;
    const before = this.session;
    if (before === null || session.fence <= before.fence) return;
    this.#given = session;
    const mine = session.owner?.kind === "agent" && session.owner.id === this.#client.agent?.id;
    if (this.#stage.at === "choosing" && !mine) this.#enter({ at: "moved", session });
    else this.#changed();
  }

  /** @param {(stage: Extract<Stage, { at: "course" }>) => Stage} next */
  #inCourse(next) {
    if (this.#stage.at === "course") this.#enter(next(this.#stage));
  }

  /** @param {Stage} stage */
  #enter(stage) {
    this.#stage = stage;
    this.#changed();
  }

  /**
   * Return the idempotency key for a wish: the same again as long as nobody knows what became of it.
   *
   * @param {string} wish
   */
  #keyFor(wish) {
    if (this.#unsettled?.wish !== wish) this.#unsettled = { wish, key: newKey() };
    return this.#unsettled.key;
  }
}

function newKey() {
  // `randomUUID` is only there on pages that came over TLS.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
