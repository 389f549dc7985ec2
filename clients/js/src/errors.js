/** What can go wrong: one class for each error code of the protocol, and a few of the client's own. */

import { InvalidDataError, isMap } from "./decode.js";
import { actor, owner, party } from "./objects.js";

/**
 * @typedef {object} ErrorFacts
 * @property {string} [code] The protocol's code; the class's own where absent.
 * @property {boolean} [retryable] Whether the same command may succeed later.
 * @property {Record<string, unknown>} [details] What the code adds, as it came.
 * @property {unknown} [cause]
 */

/** A command that was not carried out, or a connection that ended. */
export class RelevoError extends Error {
  static code = "error";
  static retryable = false;

  /**
   * @param {string} message For people; not meant to be compared.
   * @param {ErrorFacts} facts
   */
  constructor(message = "", { code, retryable, details, cause } = {}) {
    const own = new.target;
    super(message || code || own.code, cause === undefined ? undefined : { cause });
    this.name = own.name;
    this.code = code ?? own.code;
    this.retryable = retryable ?? own.retryable;
    this.details = details ?? {};
  }
}

/** The command is not of the protocol; `path` says where. */
export class BadMessageError extends RelevoError {
  static code = "bad_message";

  get path() {
    return text(this.details.path);
  }
}

/** The token is missing, wrong or expired. */
export class UnauthorizedError extends RelevoError {
  static code = "unauthorized";
}

/** This caller may not do that. */
export class ForbiddenError extends RelevoError {
  static code = "forbidden";
}

/** This tenant has no such session, agent or department. */
export class NotFoundError extends RelevoError {
  static code = "not_found";
}

/** The session has moved: its present `owner`, moved `by`, and when (`at`). */
export class ConflictError extends RelevoError {
  static code = "conflict";

  get fence() {
    return number(this.details.fence);
  }
  get state() {
    return text(this.details.state);
  }
  get owner() {
    return decoded(owner, this.details.owner);
  }
  /** The actor of the last move, null for the system. */
  get by() {
    return decoded(actor, this.details.by);
  }
  get at() {
    return number(this.details.at);
  }
}

/** The session is closed. */
export class SessionClosedError extends RelevoError {
  static code = "closed";
}

/** The session is already with that target. */
export class SameTargetError extends RelevoError {
  static code = "same_target";
}

/** Accepting the session would exceed the agent's capacity. */
export class AtCapacityError extends RelevoError {
  static code = "at_capacity";
}

/** The agent or department still has sessions and cannot be removed. */
export class InUseError extends RelevoError {
  static code = "in_use";
}

/** A session of this id is open already. */
export class SessionExistsError extends RelevoError {
  static code = "exists";
}

/** The idempotency key was used before, for another command. */
export class KeyReusedError extends RelevoError {
  static code = "key_reused";
}

/** Too many messages. */
export class RateLimitedError extends RelevoError {
  static code = "rate_limited";
  static retryable = true;

  /** How long to wait, in milliseconds. */
  get retryInMs() {
    return number(this.details.retry_in_ms);
  }
}

/** The router cannot reach its store: the command may or may not have been applied. */
export class UnavailableError extends RelevoError {
  static code = "unavailable";
  static retryable = true;
}

/** A defect of the router. */
export class InternalError extends RelevoError {
  static code = "internal";
  static retryable = true;

  /** What to look for in the router's log. */
  get incident() {
    return text(this.details.incident);
  }
}

/**
 * A rule, the hours, a full queue or unmet needs forbid it; nothing has changed.
 *
 * `because` says which: `departments`, `agents`, `status`, `capacity`, `hops`, `reason`, `closed_now`, `queue_full` or
 * `needs`.
 */
export class NotAllowedError extends RelevoError {
  static code = "not_allowed";

  get because() {
    return text(this.details.because);
  }
  /** The id of the department whose rule it is, null for the tenant's. */
  get department() {
    return text(this.details.department);
  }
  /** At most three targets that are allowed and available now, the best first. */
  get alternatives() {
    const { alternatives } = this.details;
    const parties = Array.isArray(alternatives) ? alternatives.map((each) => decoded(party, each)) : [];
    return parties.filter((each) => each !== null);
  }
}

/** There is no agent and no department to give the session back to: its `owner` keeps it. */
export class NoOriginError extends RelevoError {
  static code = "no_origin";

  get owner() {
    return decoded(owner, this.details.owner);
  }
}

/**
 * A command had no final reply in time. If it was sent, it may have been applied.
 *
 * Sent again with the same `key` within ten minutes, it is applied at most once. The last error reply, if any, is
 * the `cause`.
 */
export class CommandTimeoutError extends RelevoError {
  static code = "timeout";
  static retryable = true;

  /**
   * @param {string} message
   * @param {{ key?: string | null, cause?: unknown }} facts `key`: the idempotency key that the command
   *   carried, null if it changes nothing.
   */
  constructor(message = "", { key = null, cause } = {}) {
    super(message, { cause });
    this.key = key;
  }
}

/** The program gave a command up, by the signal that it passed with it. */
export class CommandAbortedError extends RelevoError {
  static code = "aborted";
}

/** The router answered something that the protocol does not allow. */
export class InvalidReplyError extends RelevoError {
  static code = "invalid_reply";
}

/** Something that is no router answered over HTTP: a proxy, or a server at a wrong address. */
export class UnexpectedResponseError extends RelevoError {
  static code = "unexpected_response";

  /**
   * @param {string} message
   * @param {{ status?: number, body?: string, retryable?: boolean }} facts `status`: the HTTP status; `body`: what it said.
   */
  constructor(message = "", { status = 0, body = "", retryable = false } = {}) {
    super(message, { retryable });
    this.status = status;
    this.body = body;
  }
}

/** The client was closed, or not started yet. */
export class ClientClosedError extends RelevoError {
  static code = "client_closed";
}

/** No router let the client in within its first wait. The last attempt's error is the `cause`. */
export class ConnectTimeoutError extends RelevoError {
  static code = "connect_timeout";
  static retryable = true;
}

/** The router does not want this client back until something changes. */
export class ConnectionStoppedError extends RelevoError {
  static code = "connection_stopped";

  /**
   * @param {string} message
   * @param {ErrorFacts & { closeCode?: number | null }} facts `closeCode`: the websocket's, null without one.
   */
  constructor(message = "", { closeCode = null, ...facts } = {}) {
    super(message, { ...facts, retryable: false });
    this.closeCode = closeCode;
  }
}

/** The token was refused (close code 4500). */
export class SignInRefusedError extends ConnectionStoppedError {
  static code = "unauthorized";
}

/** The token expired and no fresh one was given in time (close code 4501). */
export class TokenExpiredError extends ConnectionStoppedError {
  static code = "unauthorized";
}

/** The agent was removed, or sent away by an admin (close code 4502). */
export class SentAwayError extends ConnectionStoppedError {
  static code = "forbidden";
}

/** The router could not decode what this client sent (close code 4503). */
export class MessageRefusedError extends ConnectionStoppedError {
  static code = "bad_message";
}

/** No `hello` reached the router in time (close code 4504). */
export class HelloTimeoutError extends ConnectionStoppedError {
  static code = "hello_timeout";
}

/** The rate limit was passed again and again (close code 4505). */
export class RateLimitPassedError extends ConnectionStoppedError {
  static code = "rate_limited";
}

/** A newer connection of the same agent replaced this one (close code 4506): do not reconnect by itself. */
export class ReplacedError extends ConnectionStoppedError {
  static code = "replaced";
}

/** The websocket cannot be opened at all: a page that may not, or a router of another kind. */
export class HandshakeRefusedError extends ConnectionStoppedError {
  static code = "handshake_refused";
}

/** The protocol's error codes. An unknown code becomes a plain `RelevoError` that carries it. */
export const ERRORS = byCode([
  BadMessageError,
  UnauthorizedError,
  ForbiddenError,
  NotFoundError,
  ConflictError,
  SessionClosedError,
  SameTargetError,
  AtCapacityError,
  InUseError,
  SessionExistsError,
  KeyReusedError,
  RateLimitedError,
  UnavailableError,
  InternalError,
  NotAllowedError,
  NoOriginError,
]);

/**
 * The close codes after which a client does not reconnect. Others of 4500-4999 become `ConnectionStoppedError`.
 *
 * @type {ReadonlyMap<number, typeof ConnectionStoppedError>}
 */
export const STOPS = new Map([
  [4500, SignInRefusedError],
  [4501, TokenExpiredError],
  [4502, SentAwayError],
  [4503, MessageRefusedError],
  [4504, HelloTimeoutError],
  [4505, RateLimitPassedError],
  [4506, ReplacedError],
]);

/**
 * Build the typed error from the `error` map of a reply or an HTTP body; throws `InvalidDataError`.
 *
 * @param {unknown} value
 * @returns {RelevoError}
 */
export function errorFromWire(value) {
  if (!isMap(value) || typeof value.code !== "string")
    throw InvalidDataError.within(new InvalidDataError("a map with a code", value), "error");
  const kind = ERRORS.get(value.code) ?? RelevoError;
  return new kind(text(value.message) ?? "", {
    code: value.code,
    retryable: typeof value.retryable === "boolean" ? value.retryable : undefined,
    details: isMap(value.details) ? value.details : undefined,
  });
}

/**
 * Return the error of a close code, or null if the client reconnects.
 *
 * @param {number} closeCode
 * @param {string} reason
 */
export function stopFromClose(closeCode, reason) {
  if (!(closeCode >= 4500 && closeCode <= 4999)) return null;
  const kind = STOPS.get(closeCode) ?? ConnectionStoppedError;
  return new kind(reason || `closed with ${closeCode}`, { closeCode });
}

/**
 * Return the error of a rejected `hello`.
 *
 * @param {RelevoError} refusal
 * @param {number} closeCode What the connection was closed with after it.
 */
export function stopFromRefusal(refusal, closeCode) {
  const kinds = [
    SignInRefusedError,
    SentAwayError,
    MessageRefusedError,
    HelloTimeoutError,
    RateLimitPassedError,
  ];
  const kind = kinds.find(({ code }) => code === refusal.code) ?? ConnectionStoppedError;
  return new kind(refusal.message, { code: refusal.code, details: refusal.details, closeCode });
}

/**
 * Return the error of an aborted command.
 *
 * @param {import("./platform.js").AbortSignalLike | undefined} signal
 * @returns {unknown}
 */
export function abortion(signal) {
  return signal?.reason ?? new CommandAbortedError("the command was given up");
}

/**
 * @param {(typeof RelevoError)[]} kinds
 * @returns {ReadonlyMap<string, typeof RelevoError>}
 */
function byCode(kinds) {
  return new Map(kinds.map((kind) => [kind.code, kind]));
}

/** @param {unknown} value */
function text(value) {
  return typeof value === "string" ? value : null;
}

/** @param {unknown} value */
function number(value) {
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : null;
}

/**
 * @template T
 * @param {import("./decode.js").Decoder<T>} decoder
 * @param {unknown} value
 */
function decoded(decoder, value) {
  // An error with invalid details is still an error.
  try {
    return value === null || value === undefined ? null : decoder(value);
  } catch (error) {
    if (error instanceof InvalidDataError) return null;
    throw error;
  }
}
