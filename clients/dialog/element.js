/** `<relevo-transfer-dialog>`: connects a client, the page and the views. */

import { Drafts } from "./drafts.js";
import { tabStore } from "./storage.js";
import { DirectoryRows } from "./directory-rows.js";
import { PageLanguage } from "./language.js";
import { createElement, setAttribute, setText } from "./dom.js";
import { HeaderView } from "./header.js";
import { outcomeAt } from "./outcome.js";
import { Panel } from "./panel.js";
import { agentRenderer, departmentRenderer } from "./row-renderers.js";
import { Selection, selectionState } from "./selection.js";
import { forbiddenBy } from "./predicted-outcome.js";
import { ruleOf } from "../js/src/rules.js";
import { holdDirectory } from "./shared-subscription.js";
import { sheet } from "./styles.js";
import { TransferFlow } from "./transfer-flow.js";
import { ComposeView, lengthOf, OutcomeView, REASON_MAX } from "./view.js";

/** @typedef {import("../js/src/client.js").Client} Client */
/** @typedef {import("../js/src/objects.js").Agent} Agent */
/** @typedef {import("../js/src/objects.js").Department} Department */
/** @typedef {import("../js/src/objects.js").Session} Session */
/** @typedef {import("../js/src/objects.js").Target} Target */
/** @typedef {import("./outcome.js").Action} Action */

// Safari has no requestIdleCallback.
const whenIdle = globalThis.requestIdleCallback ?? ((/** @type {() => void} */ run) => setTimeout(run, 50));

export class RelevoTransferDialog extends HTMLElement {
  static observedAttributes = ["open", "session-id", "lang", "tab"];

  /** @type {Client | null} */
  #client = null;
  /** @type {Session | null} */
  #session = null;
  /** @type {TransferFlow | null} */
  #flow = null;
  /** The rule and the hops by which the rows are rendered. */
  #ruleShown = { rule: /** @type {import("../js/src/objects.js").Rule | null} */ (null), hops: 0 };
  /** @type {Selection | null} */
  #selection = null;
  #directoryRows = new DirectoryRows();
  #open = false;
  #frame = 0;
  /** @type {(() => void)[]} */
  #unlisten = [];
  #release = () => {};
  #language = new PageLanguage(this, () => this.#updateLabels());

  #departmentPanel;
  #agentPanel;
  #compose;
  #outcome;
  #header = new HeaderView(() => this.close());
  // Apart from the header's live region, so that one announcement does not replace the other.
  #announcement = createElement("p", { class: "visually-hidden", role: "status" });
  #dialog;

  constructor() {
    super();
    const { agents, departments } = this.#directoryRows;
    const words = () => this.#words;
    const changed = () => this.#invalidate();
    const departmentRows = departmentRenderer(words, this.#forbidden);
    this.#departmentPanel = new Panel("department", departments, departmentRows, changed, (id) =>
      this.#onChoose({ kind: "department", id }),
    );
    const renderer = agentRenderer(
      words,
      (id) => this.#directoryRows.departmentName(id),
      (agent) => this.#directoryRows.hasNamesake(agent),
      this.#forbidden,
    );
    const chooseAgent = (/** @type {string} */ id) => this.#onChoose({ kind: "agent", id });
    this.#agentPanel = new Panel("agent", agents, renderer, changed, chooseAgent);
    const run = (/** @type {Action} */ action) => this.#run(action);
    const onType = () => {
      this.#drafts.type(draftOf(this.sessionId), this.#compose.reason.value);
      changed();
    };
    this.#compose = new ComposeView(this.#panels, run, onType, chooseAgent);
    this.#outcome = new OutcomeView(run);
    this.#dialog = createElement(
      "dialog",
      { class: "dialog", part: "dialog", "aria-labelledby": "title", "aria-describedby": "customer" },
      this.#header.element,
      this.#header.banner,
      this.#compose.element,
      this.#outcome.element,
      this.#announcement,
      this.#header.announcement,
    );
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet()];
    root.append(this.#dialog);
    this.#dialog.addEventListener("keydown", (event) => this.#onKey(event));
    // The browser closes a dialog on a gesture or the back button. The event comes late: the page may have shown the
    // dialog again.
    this.#dialog.addEventListener("close", () => this.#dialog.open || this.close());
    for (const { tab, kind } of this.#panels) {
      tab.addEventListener("click", () => this.#showTab(kind));
      tab.addEventListener("keydown", (event) => this.#onTabKey(event));
    }
  }

  // Properties.

  /** A client of relevo-client. @returns {Client | null} */
  get client() {
    return this.#client;
  }

  set client(client) {
    if (client === this.#client) return;
    const { open } = this;
    this.#onClose();
    this.#client = client;
    this.#flow?.end();
    this.#flow = null;
    if (open) this.#onOpen();
  }

  /** The id of the session to transfer. */
  get sessionId() {
    return this.getAttribute("session-id") ?? "";
  }

  set sessionId(id) {
    this.setAttribute("session-id", id);
  }

  /** The session as the page has it, where `client.inbox` does not. @returns {Session | null} */
  get session() {
    return this.#session;
  }

  set session(session) {
    this.#session = session ?? null;
    if (session && session.id !== this.sessionId) this.sessionId = session.id;
    else this.#flow?.setSession(this.#session);
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

  // Lifecycle.

  connectedCallback() {
    // A framework may have set properties before this module was loaded; they shadow the accessors.
    for (const name of /** @type {const} */ (["client", "session", "sessionId", "theme", "tab", "open"])) {
      if (!Object.hasOwn(this, name)) continue;
      const value = /** @type {any} */ (this[name]);
      delete (/** @type {any} */ (this)[name]);
      /** @type {any} */ (this)[name] = value;
    }
    this.#language.start();
    if (this.open) this.#onOpen();
  }

  disconnectedCallback() {
    this.#language.stop();
    this.#onClose();
    this.#flow?.end();
    this.#flow = null;
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
    if (name === "session-id" && this.#open) this.#start();
    if (name === "open" && after !== null && !this.#open) this.#onOpen();
    if (name === "open" && after === null && this.#open) {
      this.#onClose();
      this.#emit("close", {});
    }
  }

  #onOpen() {
    this.#open = true;
    if (!this.#dialog.open) this.#dialog.showModal();
    const client = this.#client;
    if (client !== null) {
      this.#header.start(client.state === "connected");
      this.#unlisten = [
        client.on("directoryChanged", (event) => {
          this.#directoryRows.collect(event);
          this.#invalidate();
        }),
        client.on("connected", () => this.#invalidate()),
        client.on("disconnected", () => this.#onConnectionLost()),
        client.on("unreachable", () => this.#onConnectionLost()),
      ];
      this.#release = holdDirectory(client);
    }
    this.#start();
    this.#render();
    this.#focusFirst();
  }

  #onClose() {
    if (!this.#open) return;
    this.#open = false;
    for (const unlisten of this.#unlisten) unlisten();
    this.#unlisten = [];
    this.#release();
    this.#release = () => {};
    this.#flow?.stopPolling();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#dialog.open) this.#dialog.close();
  }

  /** Start with the selection, unless the last transfer is still pending or queued. */
  #start() {
    this.#directoryRows.reload();
    const client = this.#client;
    const flow = this.#flow;
    const back = client?.inbox.get(this.sessionId) !== undefined;
    if (flow?.sessionId === this.sessionId && (flow.stage.at === "sending" || (flow.waiting && !back))) {
      this.#invalidate();
      return;
    }
    flow?.end();
    this.#selection = null;
    for (const panel of this.#panels) {
      panel.clearSearch();
      panel.list.rewind();
    }
    this.#compose.reason.value = this.#drafts.get(draftOf(this.sessionId)).text;
    const { sessionId } = this;
    const session = this.#session?.id === sessionId ? this.#session : null;
    const changed = () => this.#invalidate();
    const notify = (/** @type {string} */ name, /** @type {object} */ detail) =>
      this.#onFlowEvent(sessionId, name, detail);
    this.#flow = client === null ? null : new TransferFlow(client, sessionId, session, changed, notify);
    this.#invalidate();
  }

  // Events.

  #onConnectionLost() {
    this.#header.connectionLost();
    this.#invalidate();
  }

  /**
   * @param {string} sessionId
   * @param {string} name
   * @param {object} detail
   */
  #onFlowEvent(sessionId, name, detail) {
    if (name === "transfer") {
      this.#drafts.done(draftOf(sessionId));
      // The dialog may be open for another session by now.
      if (sessionId === this.sessionId) this.#compose.reason.value = "";
    }
    this.#emit(name, detail);
  }

  /** @param {Target} target */
  #onChoose(target) {
    if (this.#client === null) return;
    this.#selection = new Selection(target, this.#client.directory);
    this.#invalidate();
  }

  /** @param {Action} action */
  #run(action) {
    if (action === "close") this.close();
    if (action === "select") this.#select();
    if (action === "transfer") this.#transfer();
    if (action === "stop") this.#flow?.stop();
    if (action === "recall") void this.#flow?.recall();
    if (action === "back") {
      this.#flow?.back();
      this.#render();
      this.#focusFirst();
    }
    if (action === "retry" && this.#flow?.request) void this.#flow.transfer(this.#flow.request);
  }

  /** Confirm the selected department; only the reason is left. */
  #select() {
    if (this.#selection === null) return;
    this.#selection.confirmed = true;
    this.#render();
    if (!onTouch()) this.#compose.reason.focus();
  }

  #transfer() {
    const flow = this.#flow;
    const reason = this.#compose.reason.value.trim();
    const selection = this.#selection;
    const rows = this.#client?.directory;
    if (flow?.stage.at !== "choosing" || selection === null || rows === undefined) return;
    const { outcome } = selection.predict(rows, null, this.#bounds);
    if (outcome === "gone" || outcome === "refused" || lengthOf(reason) > REASON_MAX) return;
    void flow.transfer({ target: selection.target, reason });
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === "Escape") {
      event.preventDefault();
      const panel = this.#panel;
      if (this.#flow?.stage.at === "choosing" && panel.clearSearch()) {
        panel.search.focus();
        this.#invalidate();
      } else this.close();
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.#run(this.#compose.action);
    }
  }

  /** @param {KeyboardEvent} event */
  #onTabKey(event) {
    if (!["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const first = this.#panel === this.#panels[0];
    const panel = event.key === "Home" || (!first && event.key !== "End") ? this.#panels[0] : this.#panels[1];
    this.#showTab(panel.kind);
    panel.tab.focus();
  }

  /** @param {"agent" | "department"} kind */
  #showTab(kind) {
    this.tab = kind === "agent" ? "agents" : "departments";
    // A selection on the hidden tab would be sent without being seen.
    if (this.#selection?.target.kind !== kind) this.#selection = null;
    this.#render();
  }

  #focusFirst() {
    if (this.#flow !== null && this.#flow.stage.at !== "choosing") return this.#outcome.focus();
    const panel = this.#panel;
    (onTouch() ? panel.tab : panel.search).focus({ preventScroll: true });
  }

  // Rendering.

  /** @returns {[Panel<Department>, Panel<Agent>]} */
  get #panels() {
    return [this.#departmentPanel, this.#agentPanel];
  }

  get #words() {
    return this.#language.words;
  }

  /** The texts that this agent onType in this tab. */
  get #drafts() {
    const { tenant, agent } = this.#client?.welcome ?? {};
    return new Drafts(tabStore, `${tenant} ${agent?.id}`);
  }

  /** What a rule is held against. Admins pass it over. */
  get #bounds() {
    const session = this.#client?.agent?.role === "agent" ? (this.#flow?.session ?? null) : null;
    return { session, reason: this.#compose.reason.value.trim() };
  }

  /** @type {import("./row-renderers.js").Forbidden} */
  #forbidden = (target) => {
    const rows = this.#client?.directory;
    if (rows === undefined) return undefined;
    // The reason can still be written.
    return forbiddenBy(target, rows, this.#bounds).find((because) => because !== "reason");
  };

  /** Render all rows again where another rule, or another number of hops, may forbid others. */
  #refreshRules() {
    const { session } = this.#bounds;
    const rows = this.#client?.directory;
    const rule = session === null || rows === undefined ? null : ruleOf(session, rows);
    const key = { rule, hops: session === null ? 0 : session.hops - session.hopsFree };
    if (key.rule === this.#ruleShown.rule && key.hops === this.#ruleShown.hops) return;
    this.#ruleShown = key;
    for (const panel of this.#panels) panel.list.refresh();
  }

  get #panel() {
    return this.tab === "agents" ? this.#agentPanel : this.#departmentPanel;
  }

  #invalidate() {
    if (!this.#open || this.#frame !== 0) return;
    // Any number of changes costs one rendering a frame.
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#render();
      // After the frame is painted; the first screenful is in order by now.
      if (!this.#directoryRows.sorted) whenIdle(() => this.#directoryRows.sort() && this.#invalidate());
    });
  }

  #render() {
    if (!this.#open) return;
    const words = this.#words;
    const flow = this.#flow;
    if (
      this.#client !== null &&
      this.#directoryRows.update(this.#client.directory, flow?.session?.owner ?? null)
    ) {
      this.#agentPanel.list.refresh();
    }
    this.#refreshRules();
    flow?.pollQueuePlace();
    const stage = flow?.stage ?? { at: "choosing" };
    this.#renderHeader();
    const choosing =
      stage.at === "choosing" || (stage.at === "sending" && this.#client?.state === "connected");
    const switched = this.#compose.element.hidden === choosing;
    this.#compose.element.hidden = !choosing;
    this.#outcome.element.hidden = choosing;
    this.#dialog.classList.toggle("has-outcome", !choosing);
    if (choosing) this.#renderSelection(stage.at === "sending");
    else if (flow !== null) this.#renderOutcome(flow);
    if (switched && !choosing) this.#outcome.focus();
    setAttribute(this.#dialog, "lang", words.language);
  }

  #renderHeader() {
    const client = this.#client;
    const customer = this.#flow?.session?.customer.name;
    const live = client?.directory.live ?? false;
    const stopped = client?.state === "stopped";
    this.#dialog.classList.toggle("stale", this.#header.render({ customer, live, stopped }, this.#words));
  }

  /** @param {boolean} busy */
  #renderSelection(busy) {
    const words = this.#words;
    const selection = this.#selection;
    const rows = this.#client?.directory;
    const loaded = rows !== undefined && rows.epoch !== null;
    for (const panel of this.#panels) {
      const inFront = panel === this.#panel;
      const id = panel.kind === selection?.target.kind ? selection.target.id : null;
      panel.render(inFront, id, loaded, words);
    }
    this.#departmentPanel.list.element.classList.toggle("confirmed", selection?.confirmed === true);
    const owner = this.#flow?.session?.owner ?? null;
    const options = { owner, bounds: this.#bounds, kind: this.#panel.kind, busy, words };
    const state = selectionState(selection, rows ?? null, options);
    this.#compose.render(state, words);
    if (selection !== null) setText(this.#announcement, busy ? state.label : state.text);
  }

  /** @param {TransferFlow} flow */
  #renderOutcome(flow) {
    const { stage, request, waiting } = flow;
    if (this.#client === null || stage.at === "choosing") return;
    const context = { words: this.#words, rows: this.#client.directory, me: this.#client.agent?.id ?? null };
    const { description, buttons } = outcomeAt(stage, waiting, context);
    this.#outcome.render(description, request?.reason ?? "", buttons);
    setText(this.#announcement, [description.title, ...description.details].join(" "));
  }

  #updateLabels() {
    const words = this.#words;
    this.#compose.label(words);
    for (const panel of this.#panels) panel.label(words);
    this.#invalidate();
  }

  /**
   * @param {string} name
   * @param {object} detail
   */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(`relevo-${name}`, { detail, bubbles: true, composed: true }));
  }
}

/** @param {string} sessionId */
function draftOf(sessionId) {
  return `reason/${sessionId}`;
}

/** Whether focusing a field shows a keyboard over the list. */
function onTouch() {
  return matchMedia("(pointer: coarse)").matches;
}
