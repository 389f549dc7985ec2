"""The one table of error codes and the one table of close codes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import msgspec


class ErrorCode(StrEnum):
    """Name why a command was refused. The wire carries the value."""

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


class ErrorRow(NamedTuple):
    """Hold what the error table says of one code."""

    meaning: str
    retryable: bool
    http_status: int


ERRORS: Mapping[ErrorCode, ErrorRow] = {
    ErrorCode.BAD_MESSAGE: ErrorRow("not of this protocol: `details.path` says where", False, 400),
    ErrorCode.UNAUTHORIZED: ErrorRow("the token is missing, wrong or expired", False, 401),
    ErrorCode.FORBIDDEN: ErrorRow("this caller may not", False, 403),
    ErrorCode.NOT_FOUND: ErrorRow("no such session, agent or department in this tenant", False, 404),
    ErrorCode.CONFLICT: ErrorRow("the session has moved on", False, 409),
    ErrorCode.CLOSED: ErrorRow("the session is closed", False, 409),
    ErrorCode.SAME_TARGET: ErrorRow("it is already there", False, 409),
    ErrorCode.AT_CAPACITY: ErrorRow("accepting would exceed the agent's capacity", False, 409),
    ErrorCode.IN_USE: ErrorRow(
        "an agent or department that still has sessions cannot be removed", False, 409
    ),
    ErrorCode.EXISTS: ErrorRow("a session of this id is open already", False, 409),
    ErrorCode.KEY_REUSED: ErrorRow("same key, other body", False, 409),
    ErrorCode.RATE_LIMITED: ErrorRow("too many messages: `details.retry_in_ms`", True, 429),
    ErrorCode.UNAVAILABLE: ErrorRow(
        "the store cannot be reached: it may or may not have been applied; send it again with the same `key`",
        True,
        503,
    ),
    # The contract's HTTP statuses hold no 500, and a caller does the same as for any other 503: try again.
    ErrorCode.INTERNAL: ErrorRow("a defect of the router; logged with `details.incident`", True, 503),
}


class Error(msgspec.Struct, frozen=True, gc=False):
    """Say why a command was refused, as the ``error`` of a reply or the body over HTTP."""

    code: ErrorCode
    message: str
    retryable: bool
    details: dict[str, Any] = {}

    @classmethod
    def of(cls, code: ErrorCode, message: str | None = None, **details: Any) -> Error:
        """
        Return the error of this code, ``retryable`` as the table has it.

        Args:
            code: Why the command was refused.
            message: One sentence for people; the table's meaning if None.
            details: What a program may want to know, such as ``path`` or ``retry_in_ms``.
        """
        row = ERRORS[code]
        return cls(code, row.meaning if message is None else message, row.retryable, details)


class CloseCode(IntEnum):
    """Name why the router closed a websocket. Below 4500 the client reconnects, from there on it does not."""

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
}
