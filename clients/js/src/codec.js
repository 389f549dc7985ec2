/** Frames to messages and back, in the protocol's two formats. */

/** The router takes no more in one batch. */
export const BATCH_MESSAGES_MAX = 64;

/** The router closes a connection that sends more than this in one websocket message. */
export const MESSAGE_BYTES_MAX = 64 * 1024;

/** @typedef {string | Uint8Array} Encoded One message, or a batch, as it goes into a frame. */

/**
 * One format: its subprotocol and its two directions.
 *
 * @typedef {object} Codec
 * @property {string} subprotocol
 * @property {(message: object) => Encoded} encode Encode one message of plain values.
 * @property {(messages: Encoded[]) => Encoded} join Put encoded messages into one batch.
 * @property {(data: unknown) => unknown[]} decode Decode a message or a batch, in order; throws
 *   `UndecodableMessageError`.
 */

/** A frame holds nothing that the agreed format can be read from. */
export class UndecodableMessageError extends Error {
  name = "UndecodableMessageError";
}

/** JSON in text frames. @type {Codec} */
export const json = Object.freeze({
  subprotocol: "relevo.v1.json",
  encode: (message) => JSON.stringify(message),
  join: (messages) => `[${messages.join(",")}]`,
  decode(data) {
    if (typeof data !== "string") throw new UndecodableMessageError("a frame of the wrong kind");
    return readWith(JSON.parse, data);
  },
});

/**
 * Make a codec of MessagePack in binary frames, on a library.
 *
 * @param {object} library
 * @param {(value: any) => Uint8Array} library.encode Returns bytes that it does not write to again.
 * @param {(bytes: Uint8Array) => unknown} library.decode Returns maps as plain objects with string keys.
 * @returns {Codec}
 */
export function messagePack({ encode, decode }) {
  return Object.freeze({
    subprotocol: "relevo.v1.msgpack",
    /** @param {object} message */
    encode: (message) => encode(message),
    join: joinBytes,
    /** @param {unknown} data */
    decode(data) {
      if (typeof data === "string") throw new UndecodableMessageError("a frame of the wrong kind");
      return readWith(
        decode,
        data instanceof Uint8Array ? data : new Uint8Array(/** @type {ArrayBuffer} */ (data)),
      );
    },
  });
}

/**
 * Join encoded messages into as few websocket messages as the router's limits allow, order kept.
 *
 * @param {Codec} codec The format that they are encoded in.
 * @param {Encoded[]} messages Each at most `MESSAGE_BYTES_MAX` bytes.
 * @returns {Encoded[]}
 */
export function pack(codec, messages) {
  /** @type {Encoded[]} */
  const packed = [];
  /** @type {Encoded[]} */
  let group = [];
  let size = 0;
  const flush = () => {
    const [first] = group;
    if (first !== undefined) packed.push(group.length === 1 ? first : codec.join(group));
    group = [];
    size = 0;
  };
  for (const message of messages) {
    const bytes = byteLength(message);
    // One byte for a comma each, and sixteen for the array around them.
    if (group.length === BATCH_MESSAGES_MAX || size + bytes + 17 > MESSAGE_BYTES_MAX) flush();
    group.push(message);
    size += bytes + 1;
  }
  flush();
  return packed;
}

/**
 * Return how many bytes a message has in its frame.
 *
 * @param {Encoded} message
 */
export function byteLength(message) {
  if (typeof message !== "string") return message.length;
  let bytes = message.length;
  for (let index = 0; index < message.length; index += 1) {
    const unit = message.charCodeAt(index);
    // A surrogate is one half of four bytes in UTF-8.
    if (unit >= 0x80) bytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
  }
  return bytes;
}

// Far beyond any command, and short of any stack; an object that contains itself ends here too.
const DEPTH_MAX = 32;
const LONE_SURROGATE = /[\ud800-\udfff]/u;

/**
 * Return why a value has no wire form, or null if it has one.
 *
 * JSON hides some such values: NaN becomes null, and half of a surrogate pair becomes text that the router cannot
 * decode.
 *
 * @param {unknown} value
 * @param {string} path Where it stands in its message.
 * @param {number} depth How many maps and arrays are around it.
 * @returns {string | null}
 */
export function whyNotPlain(value, path = "", depth = 0) {
  const place = path || "message";
  if (depth > DEPTH_MAX) return `${place} nests too deep`;
  if (value === null || typeof value === "boolean") return null;
  if (typeof value === "number") return Number.isFinite(value) ? null : `${place} is not finite`;
  if (typeof value === "string")
    return LONE_SURROGATE.test(value) ? `${place} has half of a surrogate pair` : null;
  if (Array.isArray(value))
    return firstReason(
      value.map((item, index) => [item, `${path}[${index}]`]),
      depth,
    );
  if (typeof value !== "object") return `${place} is of type ${typeof value}`;
  const prototype = Object.getPrototypeOf(value);
  // Not compared with Object.prototype: another frame of the page has another one.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return `${place} is no plain object`;
  return firstReason(
    Object.entries(value).map(([name, item]) => [item, path ? `${path}.${name}` : name]),
    depth,
  );
}

/**
 * @param {[unknown, string][]} items
 * @param {number} depth
 */
function firstReason(items, depth) {
  for (const [item, path] of items) {
    const reason = whyNotPlain(item, path, depth + 1);
    if (reason !== null) return reason;
  }
  return null;
}

/**
 * @template T
 * @param {(data: T) => unknown} read
 * @param {T} data
 * @returns {unknown[]}
 */
function readWith(read, data) {
  let value;
  try {
    value = read(data);
  } catch (error) {
    // A library throws errors of its own, or overflows the stack.
    throw new UndecodableMessageError(String(error), { cause: error });
  }
  return Array.isArray(value) ? value : [value];
}

/** @param {Encoded[]} messages */
function joinBytes(messages) {
  const parts = /** @type {Uint8Array[]} */ (messages);
  const count = parts.length;
  // The two shortest array headers of MessagePack; a batch has at most 64 messages.
  const header = count < 16 ? [0x90 | count] : [0xdc, count >> 8, count & 0xff];
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, header.length));
  joined.set(header);
  let offset = header.length;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
