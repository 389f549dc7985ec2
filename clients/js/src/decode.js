/** Turn decoded maps into frozen typed objects: known fields strictly, unknown ones passed through. */

/**
 * Decode a value of the wire; throws `InvalidDataError`.
 *
 * @template T
 * @typedef {(value: unknown) => T} Decoder
 */

/** What came does not have the shape that the protocol gives it; `path` says where. */
export class InvalidDataError extends Error {
  name = "InvalidDataError";
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
    if (error instanceof InvalidDataError) {
      const dot = error.path === "" || error.path.startsWith("[") ? "" : ".";
      error.path = `${place}${dot}${error.path}`;
      error.message = `${error.path}: ${error.#complaint}`;
    }
    return error;
  }
}

/** @type {Decoder<string>} */
export function string(value) {
  if (typeof value !== "string") throw new InvalidDataError("a string", value);
  return value;
}

/** @type {Decoder<boolean>} */
export function boolean(value) {
  if (typeof value !== "boolean") throw new InvalidDataError("a boolean", value);
  return value;
}

/** @type {Decoder<number>} */
export function integer(value) {
  // Some MessagePack libraries give every 64-bit integer, and so every time, as a BigInt.
  const number = typeof value === "bigint" ? Number(value) : value;
  if (!Number.isSafeInteger(number)) throw new InvalidDataError("an integer", value);
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
    if (!Array.isArray(value)) throw new InvalidDataError("an array", value);
    /** @type {T[]} */
    const items = new Array(value.length);
    let index = 0;
    try {
      // Plain steps: this runs for ten thousand rows before the engine has compiled it.
      for (; index < value.length; index += 1) items[index] = inner(value[index]);
    } catch (error) {
      throw InvalidDataError.within(error, `[${index}]`);
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
      throw InvalidDataError.within(error, lastTaken(read, map));
    }
  };
}

const NOTHING = Object.freeze({});

/** The fields of a message around what it says. */
export const ENVELOPE = Object.freeze(["type", "id"]);

/**
 * Decode a map; its unknown fields are kept in `extra`, as they came.
 *
 * @template {object} T
 * @param {(map: Readonly<Record<string, unknown>>) => T} read As of `shape`. It takes each field that is known, always.
 * @param {readonly string[]} [others] Names of fields that are known, and no part of the object.
 * @returns {Decoder<T & { readonly extra: Readonly<Record<string, unknown>> }>}
 */
export function openShape(read, others = []) {
  /** @type {Set<string> | null} */
  let known = null;
  /** @param {Readonly<Record<string, unknown>>} map */
  const extraOf = (map) => {
    known ??= new Set([...others, ...fieldsTaken(read, map)]);
    /** @type {Record<string, unknown>} */
    let extra = NOTHING;
    for (const name in map) if (!known.has(name)) extra = { ...extra, [name]: map[name] };
    return Object.freeze(extra);
  };
  return shape((map) => {
    const object = /** @type {T & { extra: Readonly<Record<string, unknown>> }} */ (read(map));
    // Set, and not assigned from another object: that takes twice the time.
    object.extra = extraOf(map);
    return object;
  });
}

/**
 * Return the field that decoding failed at: decode again, and record the fields read.
 *
 * @param {(map: Readonly<Record<string, unknown>>) => unknown} read
 * @param {Record<string, unknown>} map
 */
function lastTaken(read, map) {
  return fieldsTaken(read, map).at(-1) ?? "";
}

/**
 * Return the fields that decoding takes from a map, in order, up to the one that it fails at.
 *
 * @param {(map: Readonly<Record<string, unknown>>) => unknown} read
 * @param {Readonly<Record<string, unknown>>} map
 */
function fieldsTaken(read, map) {
  /** @type {string[]} */
  const taken = [];
  const take = (/** @type {Record<string, unknown>} */ of, /** @type {string | symbol} */ name) => {
    taken.push(String(name));
    return of[String(name)];
  };
  try {
    read(new Proxy(map, { get: take }));
  } catch {
    // The same error as before.
  }
  return taken;
}

/** @param {unknown} value */
export function asMap(value) {
  if (!isMap(value)) throw new InvalidDataError("a map", value);
  return value;
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isMap(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
