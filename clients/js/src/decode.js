/** Turn decoded maps into frozen typed objects, strictly for what is known and deaf to what is not. */

/**
 * Turn a value of the wire into one of this client; throws `InvalidData`.
 *
 * @template T
 * @typedef {(value: unknown, path: string) => T} Decoder
 */

/** What came does not have the shape that the protocol gives it; `path` says where. */
export class InvalidData extends Error {
  name = "InvalidData";

  /**
   * @param {string} path
   * @param {string} expected
   * @param {unknown} value
   */
  constructor(path, expected, value) {
    super(`${path || "message"}: expected ${expected}, got ${value === null ? "null" : typeof value}`);
    this.path = path;
  }
}

/** @type {Decoder<string>} */
export function string(value, path) {
  if (typeof value !== "string") throw new InvalidData(path, "a string", value);
  return value;
}

/** @type {Decoder<boolean>} */
export function boolean(value, path) {
  if (typeof value !== "boolean") throw new InvalidData(path, "a boolean", value);
  return value;
}

/** @type {Decoder<number>} */
export function integer(value, path) {
  // Some MessagePack libraries give every 64-bit integer, and so every time, as a BigInt.
  const number = typeof value === "bigint" ? Number(value) : value;
  if (!Number.isSafeInteger(number)) throw new InvalidData(path, "an integer", value);
  return /** @type {number} */ (number);
}

/**
 * Decode one of some words. Only that it is a string is checked: a newer router may know one more value than
 * this client, and that must not cost a whole directory snapshot.
 *
 * @type {Decoder<any>}
 */
export const word = string;

/**
 * Let a value be null or absent.
 *
 * @template T
 * @param {Decoder<T>} inner
 * @returns {Decoder<T | null>}
 */
export function nullable(inner) {
  return (value, path) => (value === null || value === undefined ? null : inner(value, path));
}

/**
 * Take a value's default where it is absent.
 *
 * @template T
 * @param {Decoder<T>} inner
 * @param {T} otherwise
 * @returns {Decoder<T>}
 */
export function optional(inner, otherwise) {
  return (value, path) => (value === undefined ? otherwise : inner(value, path));
}

/**
 * @template T
 * @param {Decoder<T>} inner
 * @returns {Decoder<readonly T[]>}
 */
export function list(inner) {
  return (value, path) => {
    if (!Array.isArray(value)) throw new InvalidData(path, "an array", value);
    return Object.freeze(value.map((item, index) => inner(item, `${path}[${index}]`)));
  };
}

/**
 * Decode a map; unknown fields are ignored.
 *
 * @template {object} T
 * @param {{ [Name in keyof T]-?: Decoder<T[Name]> }} fields A decoder for each field by its name here; on the
 *   wire `openedAt` is `opened_at`.
 * @returns {Decoder<T>}
 */
export function shape(fields) {
  const plan = /** @type {[string, Decoder<unknown>][]} */ (Object.entries(fields)).map(
    ([name, decode]) => /** @type {const} */ ([name, wireName(name), decode]),
  );
  return (value, path) => {
    const map = asMap(value, path);
    /** @type {Record<string, unknown>} */
    const object = {};
    for (const [name, wire, decode] of plan) {
      object[name] = decode(map[wire], path ? `${path}.${wire}` : wire);
    }
    return /** @type {T} */ (Object.freeze(object));
  };
}

/**
 * @param {unknown} value
 * @param {string} path
 */
export function asMap(value, path) {
  if (!isMap(value)) throw new InvalidData(path, "a map", value);
  return value;
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isMap(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Return a field's name on the wire.
 *
 * @param {string} name
 */
export function wireName(name) {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
