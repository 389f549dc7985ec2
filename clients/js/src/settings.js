/** The limits and times of a client. */

import { Backoff } from "./backoff.js";

export const RECONNECT = new Backoff({ initialMs: 500, capMs: 15_000 });
export const RETRY = new Backoff({ initialMs: 200, capMs: 5_000 });

/**
 * The client's limits and times.
 *
 * @typedef {object} CoreSettings
 * @property {Backoff} reconnect Delays between connection attempts.
 * @property {Backoff} retry Delays before a refused command is sent again.
 * @property {number} stableMs A connection that lived this long resets the delays.
 * @property {number} attemptTimeoutMs How long an attempt may take up to the open socket, the token included.
 * @property {number} helloTimeoutMs How long to wait for the welcome after it.
 * @property {number} answerTimeoutMs How long a `ping` may be without an answer.
 * @property {number} replyWaitMs How long a command may be without a reply before the router is pinged.
 * @property {number} inFlightMax How many commands may wait for their reply.
 * @property {number} waitingMax How many others may wait their turn.
 * @property {boolean} acknowledge Whether `session.assigned` is acknowledged as soon as it is received.
 * @property {boolean} tokenRenewable Whether each attempt has a fresh token.
 * @property {string} clientName What `hello` says as `client`.
 */

/** @type {Readonly<CoreSettings>} */
export const CORE_SETTINGS = Object.freeze({
  reconnect: RECONNECT,
  retry: RETRY,
  stableMs: 10_000,
  attemptTimeoutMs: 20_000,
  helloTimeoutMs: 15_000,
  answerTimeoutMs: 10_000,
  replyWaitMs: 5_000,
  inFlightMax: 64,
  waitingMax: 10_000,
  acknowledge: true,
  tokenRenewable: false,
  clientName: "relevo-client-js/0.2",
});
