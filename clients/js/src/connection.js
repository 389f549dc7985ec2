/** One websocket connection. */

import { pack, UndecodableMessageError } from "./codec.js";
import { HandshakeRefusedError } from "./errors.js";
import { platform } from "./platform.js";

/** @typedef {import("./codec.js").Codec} Codec */
/** @typedef {import("./codec.js").Encoded} Encoded */

/**
 * Called until the connection is closed from this side. `closed` is the last call; `opened` may be missing.
 *
 * @typedef {object} ConnectionListener
 * @property {() => void} opened
 * @property {(messages: unknown[]) => void} received
 * @property {(error: UndecodableMessageError) => void} undecodable
 * @property {(error: HandshakeRefusedError) => void} refused
 * @property {(closeCode: number, reason: string) => void} closed
 */

const CLOSE_WAIT_MS = 2_000;
const nothing = () => {};

export class Connection {
  #socket;
  #codec;
  /** The message of an `error` event; empty in browsers. */
  #errorMessage = "";

  /**
   * Connect. Throws `HandshakeRefusedError` if the platform does not try.
   *
   * @param {import("./platform.js").WebSocketConstructor} WebSocket
   * @param {string} url
   * @param {Codec} codec
   * @param {ConnectionListener} listener
   */
  constructor(WebSocket, url, codec, listener) {
    this.#codec = codec;
    try {
      this.#socket = new WebSocket(url, [codec.subprotocol]);
    } catch (cause) {
      // A page on https may not open ws://, or the platform rejects the address.
      throw new HandshakeRefusedError(`${url}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    }
    const socket = this.#socket;
    socket.binaryType = "arraybuffer";
    let opened = false;
    socket.onopen = () => {
      opened = true;
      // Old versions of React Native have no `protocol`.
      if (socket.protocol === undefined || socket.protocol === codec.subprotocol) listener.opened();
      else listener.refused(new HandshakeRefusedError(`${url} does not speak ${codec.subprotocol}`));
    };
    socket.onmessage = ({ data }) => {
      let messages;
      try {
        messages = codec.decode(data);
      } catch (error) {
        if (!(error instanceof UndecodableMessageError)) throw error;
        listener.undecodable(error);
        return;
      }
      listener.received(messages);
    };
    socket.onerror = (event) => {
      this.#errorMessage = typeof event?.message === "string" ? event.message : "";
    };
    socket.onclose = (event) => {
      const code = typeof event?.code === "number" ? event.code : 1006;
      listener.closed(code, event?.reason || (opened ? this.#errorMessage : this.#whyNotOpened(url)));
    };
  }

  /**
   * Send encoded messages, in batches.
   *
   * @param {Encoded[]} messages
   */
  send(messages) {
    for (const frame of pack(this.#codec, messages)) this.#socket.send(frame);
  }

  /** @param {string} url */
  #whyNotOpened(url) {
    const error = this.#errorMessage || `${url} was not opened`;
    const origin = platform.location?.origin;
    const refused = /\b403\b/.test(error);
    // A browser does not say why. A page of the router's own host may connect.
    const foreign = origin !== undefined && !url.replace(/^ws/i, "http").startsWith(`${origin}/`);
    if (!refused && !foreign) return error;
    return `${error}; does RELEVO_ALLOWED_ORIGINS of the router hold ${origin ?? "the Origin that is sent"}?`;
  }

  /**
   * Close, and ignore further events: on a dead network the closing handshake may take minutes.
   *
   * @param {number} code 1000, or one from 3000 on: browsers allow no others.
   * @param {string} reason
   * @returns {Promise<void>} Resolves when the connection is closed, or after two seconds.
   */
  close(code, reason) {
    const socket = this.#socket;
    socket.onopen = nothing;
    socket.onmessage = nothing;
    socket.onerror = nothing;
    return new Promise((resolve) => {
      const timer = platform.setTimeout(resolve, CLOSE_WAIT_MS);
      socket.onclose = () => {
        platform.clearTimeout(timer);
        resolve();
      };
      socket.close(code, reason);
    });
  }
}
