"""
The table of error codes, the shape of each code's `details`, and the table of close codes.

PROTOCOL.md, Errors and Close codes, has both for client authors.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from relevo.protocol.objects import Actor, Owner, Party, Session, SessionState

Because: TypeAlias = Literal["departments", "agents", "status", "capacity", "hops", "reason"]
LimitName: TypeAlias = Literal["connection", "agent", "back_end", "tenant"]


class ErrorCode(StrEnum):
    """The reason why the router refused a command. The wire carries the value."""

    BAD_MESSAGE = "bad_message"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    CLOSED = "closed"
    SAME_TARGET = "same_target"
    AT_CAPACITY = "at_capacity"
    IN_USE = "in_use"
    EXISTS = "exists"
    NO_ORIGIN = "no_origin"
    NOT_ALLOWED = "not_allowed"
    KEY_REUSED = "key_reused"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"

    @property
    def meaning(self) -> str:
        """Return what the code means, for people."""
        return ERRORS[self].meaning

    @property
    def retryable(self) -> bool:
        """Return whether the same command, sent again with the same key, may succeed."""
        return ERRORS[self].retryable

    @property
    def http_status(self) -> int:
        """Return the HTTP status that carries this error."""
        return ERRORS[self].http_status


class Details(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The `details` of an error. A code's own subclass names its fields; most codes have none."""


class BadMessageDetails(Details, frozen=True, gc=False, kw_only=True):
    """The field that does not fit, as a path from the message on: ``$.target.kind``."""

    path: str


class ForbiddenDetails(Details, frozen=True, gc=False, kw_only=True):
    """The bound of the tenant, or of the session's history, that the command would pass; else empty."""

    agents_max: int | None = None
    departments_max: int | None = None
    sessions_max: int | None = None
    history_max: int | None = None


class NotFoundDetails(Details, frozen=True, gc=False, kw_only=True):
    """The id that names nothing in this tenant."""

    session_id: str | None = None
    agent_id: str | None = None
    department_id: str | None = None


class ConflictDetails(Details, frozen=True, gc=False, kw_only=True):
    """The session as it is: its fence, state and owner, and the author of its last change."""

    fence: int
    state: SessionState
    owner: Owner | None
    by: Actor | None
    at: int


class AtCapacityDetails(Details, frozen=True, gc=False, kw_only=True):
    """The agent's sessions in progress, and how many it may have."""

    load: int
    capacity: int


class InUseDetails(Details, frozen=True, gc=False, kw_only=True):
    """The sessions that an agent (`in_progress`, `pending`) or a department (`queued`) still has."""

    in_progress: int | None = None
    pending: int | None = None
    queued: int | None = None


class ExistsDetails(Details, frozen=True, gc=False, kw_only=True):
    """The session of that id."""

    session: Session


class NoOriginDetails(Details, frozen=True, gc=False, kw_only=True):
    """The session's owner, with which it stays; ``department`` is the session's, to which it cannot go."""

    owner: Owner
    department: str | None = None


class NotAllowedDetails(Details, frozen=True, gc=False, kw_only=True):
    """What forbids it, whose rule does (none: the tenant's), and what would be allowed and available."""

    because: Because
    department: str | None = None
    alternatives: list[Party]


class RateLimitedDetails(Details, frozen=True, gc=False, kw_only=True):
    """When to send the message again, and the limit."""

    retry_in_ms: int
    limit: LimitName | None = None


class UnavailableDetails(Details, frozen=True, gc=False, kw_only=True):
    """What could not be reached, for people."""

    reason: str


class InternalDetails(Details, frozen=True, gc=False, kw_only=True):
    """The number under which the router logged the defect."""

    incident: str


class ErrorRow(NamedTuple):
    """
    One row of the error table.

    Attributes:
        meaning: One sentence for people; the default `message` of an error.
        retryable: Whether the same command with the same key may succeed later.
        http_status: The HTTP status that carries the error.
        details: The shape of its `details`.
    """

    meaning: str
    retryable: bool
    http_status: int
    details: type[Details] = Details


ERRORS: Mapping[ErrorCode, ErrorRow] = {
    ErrorCode.BAD_MESSAGE: ErrorRow(
        "not of this protocol: `details.path` says where", False, 400, BadMessageDetails
    ),
    ErrorCode.UNAUTHORIZED: ErrorRow("the token is missing, wrong or expired", False, 401),
    ErrorCode.FORBIDDEN: ErrorRow("this caller may not", False, 403, ForbiddenDetails),
    ErrorCode.NOT_FOUND: ErrorRow(
        "no such session, agent or department in this tenant", False, 404, NotFoundDetails
    ),
    ErrorCode.CONFLICT: ErrorRow("the session has moved on", False, 409, ConflictDetails),
    ErrorCode.CLOSED: ErrorRow("the session is closed", False, 409),
    ErrorCode.SAME_TARGET: ErrorRow("it is already there", False, 409),
    ErrorCode.AT_CAPACITY: ErrorRow(
        "accepting would exceed the agent's capacity", False, 409, AtCapacityDetails
    ),
    ErrorCode.IN_USE: ErrorRow(
        "an agent or department that still has sessions cannot be removed", False, 409, InUseDetails
    ),
    ErrorCode.EXISTS: ErrorRow("a session of this id is there already", False, 409, ExistsDetails),
    ErrorCode.NOT_ALLOWED: ErrorRow(
        "a rule forbids it: `details.because`, `details.alternatives`", False, 403, NotAllowedDetails
    ),
    ErrorCode.NO_ORIGIN: ErrorRow(
        "no agent had the session before, and it has neither a department nor a last resort to go to",
        False,
        409,
        NoOriginDetails,
    ),
    ErrorCode.KEY_REUSED: ErrorRow("same key, other body", False, 409),
    ErrorCode.RATE_LIMITED: ErrorRow(
        "too many messages: `details.retry_in_ms`", True, 429, RateLimitedDetails
    ),
    ErrorCode.UNAVAILABLE: ErrorRow(
        "the store cannot be reached: it may or may not have been applied; send it again with the same `key`",
        True,
        503,
        UnavailableDetails,
    ),
    # The contract's HTTP statuses hold no 500, and a caller does the same as for any other 503: try again.
    ErrorCode.INTERNAL: ErrorRow(
        "a defect of the router; logged with `details.incident`", True, 503, InternalDetails
    ),
}


class Error(msgspec.Struct, frozen=True, gc=False):
    """
    The reason why the router refused a command: the `error` of a reply, or the body of an HTTP response.

    Attributes:
        code: What a program decides by.
        message: One sentence for people; its wording may change.
        retryable: Whether the same command with the same key may succeed later.
        details: A map of the fields that the code's row in ERRORS names.
    """

    code: ErrorCode
    message: str
    retryable: bool
    details: dict[str, Any] = {}

    @classmethod
    def of(cls, code: ErrorCode, message: str | None = None, **details: Any) -> Error:
        """
        Return the error of this code, ``retryable`` as the table has it.

        Args:
            code: The reason.
            message: One sentence for people; the table's meaning if None.
            details: The fields of ``ERRORS[code].details``, as they go on the wire.
        """
        row = ERRORS[code]
        return cls(code, row.meaning if message is None else message, row.retryable, details)


class CloseCode(IntEnum):
    """The reason why the router closed a websocket: a client reconnects below 4500 and not from there on."""

    DRAINING = 4000
    TOO_SLOW = 4001
    NO_PONG = 4002
    STORE_LOST = 4003
    UNAUTHORIZED = 4500
    TOKEN_EXPIRED = 4501
    REMOVED = 4502
    UNDECODABLE = 4503
    NO_HELLO = 4504
    RATE_LIMITED = 4505
    REPLACED = 4506

    @property
    def meaning(self) -> str:
        """Return what the code means; it is also the reason that the close frame carries."""
        return CLOSES[self]

    @property
    def reconnect(self) -> bool:
        """Return whether the client is to reconnect (with full jitter) without anything having changed."""
        return self < 4500


CLOSES: Mapping[CloseCode, str] = {
    CloseCode.DRAINING: "draining",
    CloseCode.TOO_SLOW: "too slow: its outbound queue passed the limit",
    CloseCode.NO_PONG: "no answer to pings",
    CloseCode.STORE_LOST: "the store was lost for longer than this node may serve without it",
    CloseCode.UNAUTHORIZED: "unauthorized",
    CloseCode.TOKEN_EXPIRED: "the token expired and was not refreshed",
    CloseCode.REMOVED: "forbidden: removed, or sent away by an admin",
    CloseCode.UNDECODABLE: "a message that cannot be decoded, or the first is not `hello`",
    CloseCode.NO_HELLO: "no `hello` in time",
    CloseCode.RATE_LIMITED: "rate limit passed again and again",
    CloseCode.REPLACED: "replaced by a newer connection of the same agent",
}
