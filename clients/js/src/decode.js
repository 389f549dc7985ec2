/** Turn decoded maps into frozen typed objects, strictly for what is known and deaf to what is not. */

/**
 * Decode a value of the wire; throws `InvalidData`.
 *
 * @template T
 * @typedef {(value: unknown) => T} Decoder
 */

/** What came does not have the shape that the protocol gives it; `path` says where. */
export class InvalidData extends Error {
  name = "InvalidData";
  path = "";
  #complaint;

  /**
   * @param {string} expected
   * @param {unknown} value
   */
  constructor(expected, value) {
    const complaint = `expected ${expected}, got ${value === null ? "null" : typeof value}`;
    super(`message: ${complaint}`);
    this.#complaint = complaint;
  }

  /**
   * Prefix the path. Paths are built only for an error: a directory of ten thousand rows has a hundred thousand
   * fields.
   *
   * @param {unknown} error
   * @param {string} place A field's name, or an index in brackets.
   */
  static within(error, place) {
    if (error instanceof InvalidData) {
      const dot = error.path === "" || error.path.startsWith("[") ? "" : ".";
      error.path = `${place}${dot}${error.path}`;
      error.message = `${error.path}: ${error.#complaint}`;
    }
    return error;
  }
}

/** @type {Decoder<string>} */
export function string(value) {
  if (typeof value !== "string") throw new InvalidData("a string", value);
  return value;
}

/** @type {Decoder<boolean>} */
export function boolean(value) {
  if (typeof value !== "boolean") throw new InvalidData("a boolean", value);
  return value;
}

/** @type {Decoder<number>} */
export function integer(value) {
  // Some MessagePack libraries give every 64-bit integer, and so every time, as a BigInt.
  const number = typeof value === "bigint" ? Number(value) : value;
  if (!Number.isSafeInteger(number)) throw new InvalidData("an integer", value);
  return /** @type {number} */ (number);
}

/**
 * Decode an enumeration. Any string is accepted: a newer router may have further values, and one must not cost a
 * whole directory snapshot.
 *
 * @type {Decoder<any>}
 */
export const word = string;

/**
 * Decode a value that may be null or absent.
 *
 * @template T
 * @param {Decoder<T>} inner
 * @returns {Decoder<T | null>}
 */
export function nullable(inner) {
  return (value) => (value === null || value === undefined ? null : inner(value));
}

/**
 * Decode a value with a default.
 *
 * @template T
 * @param {Decoder<T>} inner
 * @param {T} otherwise
 * @returns {Decoder<T>}
 */
export function optional(inner, otherwise) {
  return (value) => (value === undefined ? otherwise : inner(value));
}

/**
 * @template T
 * @param {Decoder<T>} inner
 * @returns {Decoder<readonly T[]>}
 */
export function list(inner) {
  return (value) => {
    if (!Array.isArray(value)) throw new InvalidData("an array", value);
    /** @type {T[]} */
    const items = new Array(value.length);
    let index = 0;
    try {
      // Plain steps: this runs for ten thousand rows before the engine has compiled it.
      for (; index < value.length; index += 1) items[index] = inner(value[index]);
    } catch (error) {
      throw InvalidData.within(error, `[${index}]`);
    }
    return Object.freeze(items);
  };
}

/**
 * Decode a map; unknown fields are ignored.
 *
 * @template {object} T
 * @param {(map: Readonly<Record<string, unknown>>) => T} read Makes the object, and decodes each field as it takes it
 *   from the map. Written field by field: a table of fields costs twice the time.
 * @returns {Decoder<T>}
 */
export function shape(read) {
  return (value) => {
    const map = asMap(value);
    try {
      return Object.freeze(read(map));
    } catch (error) {
      throw InvalidData.within(error, lastTaken(read, map));
    }
  };
}

/**
 * Return the field that decoding failed at: decode again, and record the fields read.
 *
 * @param {(map: Readonly<Record<string, unknown>>) => unknown} read
 * @param {Record<string, unknown>} map
 */
function lastTaken(read, map) {
  let last = "";
  const take = (/** @type {Record<string, unknown>} */ of, /** @type {string | symbol} */ name) =>
    of[(last = String(name))];
  try {
    read(new Proxy(map, { get: take }));
  } catch {
    // The same error as before.
  }
  return last;
}

/** @param {unknown} value */
export function asMap(value) {
  if (!isMap(value)) throw new InvalidData("a map", value);
  return value;
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isMap(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
