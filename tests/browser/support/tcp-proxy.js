/** A TCP proxy between a page and a router: a test can cut it, restore it, or hold the router's bytes back. */

import { connect, createServer } from "node:net";

export class TcpProxy {
  /** @type {Set<import("node:net").Socket>} */
  #sockets = new Set();
  /** Each connection's two ends, the page's first. @type {Set<[import("node:net").Socket, import("node:net").Socket]>} */
  #lines = new Set();
  #whole = true;
  #held = false;
  #server;

  /** @param {number} port The router's. */
  constructor(port) {
    this.#server = createServer((near) => {
      if (!this.#whole) return void near.destroy();
      const far = connect(port, "127.0.0.1");
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ]) {
        this.#sockets.add(/** @type {import("node:net").Socket} */ (socket));
        socket?.on("error", () => {});
        socket?.on("close", () => {
          this.#sockets.delete(socket);
          other?.destroy();
        });
      }
      near.pipe(far);
      if (!this.#held) far.pipe(near);
      /** @type {[import("node:net").Socket, import("node:net").Socket]} */
      const line = [near, far];
      this.#lines.add(line);
      near.once("close", () => this.#lines.delete(line));
    });
  }

  /**
   * @param {number} port
   */
  static async start(port) {
    const proxy = new TcpProxy(port);
    await new Promise((done) => proxy.#server.listen(0, "127.0.0.1", () => done(null)));
    return proxy;
  }

  /** The port for the page. */
  get port() {
    return /** @type {import("node:net").AddressInfo} */ (this.#server.address()).port;
  }

  cut() {
    this.#whole = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  restore() {
    this.#whole = true;
  }

  /** Hold the router's bytes back. */
  hold() {
    this.#held = true;
    for (const [near, far] of this.#lines) far.unpipe(near).pause();
  }

  /** Release the bytes that were held. */
  release() {
    this.#held = false;
    for (const [near, far] of this.#lines) far.pipe(near);
  }

  async close() {
    this.cut();
    await new Promise((done) => this.#server.close(done));
  }
}
