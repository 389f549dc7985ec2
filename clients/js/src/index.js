/** Relevo's client: live transfers of conversations between agents and departments. */

export { Backoff } from "./backoff.js";
export { Client, LiveDirectory, LiveSessions } from "./client.js";
export { json, messagePack } from "./codec.js";
export { compareAgents, compareDepartments, Directory } from "./directory.js";
export { hasTerms, searchTerms } from "./names.js";
export {
  AtCapacityError,
  BadMessageError,
  ClientClosedError,
  CommandAbortedError,
  CommandTimeoutError,
  ConflictError,
  ConnectionStoppedError,
  ConnectTimeoutError,
  ForbiddenError,
  HandshakeRefusedError,
  HelloTimeoutError,
  InternalError,
  InUseError,
  InvalidReplyError,
  KeyReusedError,
  MessageRefusedError,
  NoOriginError,
  NotAllowedError,
  NotFoundError,
  RateLimitedError,
  RateLimitPassedError,
  RelevoError,
  ReplacedError,
  SameTargetError,
  SentAwayError,
  SessionClosedError,
  SessionExistsError,
  SignInRefusedError,
  TokenExpiredError,
  UnauthorizedError,
  UnavailableError,
  UnexpectedResponseError,
} from "./errors.js";
export { HttpClient } from "./http.js";
export { Inbox, isNewer } from "./inbox.js";
export { Target } from "./objects.js";
export { pageSignals } from "./page-lifecycle.js";
export { Agents, CommandMethods, Departments, Sessions, Settings } from "./resources.js";
export { brokenBy, ruleOf } from "./rules.js";

/** @typedef {import("./client.js").ClientOptions} ClientOptions */
/** @typedef {import("./codec.js").Codec} Codec */
/** @typedef {import("./events.js").AgentChanged} AgentChanged */
/** @typedef {import("./events.js").ClientEvent} ClientEvent */
/** @typedef {import("./events.js").ClientState} ClientState */
/** @typedef {import("./events.js").Connected} Connected */
/** @typedef {import("./events.js").DirectoryChanged} DirectoryChanged */
/** @typedef {import("./events.js").Disconnected} Disconnected */
/** @typedef {import("./events.js").EventsLost} EventsLost */
/** @typedef {import("./events.js").EventType} EventType */
/** @typedef {import("./events.js").LoopEvent} LoopEvent */
/** @typedef {import("./events.js").ServerDraining} ServerDraining */
/** @typedef {import("./events.js").SessionAssigned} SessionAssigned */
/** @typedef {import("./events.js").SessionChanged} SessionChanged */
/** @typedef {import("./events.js").SessionEntry} SessionEntry */
/** @typedef {import("./events.js").SessionPending} SessionPending */
/** @typedef {import("./events.js").SessionRemoved} SessionRemoved */
/** @typedef {import("./events.js").StateChanged} StateChanged */
/** @typedef {import("./events.js").StatusChanged} StatusChanged */
/** @typedef {import("./events.js").TokenExpiring} TokenExpiring */
/** @typedef {import("./events.js").TransferUpdated} TransferUpdated */
/** @typedef {import("./events.js").UnknownPush} UnknownPush */
/** @typedef {import("./events.js").Unreachable} Unreachable */
/** @typedef {import("./http.js").HttpClientOptions} HttpClientOptions */
/** @typedef {import("./objects.js").Actor} Actor */
/** @typedef {import("./objects.js").AgentPage} AgentPage */
/** @typedef {import("./objects.js").Agent} Agent */
/** @typedef {import("./objects.js").AgentRole} AgentRole */
/** @typedef {import("./objects.js").Customer} Customer */
/** @typedef {import("./objects.js").DepartmentPage} DepartmentPage */
/** @typedef {import("./objects.js").DepartmentSettings} DepartmentSettings */
/** @typedef {import("./objects.js").Department} Department */
/** @typedef {import("./objects.js").Entry} Entry */
/** @typedef {import("./objects.js").EntryKind} EntryKind */
/** @typedef {import("./objects.js").HistoryPage} HistoryPage */
/** @typedef {import("./objects.js").InboxContent} InboxContent */
/** @typedef {import("./objects.js").MoveCause} MoveCause */
/** @typedef {import("./objects.js").Outcome} Outcome */
/** @typedef {import("./objects.js").Owner} Owner */
/** @typedef {import("./objects.js").Party} Party */
/** @typedef {import("./objects.js").Person} Person */
/** @typedef {import("./objects.js").RemovalCause} RemovalCause */
/** @typedef {import("./objects.js").Role} Role */
/** @typedef {import("./objects.js").Session} Session */
/** @typedef {import("./objects.js").SessionPage} SessionPage */
/** @typedef {import("./objects.js").SessionState} SessionState */
/** @typedef {import("./objects.js").Status} Status */
/** @typedef {import("./objects.js").TargetKind} TargetKind */
/** @typedef {import("./objects.js").TransferPreview} TransferPreview */
/** @typedef {import("./objects.js").Decision} Decision */
/** @typedef {import("./objects.js").Explanation} Explanation */
/** @typedef {import("./objects.js").Transfer} Transfer */
/** @typedef {import("./objects.js").TransferResult} TransferResult */
/** @typedef {import("./objects.js").TransferState} TransferState */
/** @typedef {import("./objects.js").Welcome} Welcome */
/** @typedef {import("./objects.js").WireObject} WireObject */
/** @typedef {import("./page-lifecycle.js").SignalListener} SignalListener */
/** @typedef {import("./page-lifecycle.js").Signals} Signals */
/** @typedef {import("./resources.js").CallOptions} CallOptions */
/** @typedef {import("./resources.js").ChangeOptions} ChangeOptions */
/** @typedef {import("./tokens.js").TokenSource} TokenSource */
/** @typedef {import("./platform.js").WebSocketConstructor} WebSocketConstructor */
/** @typedef {import("./platform.js").WebSocketLike} WebSocketLike */
