/** `<relevo-transfer-dialog>`: the shell between a client, the page and what is shown. */

import { Choice } from "./choice.js";
import { Drafts } from "./drafts.js";
import { Errand } from "./errand.js";
import { holdDirectory } from "./hold.js";
import { PageLanguage } from "./language.js";
import { make, mark, write } from "./make.js";
import { outcomeAt } from "./outcome.js";
import { Panel } from "./panel.js";
import { Rosters } from "./rosters.js";
import { agentLook, departmentLook } from "./rows.js";
import { sheet } from "./styles.js";
import { ComposeView, lengthOf, OutcomeView, REASON_MAX } from "./view.js";

/** @typedef {import("../../js/src/client.js").Client} Client */
/** @typedef {import("../../js/src/objects.js").Agent} Agent */
/** @typedef {import("../../js/src/objects.js").Department} Department */
/** @typedef {import("../../js/src/objects.js").Session} Session */
/** @typedef {import("../../js/src/objects.js").Target} Target */
/** @typedef {import("./outcome.js").Action} Action */

// Not every browser tells when it is idle.
const whenIdle = globalThis.requestIdleCallback ?? ((/** @type {() => void} */ run) => setTimeout(run, 50));

export class RelevoTransferDialog extends HTMLElement {
  static observedAttributes = ["open", "session-id", "lang", "tab"];

  /** @type {Client | null} */
  #client = null;
  /** @type {Session | null} */
  #session = null;
  /** @type {Errand | null} */
  #errand = null;
  /** @type {Choice | null} */
  #chosen = null;
  #drafts = new Drafts();
  #rosters = new Rosters();
  #open = false;
  #frame = 0;
  /** Whether the rows are of before, after the connection was lost. */
  #healing = false;
  /** @type {(() => void)[]} */
  #unlisten = [];
  #release = () => {};
  #language = new PageLanguage(this, () => this.#label());

  #departmentPanel;
  #agentPanel;
  #compose;
  #outcome;
  #title = make("h2", { class: "title", part: "title", id: "title" });
  #customer = make("p", { class: "customer", id: "customer" });
  #cross = make("button", { class: "cross", type: "button" }, "×");
  #banner = make("p", { class: "banner", part: "banner" });
  // Two voices: the state of the connection and what becomes of the choice do not talk over one another.
  #news = make("p", { class: "unseen", role: "status" });
  #connection = make("p", { class: "unseen", role: "status" });
  #dialog;

  constructor() {
    super();
    const { agents, departments } = this.#rosters;
    const words = () => this.#words;
    const changed = () => this.#invalidate();
    this.#departmentPanel = new Panel("department", departments, departmentLook(words), changed, (id) =>
      this.#choose({ kind: "department", id }),
    );
    const look = agentLook(words, (id) => this.#rosters.departmentName(id));
    const chooseAgent = (/** @type {string} */ id) => this.#choose({ kind: "agent", id });
    this.#agentPanel = new Panel("agent", agents, look, changed, chooseAgent);
    const act = (/** @type {Action} */ action) => this.#act(action);
    const typed = () => {
      this.#drafts.keep(this.sessionId, this.#compose.reason.value);
      changed();
    };
    this.#compose = new ComposeView(this.#panels, act, typed, chooseAgent);
    this.#outcome = new OutcomeView(act);
    this.#dialog = make(
      "dialog",
      { class: "dialog", part: "dialog", "aria-labelledby": "title", "aria-describedby": "customer" },
      make(
        "header",
        { class: "header", part: "header" },
        make("div", {}, this.#title, this.#customer),
        this.#cross,
      ),
      this.#banner,
      this.#compose.element,
      this.#outcome.element,
      this.#news,
      this.#connection,
    );
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet()];
    root.append(this.#dialog);
    this.#cross.addEventListener("click", () => this.close());
    this.#dialog.addEventListener("keydown", (event) => this.#key(event));
    // The ways to close that are the browser's own: a gesture, a back button. The event comes late: by then a page may
    // have shown the dialog again.
    this.#dialog.addEventListener("close", () => this.#dialog.open || this.close());
    for (const { tab, kind } of this.#panels) {
      tab.addEventListener("click", () => this.#turn(kind));
      tab.addEventListener("keydown", (event) => this.#tabKey(event));
    }
  }

  // Properties.

  /** The client of relevo-client that everything comes from. @returns {Client | null} */
  get client() {
    return this.#client;
  }

  set client(client) {
    if (client === this.#client) return;
    const { open } = this;
    this.#leave();
    this.#client = client;
    this.#errand?.end();
    this.#errand = null;
    if (open) this.#enter();
  }

  /** The conversation to transfer. */
  get sessionId() {
    return this.getAttribute("session-id") ?? "";
  }

  set sessionId(id) {
    this.setAttribute("session-id", id);
  }

  /** The conversation as the page has it, where `client.inbox` does not. @returns {Session | null} */
  get session() {
    return this.#session;
  }

  set session(session) {
    this.#session = session ?? null;
    if (session && session.id !== this.sessionId) this.sessionId = session.id;
    else this.#errand?.give(this.#session);
  }

  get open() {
    return this.hasAttribute("open");
  }

  set open(open) {
    this.toggleAttribute("open", Boolean(open));
  }

  get theme() {
    return this.getAttribute("theme") ?? "";
  }

  set theme(theme) {
    if (theme) this.setAttribute("theme", theme);
    else this.removeAttribute("theme");
  }

  /** The tab in front: `agents` or `departments`. */
  get tab() {
    return this.getAttribute("tab") === "departments" ? "departments" : "agents";
  }

  set tab(tab) {
    this.setAttribute("tab", tab);
  }

  show() {
    this.open = true;
  }

  close() {
    this.open = false;
  }

  // Life.

  connectedCallback() {
    // A framework may have set them before this module was loaded; they then lie in front of the accessors.
    for (const name of /** @type {const} */ (["client", "session", "sessionId", "theme", "tab", "open"])) {
      if (!Object.hasOwn(this, name)) continue;
      const value = /** @type {any} */ (this[name]);
      delete (/** @type {any} */ (this)[name]);
      /** @type {any} */ (this)[name] = value;
    }
    this.#language.follow();
    if (this.open) this.#enter();
  }

  disconnectedCallback() {
    this.#language.rest();
    this.#leave();
    this.#errand?.end();
    this.#errand = null;
  }

  /**
   * @param {string} name
   * @param {string | null} before
   * @param {string | null} after
   */
  attributeChangedCallback(name, before, after) {
    if (!this.isConnected || before === after) return;
    if (name === "lang") void this.#language.load();
    if (name === "tab") this.#invalidate();
    if (name === "session-id" && this.#open) this.#begin();
    if (name === "open" && after !== null && !this.#open) this.#enter();
    if (name === "open" && after === null && this.#open) {
      this.#leave();
      this.#tell("close", {});
    }
  }

  #enter() {
    this.#open = true;
    if (!this.#dialog.open) this.#dialog.showModal();
    const client = this.#client;
    if (client !== null) {
      this.#healing = !client.connected;
      this.#unlisten = [
        client.on("directoryChanged", (event) => {
          this.#rosters.note(event);
          this.#invalidate();
        }),
        client.on("connected", () => this.#invalidate()),
        client.on("disconnected", () => this.#lost()),
        client.on("unreachable", () => this.#lost()),
      ];
      this.#release = holdDirectory(client);
    }
    this.#begin();
    this.#render();
    this.#takeFocus();
  }

  #leave() {
    if (!this.#open) return;
    this.#open = false;
    for (const unlisten of this.#unlisten) unlisten();
    this.#unlisten = [];
    this.#release();
    this.#release = () => {};
    this.#errand?.rest();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#dialog.open) this.#dialog.close();
  }

  /** Begin with the choice, unless what was transferred before still waits. */
  #begin() {
    this.#rosters.begin();
    const client = this.#client;
    const errand = this.#errand;
    const back = client?.inbox.get(this.sessionId) !== undefined;
    if (
      errand?.sessionId === this.sessionId &&
      (errand.stage.at === "sending" || (errand.waiting && !back))
    ) {
      this.#invalidate();
      return;
    }
    errand?.end();
    this.#chosen = null;
    for (const panel of this.#panels) {
      panel.empty();
      panel.list.rewind();
    }
    this.#compose.reason.value = this.#drafts.of(this.sessionId);
    const { sessionId } = this;
    const session = this.#session?.id === sessionId ? this.#session : null;
    const changed = () => this.#invalidate();
    const notify = (/** @type {string} */ name, /** @type {object} */ detail) =>
      this.#errandTells(sessionId, name, detail);
    this.#errand = client === null ? null : new Errand(client, sessionId, session, changed, notify);
    this.#invalidate();
  }

  // What happens.

  #lost() {
    this.#healing = true;
    this.#invalidate();
  }

  /**
   * @param {string} sessionId
   * @param {string} name
   * @param {object} detail
   */
  #errandTells(sessionId, name, detail) {
    if (name === "transfer") {
      this.#drafts.keep(sessionId, "");
      // By now the dialog may be open for another conversation.
      if (sessionId === this.sessionId) this.#compose.reason.value = "";
    }
    this.#tell(name, detail);
  }

  /** @param {Target} target */
  #choose(target) {
    if (this.#client === null) return;
    this.#chosen = new Choice(target, this.#client.directory);
    this.#invalidate();
  }

  /** @param {Action} action */
  #act(action) {
    if (action === "close") this.close();
    if (action === "transfer") this.#transfer();
    if (action === "stop") this.#errand?.stop();
    if (action === "recall") void this.#errand?.recall();
    if (action === "back") {
      this.#errand?.back();
      this.#render();
      this.#takeFocus();
    }
    if (action === "retry" && this.#errand?.wish) void this.#errand.transfer(this.#errand.wish);
  }

  #transfer() {
    const errand = this.#errand;
    const reason = this.#compose.reason.value.trim();
    const chosen = this.#chosen;
    const rows = this.#client?.directory;
    if (errand?.stage.at !== "choosing" || chosen === null || rows === undefined) return;
    if (chosen.foresee(rows, null).outcome === "gone" || lengthOf(reason) > REASON_MAX) return;
    void errand.transfer({ target: chosen.target, reason });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "Escape") {
      event.preventDefault();
      const panel = this.#panel;
      if (this.#errand?.stage.at === "choosing" && panel.empty()) {
        panel.search.focus();
        this.#invalidate();
      } else this.close();
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.#transfer();
    }
  }

  /** @param {KeyboardEvent} event */
  #tabKey(event) {
    if (!["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const first = this.#panel === this.#panels[0];
    const panel = event.key === "Home" || (!first && event.key !== "End") ? this.#panels[0] : this.#panels[1];
    this.#turn(panel.kind);
    panel.tab.focus();
  }

  /** @param {"agent" | "department"} kind */
  #turn(kind) {
    this.tab = kind === "agent" ? "agents" : "departments";
    // What is chosen is what is in sight: a choice behind the other tab would be sent unseen.
    if (this.#chosen?.target.kind !== kind) this.#chosen = null;
    this.#render();
  }

  #takeFocus() {
    if (this.#errand !== null && this.#errand.stage.at !== "choosing") return this.#outcome.take();
    // On a touch screen the field would bring up the keyboard over the list.
    const touch = matchMedia("(pointer: coarse)").matches;
    const panel = this.#panel;
    (touch ? panel.tab : panel.search).focus({ preventScroll: true });
  }

  // What is shown.

  /** @returns {[Panel<Department>, Panel<Agent>]} */
  get #panels() {
    return [this.#departmentPanel, this.#agentPanel];
  }

  get #words() {
    return this.#language.words;
  }

  get #panel() {
    return this.tab === "agents" ? this.#agentPanel : this.#departmentPanel;
  }

  #invalidate() {
    if (!this.#open || this.#frame !== 0) return;
    // However many changes arrive, the elements are written once a frame.
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#render();
      // After the frame has been painted; what the first screen shows is in order by now.
      if (!this.#rosters.settled) whenIdle(() => this.#rosters.settle() && this.#invalidate());
    });
  }

  #render() {
    if (!this.#open) return;
    const words = this.#words;
    const errand = this.#errand;
    if (this.#client !== null && this.#rosters.take(this.#client.directory, errand?.session?.owner ?? null)) {
      this.#agentPanel.list.refresh();
    }
    errand?.look();
    const stage = errand?.stage ?? { at: "choosing" };
    this.#renderFrame();
    const choosing = stage.at === "choosing" || (stage.at === "sending" && this.#client?.connected === true);
    const turned = this.#compose.element.hidden === choosing;
    this.#compose.element.hidden = !choosing;
    this.#outcome.element.hidden = choosing;
    this.#dialog.classList.toggle("told", !choosing);
    if (choosing) this.#renderChoice(stage.at === "sending");
    else if (errand !== null) this.#renderOutcome(errand);
    if (turned && !choosing) this.#outcome.take();
    mark(this.#dialog, "lang", words.language);
  }

  #renderFrame() {
    const words = this.#words;
    const client = this.#client;
    write(this.#title, words.say("dialog.title"));
    const customer = this.#errand?.session?.customer.name;
    if (customer !== undefined) write(this.#customer, words.say("dialog.customer", { customer }));
    this.#customer.hidden = customer === undefined && this.#customer.textContent === "";
    mark(this.#cross, "aria-label", words.say("dialog.close"));
    const live = client?.directory.live ?? false;
    const stopped = client?.stopped != null;
    if (live && this.#healing) {
      this.#healing = false;
      write(this.#connection, words.say("dialog.live_again"));
    }
    const dead = stopped || (!live && this.#healing);
    this.#banner.hidden = !dead;
    write(this.#banner, dead ? words.say(stopped ? "dialog.not_live_stopped" : "dialog.not_live") : "");
    if (dead) write(this.#connection, this.#banner.textContent ?? "");
    this.#dialog.classList.toggle("stale", dead);
  }

  /** @param {boolean} busy */
  #renderChoice(busy) {
    const words = this.#words;
    const chosen = this.#chosen;
    const rows = this.#client?.directory;
    const loaded = rows !== undefined && rows.epoch !== null;
    for (const panel of this.#panels) {
      const inFront = panel === this.#panel;
      const id = panel.kind === chosen?.target.kind ? chosen.target.id : null;
      panel.render(inFront, id, loaded, words);
    }
    const sendKey = busy
      ? "dialog.transferring"
      : this.tab === "agents"
        ? "dialog.transfer"
        : "dialog.select";
    const sendLabel = words.say(sendKey);
    if (chosen === null || rows === undefined) {
      const text = words.say(this.tab === "agents" ? "dialog.choose_agent" : "dialog.choose_department");
      this.#compose.render({ text, tone: "neutral", nearest: [], sendLabel, ready: false, busy }, words);
      return;
    }
    const owner = this.#errand?.session?.owner ?? null;
    const foreseen = chosen.foresee(rows, owner);
    const { text, tone } = chosen.tell(foreseen, rows, words);
    const nearest = chosen.instead(foreseen, rows, owner);
    const ready = foreseen.outcome !== "gone";
    this.#compose.render({ text, tone, nearest, sendLabel, ready, busy }, words);
    write(this.#news, busy ? sendLabel : text);
  }

  /** @param {Errand} errand */
  #renderOutcome(errand) {
    const { stage, wish, waiting } = errand;
    if (this.#client === null || stage.at === "choosing") return;
    const teller = { words: this.#words, rows: this.#client.directory, me: this.#client.agent?.id ?? null };
    const { telling, offers } = outcomeAt(stage, waiting, teller);
    this.#outcome.render(telling, wish?.reason ?? "", offers);
    write(this.#news, [telling.title, ...telling.details].join(" "));
  }

  #label() {
    const words = this.#words;
    this.#compose.label(words);
    for (const panel of this.#panels) panel.label(words);
    this.#invalidate();
  }

  /**
   * @param {string} name
   * @param {object} detail
   */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(`relevo-${name}`, { detail, bubbles: true, composed: true }));
  }
}
