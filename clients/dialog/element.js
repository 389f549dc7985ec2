/** `<relevo-transfer-dialog>`: the shell between a client, the page and what is shown. */

import { Drafts } from "../console/model/drafts.js";
import { tabStore } from "../console/model/storage.js";
import { Choice, compose } from "./choice.js";
import { Errand } from "./errand.js";
import { FrameView } from "./frame.js";
import { holdDirectory } from "./hold.js";
import { PageLanguage } from "./language.js";
import { make, mark, write } from "./make.js";
import { outcomeAt } from "./outcome.js";
import { Panel } from "./panel.js";
import { Rosters } from "./rosters.js";
import { agentLook, departmentLook } from "./rows.js";
import { sheet } from "./styles.js";
import { ComposeView, lengthOf, OutcomeView, REASON_MAX } from "./view.js";

/** @typedef {import("../js/src/client.js").Client} Client */
/** @typedef {import("../js/src/objects.js").Agent} Agent */
/** @typedef {import("../js/src/objects.js").Department} Department */
/** @typedef {import("../js/src/objects.js").Session} Session */
/** @typedef {import("../js/src/objects.js").Target} Target */
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
  #rosters = new Rosters();
  #open = false;
  #frame = 0;
  /** @type {(() => void)[]} */
  #unlisten = [];
  #release = () => {};
  #language = new PageLanguage(this, () => this.#label());

  #departmentPanel;
  #agentPanel;
  #compose;
  #outcome;
  #head = new FrameView(() => this.close());
  // Two voices, this and the head's: what becomes of the choice and of the connection do not talk over one another.
  #news = make("p", { class: "unseen", role: "status" });
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
      this.#drafts.type(draftOf(this.sessionId), this.#compose.reason.value);
      changed();
    };
    this.#compose = new ComposeView(this.#panels, act, typed, chooseAgent);
    this.#outcome = new OutcomeView(act);
    this.#dialog = make(
      "dialog",
      { class: "dialog", part: "dialog", "aria-labelledby": "title", "aria-describedby": "customer" },
      this.#head.header,
      this.#head.banner,
      this.#compose.element,
      this.#outcome.element,
      this.#news,
      this.#head.voice,
    );
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet()];
    root.append(this.#dialog);
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
      this.#head.begin(client.connected);
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
    this.#compose.reason.value = this.#drafts.get(draftOf(this.sessionId)).text;
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
    this.#head.lost();
    this.#invalidate();
  }

  /**
   * @param {string} sessionId
   * @param {string} name
   * @param {object} detail
   */
  #errandTells(sessionId, name, detail) {
    if (name === "transfer") {
      this.#drafts.done(draftOf(sessionId));
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
    if (action === "select") this.#select();
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

  /** Settle on the chosen department; what is left to say is why. */
  #select() {
    if (this.#chosen === null) return;
    this.#chosen.selected = true;
    this.#render();
    if (!onTouch()) this.#compose.reason.focus();
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
      this.#act(this.#compose.action);
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
    const panel = this.#panel;
    (onTouch() ? panel.tab : panel.search).focus({ preventScroll: true });
  }

  // What is shown.

  /** @returns {[Panel<Department>, Panel<Agent>]} */
  get #panels() {
    return [this.#departmentPanel, this.#agentPanel];
  }

  get #words() {
    return this.#language.words;
  }

  /** What was typed at this tab, by whoever is signed in. */
  get #drafts() {
    const { tenant, agent } = this.#client?.welcome ?? {};
    return new Drafts(tabStore, `${tenant}/${agent?.id}`);
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
    this.#renderHead();
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

  #renderHead() {
    const client = this.#client;
    const customer = this.#errand?.session?.customer.name;
    const live = client?.directory.live ?? false;
    const stopped = client?.stopped != null;
    this.#dialog.classList.toggle("stale", this.#head.render({ customer, live, stopped }, this.#words));
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
    this.#departmentPanel.list.element.classList.toggle("settled", chosen?.selected === true);
    const owner = this.#errand?.session?.owner ?? null;
    const state = compose(chosen, rows ?? null, { owner, kind: this.#panel.kind, busy, words });
    this.#compose.render(state, words);
    if (chosen !== null) write(this.#news, busy ? state.label : state.text);
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

/** @param {string} sessionId */
function draftOf(sessionId) {
  return `reason/${sessionId}`;
}

/** Whether a field with the focus would bring up a keyboard over the list. */
function onTouch() {
  return matchMedia("(pointer: coarse)").matches;
}
