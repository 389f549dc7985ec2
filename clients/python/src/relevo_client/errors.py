"""Errors: one class for each error code of the protocol, and a few of the client's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from .decode import InvalidDataError, decode
from .objects import Actor, Owner, Party

T = TypeVar("T")


class RelevoError(Exception):
    """
    A command that was not carried out, or a connection that ended.

    Args:
        message: For people; not meant to be compared.
        code: The protocol's code; the class's own where absent.
        retryable: Whether the same command may succeed later.
        details: What the code adds, as it came.
    """

    default_code: ClassVar[str] = "error"
    default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        retryable: bool | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.code = code or self.default_code
        self.message = message or self.code
        self.retryable = self.default_retryable if retryable is None else retryable
        self.details: Mapping[str, Any] = details or {}
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message if self.message == self.code else f"{self.code}: {self.message}"

    def _detail_int(self, name: str) -> int | None:
        value = self.details.get(name)
        return value if type(value) is int else None

    def _detail_str(self, name: str) -> str | None:
        value = self.details.get(name)
        return value if isinstance(value, str) else None


class BadMessageError(RelevoError):
    """The command is not of the protocol; ``path`` says where."""

    default_code = "bad_message"

    @property
    def path(self) -> str | None:
        """Where in the message the router stopped."""
        return self._detail_str("path")


class UnauthorizedError(RelevoError):
    """The token is missing, wrong or expired."""

    default_code = "unauthorized"


class ForbiddenError(RelevoError):
    """This caller may not do that."""

    default_code = "forbidden"


class NotFoundError(RelevoError):
    """This tenant has no such session, agent or department."""

    default_code = "not_found"


class ConflictError(RelevoError):
    """The session has changed meanwhile: its ``owner``, the actor (``by``) and the time (``at``)."""

    default_code = "conflict"

    @property
    def fence(self) -> int | None:
        """The session's present fence."""
        return self._detail_int("fence")

    @property
    def state(self) -> str | None:
        """The session's present state."""
        return self._detail_str("state")

    @property
    def owner(self) -> Owner | None:
        """The session's present owner."""
        return _decoded(Owner, self.details.get("owner"))

    @property
    def by(self) -> Actor | None:
        """The actor that moved it last, or None if the system did."""
        return _decoded(Actor, self.details.get("by"))

    @property
    def at(self) -> int | None:
        """When it moved, in milliseconds since the Unix epoch."""
        return self._detail_int("at")


class SessionClosedError(RelevoError):
    """The session is closed."""

    default_code = "closed"


class SameTargetError(RelevoError):
    """The session is already with that target."""

    default_code = "same_target"


class AtCapacityError(RelevoError):
    """Accepting the session would exceed the agent's capacity."""

    default_code = "at_capacity"


class InUseError(RelevoError):
    """The agent or department still has sessions and cannot be removed."""

    default_code = "in_use"


class SessionExistsError(RelevoError):
    """A session of this id is open already."""

    default_code = "exists"


class KeyReusedError(RelevoError):
    """The idempotency key was used before, for another command."""

    default_code = "key_reused"


class RateLimitedError(RelevoError):
    """Too many messages."""

    default_code = "rate_limited"
    default_retryable = True

    @property
    def retry_in_ms(self) -> int | None:
        """How long to wait, in milliseconds."""
        return self._detail_int("retry_in_ms")


class UnavailableError(RelevoError):
    """The router cannot reach its store: the command may or may not have been applied."""

    default_code = "unavailable"
    default_retryable = True


class InternalError(RelevoError):
    """A defect of the router."""

    default_code = "internal"
    default_retryable = True

    @property
    def incident(self) -> str | None:
        """What to look for in the router's log."""
        return self._detail_str("incident")


class NotAllowedError(RelevoError):
    """
    A rule, the hours, a full queue or unmet needs forbid it; nothing has changed.

    ``because`` says which: ``departments``, ``agents``, ``status``, ``capacity``, ``hops``, ``reason``,
    ``closed_now``, ``queue_full`` or ``needs``.
    """

    default_code = "not_allowed"

    @property
    def because(self) -> str | None:
        """What forbids it."""
        return self._detail_str("because")

    @property
    def department(self) -> str | None:
        """The id of the department whose rule it is, None for the tenant's."""
        return self._detail_str("department")

    @property
    def alternatives(self) -> tuple[Party, ...]:
        """At most three targets that are allowed and available now, the best first."""
        found = self.details.get("alternatives")
        parties = [_decoded(Party, each) for each in found] if isinstance(found, list) else []
        return tuple(party for party in parties if party is not None)


class NoOriginError(RelevoError):
    """There is no agent and no department to give the session back to: its ``owner`` keeps it."""

    default_code = "no_origin"

    @property
    def owner(self) -> Owner | None:
        """The session's present owner."""
        return _decoded(Owner, self.details.get("owner"))


class CommandTimeoutError(RelevoError, TimeoutError):
    """
    A command had no final answer in time. One that was sent may or may not have been applied.

    Send it again with the same ``key`` within ten minutes and it is applied once at most. The last error,
    if there was one, is the ``__cause__``.

    Args:
        key: The idempotency key that the command carried, None if it changes nothing.
    """

    default_code = "timeout"
    default_retryable = True

    def __init__(self, message: str = "", *, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


class InvalidReplyError(RelevoError):
    """The router answered something that the protocol does not allow."""

    default_code = "invalid_reply"


class UnexpectedResponseError(RelevoError):
    """
    Something that is no router answered over HTTP: a proxy, or a server at a wrong address.

    Args:
        status: The HTTP status.
        body: What it said.
    """

    default_code = "unexpected_response"

    def __init__(
        self, message: str = "", *, status: int = 0, body: bytes = b"", retryable: bool = False
    ) -> None:
        super().__init__(message, retryable=retryable)
        self.status = status
        self.body = body


class ClientClosedError(RelevoError):
    """The client was closed, or not opened yet."""

    default_code = "client_closed"


class ConnectTimeoutError(RelevoError, TimeoutError):
    """No router let the client in within its first wait. The last attempt's error is the ``__cause__``."""

    default_code = "connect_timeout"
    default_retryable = True


class ConnectionStoppedError(RelevoError):
    """
    The router, or a proxy, refused this client: do not reconnect until something changes.

    Args:
        close_code: The websocket close code, None if the handshake was refused.
    """

    default_code = "connection_stopped"

    def __init__(
        self,
        message: str = "",
        *,
        close_code: int | None = None,
        code: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code, retryable=False, details=details)
        self.close_code = close_code


class SignInRefusedError(ConnectionStoppedError, UnauthorizedError):
    """The token was refused (close code 4500)."""

    default_code = "unauthorized"


class TokenExpiredError(ConnectionStoppedError, UnauthorizedError):
    """The token expired and no fresh one was given in time (close code 4501)."""

    default_code = "unauthorized"


class SentAwayError(ConnectionStoppedError, ForbiddenError):
    """The agent was removed, or sent away by an admin (close code 4502)."""

    default_code = "forbidden"


class MessageRefusedError(ConnectionStoppedError, BadMessageError):
    """The router could not decode what this client sent (close code 4503)."""

    default_code = "bad_message"


class HelloTimeoutError(ConnectionStoppedError):
    """No ``hello`` reached the router in time (close code 4504)."""

    default_code = "hello_timeout"


class RateLimitPassedError(ConnectionStoppedError, RateLimitedError):
    """The rate limit was passed again and again (close code 4505)."""

    default_code = "rate_limited"


class ReplacedError(ConnectionStoppedError):
    """A newer connection of the same agent replaced this one (close code 4506)."""

    default_code = "replaced"


class HandshakeRefusedError(ConnectionStoppedError):
    """
    The HTTP handshake was refused for good: wrong path, origin or subprotocol.

    Args:
        status: The HTTP status, None if the answer was no proper handshake at all.
    """

    default_code = "handshake_refused"

    def __init__(self, message: str = "", *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


ERRORS: Mapping[str, type[RelevoError]] = {
    kind.default_code: kind
    for kind in (
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
    )
}
"""The protocol's error codes. An unknown code becomes a plain ``RelevoError`` that carries it."""

STOPS: Mapping[int, type[ConnectionStoppedError]] = {
    4500: SignInRefusedError,
    4501: TokenExpiredError,
    4502: SentAwayError,
    4503: MessageRefusedError,
    4504: HelloTimeoutError,
    4505: RateLimitPassedError,
    4506: ReplacedError,
}
"""The close codes after which a client stays away. Others of 4500-4999 become ``ConnectionStoppedError``."""


def error_from_wire(value: object) -> RelevoError:
    """
    Build the typed error from an ``error`` map of a reply or an HTTP body.

    Raises:
        InvalidDataError: It is no such map.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("code"), str):
        raise InvalidDataError("error", "a map with a code", value)
    code: str = value["code"]
    message, retryable, details = value.get("message"), value.get("retryable"), value.get("details")
    return ERRORS.get(code, RelevoError)(
        message if isinstance(message, str) else "",
        code=code,
        retryable=retryable if isinstance(retryable, bool) else None,
        details=details if isinstance(details, Mapping) else None,
    )


def stop_from_close(close_code: int, reason: str) -> ConnectionStoppedError | None:
    """Return the error that a close code means, or None if the client is to connect again."""
    if not 4500 <= close_code <= 4999:
        return None
    kind = STOPS.get(close_code, ConnectionStoppedError)
    return kind(reason or f"closed with {close_code}", close_code=close_code)


def stop_from_refusal(error: RelevoError) -> ConnectionStoppedError:
    """Return the error for a ``hello`` that was refused for good."""
    kinds: Mapping[str, type[ConnectionStoppedError]] = {
        kind.default_code: kind for code, kind in STOPS.items() if code != 4501
    }
    kind = kinds.get(error.code, ConnectionStoppedError)
    return kind(error.message, code=error.code, details=error.details)


def _decoded(kind: type[T], value: object) -> T | None:
    # An error stays that error, even where its details are malformed.
    try:
        return None if value is None else decode(kind, value)
    except InvalidDataError:
        return None
