/** Errors in words for the agent. */

import {
  AtCapacityError,
  CommandTimeoutError,
  ConflictError,
  ConnectionStoppedError,
  ForbiddenError,
  NoOriginError,
  NotFoundError,
  RateLimitedError,
  RelevoError,
  SessionClosedError,
} from "../../js/src/index.js";
import { say, sayTime } from "./words.js";

/** @typedef {import("../../js/src/index.js").Directory} Directory */

/**
 * Say why a command failed, and what to do.
 *
 * @param {unknown} error
 * @param {Directory} directory For names.
 * @returns {string}
 */
export function sayError(error, directory) {
  if (error instanceof ConflictError) return sayConflict(error, directory);
  if (error instanceof SessionClosedError) return say("error_closed");
  if (error instanceof AtCapacityError) return say("error_at_capacity");
  if (error instanceof NoOriginError) return say("error_no_origin");
  if (error instanceof NotFoundError) return say("error_not_found");
  if (error instanceof ForbiddenError) return say("error_forbidden");
  if (error instanceof RateLimitedError) return say("error_rate_limited");
  if (error instanceof CommandTimeoutError) return say("error_no_answer");
  if (error instanceof ConnectionStoppedError) return say("error_stopped");
  if (error instanceof RelevoError) return say("error_other", { message: error.message });
  // A defect of this page, not an error of the router: report it to the developer's console too.
  reportError(error);
  return say("error_other", { message: String(error) });
}

/** @param {ConflictError} conflict @param {Directory} directory */
function sayConflict({ owner, at }, directory) {
  if (owner === null || at === null) return say("error_conflict");
  const row = (owner.kind === "agent" ? directory.agents : directory.departments).get(owner.id);
  return say("error_conflict_owner", { name: row?.name ?? owner.id, time: sayTime(at) });
}
