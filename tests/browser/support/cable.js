/** The network between a page and a router, which a test can cut and mend, or hold back. */

import { connect, createServer } from "node:net";

export class Cable {
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
  static async lay(port) {
    const cable = new Cable(port);
    await new Promise((done) => cable.#server.listen(0, "127.0.0.1", () => done(null)));
    return cable;
  }

  /** Where a page connects. */
  get port() {
    return /** @type {import("node:net").AddressInfo} */ (this.#server.address()).port;
  }

  cut() {
    this.#whole = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend() {
    this.#whole = true;
  }

  /** Keep what the router sends on its way, from now on. */
  hold() {
    this.#held = true;
    for (const [near, far] of this.#lines) far.unpipe(near).pause();
  }

  /** Let what was kept arrive. */
  release() {
    this.#held = false;
    for (const [near, far] of this.#lines) far.pipe(near);
  }

  async close() {
    this.cut();
    await new Promise((done) => this.#server.close(done));
  }
}
