/** A router process, and clients of it. */

import * as library from "@msgpack/msgpack";
import { WebSocket } from "ws";
import { Client, HttpClient, messagePack } from "../../src/index.js";
import { makeToken, RouterProcess } from "./router-process.js";

export { makeToken };

export const CODECS = { json: undefined, msgpack: messagePack(library) };

export class Router extends RouterProcess {
  #clients = [];
  #sockets = [];

  /** Make a client of an agent; it is closed at the end. */
  client(sub, { format = "json", token, claims = {}, ...options } = {}) {
    const sockets = this.#sockets;
    class RecordedWebSocket extends WebSocket {
      constructor(...args) {
        super(...args);
        sockets.push(this);
      }
    }
    const client = new Client(this.url, token ?? makeToken(sub, claims), {
      WebSocket: /** @type {any} */ (RecordedWebSocket),
      codec: CODECS[format],
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  async connect(sub, options) {
    const client = this.client(sub, options);
    await client.start();
    return client;
  }

  http(sub, claims) {
    return new HttpClient(this.httpUrl, makeToken(sub, claims));
  }

  /** Terminate all connections, without a closing handshake. */
  cutAll() {
    for (const socket of this.#sockets.splice(0)) socket.terminate();
  }

  /** Close the clients, stop, and remove the data. */
  async end() {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.remove();
  }
}

/** Wait for the next event of a type that matches. */
export function nextEvent(client, type, matches = () => true) {
  return new Promise((resolve) => {
    const unlisten = client.on(type, (event) => {
      if (!matches(event)) return;
      unlisten();
      resolve(event);
    });
  });
}

/** Wait until the directory fulfils a condition. */
export async function directoryShows(client, condition) {
  while (!condition(client.directory)) await nextEvent(client, "directoryChanged");
}
