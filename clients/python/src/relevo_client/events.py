"""The events of a client, and their bounded queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from .errors import RelevoError
from .objects import Agent, Department, Entry, RemovalCause, Session, Transfer, TransferState, Welcome


@dataclass(frozen=True, slots=True)
class Connected:
    """The router let the client in. ``client.inbox`` holds what the agent has now."""

    welcome: Welcome
    reconnected: bool


@dataclass(frozen=True, slots=True)
class Disconnected:
    """
    The connection ended.

    Attributes:
        close_code: The websocket close code, 1006 if the connection was lost without one.
        reason: What the router gave as the reason, possibly empty.
        reconnect_in_s: When the first new attempt starts, in seconds, or None if there will be none.
        error: Why there will be none.
    """

    close_code: int
    reason: str
    reconnect_in_s: float | None
    error: RelevoError | None = None


@dataclass(frozen=True, slots=True)
class SessionAssigned:
    """A session is in progress with this agent now; ``transfer`` holds its sender, target and reason."""

    session: Session
    transfer: Transfer | None = None


@dataclass(frozen=True, slots=True)
class SessionPending:
    """A session is in this agent's pending list now."""

    session: Session
    transfer: Transfer | None = None


@dataclass(frozen=True, slots=True)
class SessionRemoved:
    """This agent had the session and has it no more."""

    session_id: str
    fence: int
    why: RemovalCause
    transfer: Transfer | None = None


@dataclass(frozen=True, slots=True)
class SessionEntry:
    """A session of this agent got a line of history."""

    session_id: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """A session of the tenant changed; for an admin that watches."""

    session: Session


@dataclass(frozen=True, slots=True)
class TransferUpdated:
    """A transfer that this agent made was delivered, accepted, declined, recalled or moved."""

    transfer: Transfer
    state: TransferState
    session: Session


@dataclass(frozen=True, slots=True)
class DirectoryChanged:
    """
    Rows of ``client.directory`` changed; it holds them already.

    One without any row says that the directory is live again, and that nothing has changed meanwhile.

    Attributes:
        snapshot: Whether everything was replaced; the rows are all rows then.
    """

    agents: tuple[Agent, ...] = ()
    departments: tuple[Department, ...] = ()
    agents_removed: tuple[str, ...] = ()
    departments_removed: tuple[str, ...] = ()
    snapshot: bool = False


@dataclass(frozen=True, slots=True)
class TokenExpiring:
    """The token ends at ``expires_at`` (ms). A token that is a callable is asked for a fresh one at once."""

    expires_at: int


@dataclass(frozen=True, slots=True)
class ServerDraining:
    """The router is about to stop; the client moves to another in ``reconnect_in_ms``."""

    reconnect_in_ms: int


@dataclass(frozen=True, slots=True)
class EventsLost:
    """The program read too slowly: that many events, the oldest, were dropped here."""

    count: int


Event: TypeAlias = (
    Connected
    | Disconnected
    | SessionAssigned
    | SessionPending
    | SessionRemoved
    | SessionEntry
    | SessionChanged
    | TransferUpdated
    | DirectoryChanged
    | TokenExpiring
    | ServerDraining
    | EventsLost
)

SESSION_PUSHES: Mapping[str, type[Event]] = {
    "session.assigned": SessionAssigned,
    "session.pending": SessionPending,
    "session.removed": SessionRemoved,
    "session.entry": SessionEntry,
    "session.changed": SessionChanged,
    "transfer.updated": TransferUpdated,
}
"""The pushes whose fields are an event's fields."""


class EventQueue:
    """
    Hold events until the program takes them, at most ``events_max``.

    When it is full the oldest is dropped, and the next one taken is an ``EventsLost`` that counts the hole:
    what is newest matters most, and the directory and the inbox are right whatever was dropped.

    Args:
        events_max: How many events are kept.
    """

    def __init__(self, events_max: int) -> None:
        self._events: deque[Event] = deque(maxlen=events_max)
        self._lost = 0

    def __len__(self) -> int:
        return len(self._events) + (1 if self._lost else 0)

    def put(self, event: Event) -> None:
        """Append an event."""
        if len(self._events) == self._events.maxlen:
            self._lost += 1
        self._events.append(event)

    def take(self) -> Event:
        """
        Remove and return the oldest event.

        Raises:
            IndexError: There is none.
        """
        if self._lost:
            lost, self._lost = self._lost, 0
            return EventsLost(lost)
        return self._events.popleft()
