/** The network between a page and a router, which a test can cut and mend. */

import { connect, createServer } from "node:net";

export class Cable {
  /** @type {Set<import("node:net").Socket>} */
  #sockets = new Set();
  #whole = true;
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
      near.pipe(far).pipe(near);
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

  async close() {
    this.cut();
    await new Promise((done) => this.#server.close(done));
  }
}
