import assert from "node:assert/strict";
import { Backoff } from "../../src/backoff.js";
import { Core } from "../../src/core.js";
import { Directory } from "../../src/directory.js";
import { CORE_SETTINGS } from "../../src/settings.js";
import { errorMap, welcomeMap } from "./wire-messages.js";

export const NOTE = { session_id: "c-1", text: "hola" };

export const SETTINGS = {
  ...CORE_SETTINGS,
  reconnect: new Backoff({ initialMs: 1000, capMs: 15_000 }),
  retry: new Backoff({ initialMs: 1000, capMs: 4000 }),
};

/** A core with its clock, its router and its program in the test's hands. */
export class CoreDriver {
  now = 1_000_000;
  states = [];
  #keys = 0;

  constructor(settings = {}) {
    this.core = new Core(
      { ...SETTINGS, ...settings },
      () => 0.5,
      () => `key-${++this.#keys}`,
      new Directory(),
    );
  }

  /** Open a socket as soon as the core wants one, and return the hello. */
  open(token = "jwt") {
    assert.equal(this.core.phase, "offline");
    while (!this.core.takeConnect(this.now)) this.now += 100;
    this.core.opened(token, this.now);
    const sent = this.sent();
    assert.deepEqual(
      sent.map(({ type }) => type),
      ["hello"],
    );
    return sent[0];
  }

  /** Open a connection, be let in, and return what the client sends then. */
  connect(welcome = {}) {
    this.open();
    this.receive(welcomeMap(welcome));
    return this.sent();
  }

  sent() {
    return this.core.takeOutgoing(this.now);
  }

  receive(...messages) {
    for (const message of messages) this.core.received(message, this.now);
  }

  reply(command, result) {
    this.receive({ type: "reply", id: command.id, result });
  }

  refuse(command, code, details) {
    this.receive({ type: "reply", id: command.id, error: errorMap(code, details) });
  }

  close(code = 1006, reason = "") {
    this.core.closed(code, reason, this.now);
  }

  wait(milliseconds) {
    this.now += milliseconds;
    this.core.tick(this.now);
  }

  wakeIn() {
    return this.core.wakeAt(this.now) - this.now;
  }

  /** Return what has happened; changes of the state stand apart, in `states`. */
  events() {
    const events = this.core.takeEvents();
    this.states.push(...events.filter(({ type }) => type === "stateChanged").map(({ state }) => state));
    return events.filter(({ type }) => type !== "stateChanged");
  }

  outcome(commandId) {
    const outcome = this.core.takeOutcomes().find(({ id }) => id === commandId);
    return outcome && ("error" in outcome ? outcome.error : outcome.result);
  }

  submit(type, fields = {}, timeoutMs = 30_000, key = null) {
    return this.core.submit(type, fields, this.now + timeoutMs, key);
  }

  note(timeoutMs) {
    return this.submit("session.note", NOTE, timeoutMs);
  }

  /** Subscribe to the directory and return the command. */
  subscribe() {
    this.submit("directory.subscribe");
    const [command] = this.sent();
    return command;
  }

  live() {
    return this.core.directory.live;
  }
}
