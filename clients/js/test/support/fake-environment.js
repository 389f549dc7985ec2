/** A client among sockets, timers and a clock that a test moves by hand. */

import assert from "node:assert/strict";
import { Client } from "../../src/index.js";
import { errorMap, welcomeMap } from "./wire-messages.js";

/** Let everything happen that waits for no timer. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

/** The router's end of one connection. */
class Socket {
  protocol = "";
  binaryType = "blob";
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  /** Messages that the client sent and the test has not taken. */
  inbound = [];
  frames = 0;
  /** @type {{ code: number, reason: string } | null} */
  closedBy = null;
  /** Whether a close is lost, as on a dead network. */
  dead = false;

  constructor(environment, url, protocols) {
    this.url = url;
    this.protocols = protocols;
    environment.sockets.push(this);
  }

  send(frame) {
    this.frames += 1;
    this.inbound.push(...[JSON.parse(frame)].flat());
  }

  close(code, reason) {
    assert.ok(code === 1000 || (code >= 3000 && code <= 4999), `a browser refuses to close with ${code}`);
    this.closedBy = { code, reason };
    if (!this.dead) queueMicrotask(() => this.onclose({ code, reason }));
  }

  accept(protocol = this.protocols[0]) {
    this.protocol = protocol;
    this.onopen({});
  }

  push(...messages) {
    for (const message of messages) this.pushFrame(JSON.stringify(message));
  }

  pushFrame(data) {
    this.onmessage({ data });
  }

  cut(code = 1006, reason = "") {
    this.onclose({ code, reason });
  }

  /** Return the next message from the client, which must be of this type. */
  async expect(type) {
    await settle();
    const message = this.inbound.shift();
    assert.equal(message?.type, type);
    return message;
  }

  async letIn(welcome) {
    this.accept();
    const hello = await this.expect("hello");
    this.push(welcomeMap(welcome));
    return hello;
  }

  reply(command, result) {
    this.push({ type: "reply", id: command.id, result });
  }

  refuse(command, code, details) {
    this.push({ type: "reply", id: command.id, error: errorMap(code, details) });
  }
}

export class FakeEnvironment {
  sockets = [];
  now = 5_000;
  logged = [];
  #slept = 0;
  #timers;
  #clients = [];

  /** @param {import("node:test").TestContext} t */
  constructor(t) {
    this.#timers = t.mock.timers;
    this.#timers.enable({ apis: ["setTimeout"] });
    // One that a failed test left running would keep the process alive.
    t.after(() => Promise.all(this.#clients.map((client) => client.close())));
  }

  client(options = {}) {
    const environment = this;
    const log = (...values) => void this.logged.push(values.join(" "));
    const client = new Client(options.url ?? "ws://relevo.test/ws", options.token ?? "jwt", {
      WebSocket: class extends Socket {
        constructor(url, protocols) {
          super(environment, url, protocols);
        }
      },
      clock: () => this.now,
      random: () => 0.5,
      logger: { info: log, warn: log, error: log },
      signals: () => () => {},
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  /** Start a client and let it in. */
  async connected({ welcome = {}, ...options } = {}) {
    const client = this.client(options);
    const starting = client.start();
    const socket = await this.nextSocket();
    await socket.letIn(welcome);
    await starting;
    return { client, socket };
  }

  /** Return the socket that the client opens next, letting pass what time it waits. */
  async nextSocket() {
    for (let waited = 0; waited < 100; waited += 1) {
      await settle();
      const socket = this.sockets.shift();
      if (socket !== undefined) return socket;
      await this.pass(200);
    }
    throw new Error("the client opens no socket");
  }

  async pass(milliseconds) {
    await settle();
    this.now += milliseconds;
    this.#timers.tick(milliseconds);
    await settle();
  }

  /** Let time pass while no timer fires, as in a machine that sleeps or a page that is frozen. */
  sleep(milliseconds) {
    this.now += milliseconds;
    this.#slept += milliseconds;
  }

  /** Wake up: the timers that are overdue fire, before anything else happens. */
  wake() {
    this.#timers.tick(this.#slept);
    this.#slept = 0;
  }
}
