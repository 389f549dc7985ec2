"""The events of a client, their bounded queue, and their listeners."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from .errors import RelevoError
from .objects import (
    Agent,
    Department,
    Entry,
    MoveCause,
    Person,
    RemovalCause,
    Session,
    Transfer,
    TransferState,
    Welcome,
    WireMessage,
)

ClientState: TypeAlias = Literal["connecting", "connected", "stopped"]


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
class Unreachable:
    """
    A connection attempt failed.

    Attributes:
        reason: Why, for people.
        attempts: How many have failed in a row.
        reconnect_in_s: When the next one starts, in seconds.
    """

    reason: str
    attempts: int
    reconnect_in_s: float


@dataclass(frozen=True, slots=True)
class StateChanged:
    """
    The client's ``state`` is another.

    Attributes:
        state: The state now.
        error: Why it has stopped.
    """

    state: ClientState
    error: RelevoError | None = None


@dataclass(frozen=True, slots=True)
class SessionAssigned(WireMessage):
    """A session is in progress with this agent now; ``transfer`` holds its sender, target and reason."""

    session: Session
    transfer: Transfer | None = None


@dataclass(frozen=True, slots=True)
class SessionPending(WireMessage):
    """A session is in this agent's pending list now."""

    session: Session
    transfer: Transfer | None = None


@dataclass(frozen=True, slots=True)
class SessionRemoved(WireMessage):
    """
    This agent had the session and has it no more.

    Attributes:
        why: ``moved`` by the system, or why it moved it.
    """

    session_id: str
    fence: int
    why: RemovalCause | MoveCause
    transfer: Transfer | None = None


@dataclass(frozen=True, slots=True)
class SessionEntry(WireMessage):
    """A session of this agent got a line of history."""

    session_id: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class SessionChanged(WireMessage):
    """
    A session of the tenant changed; for an admin or a back end that watches.

    Attributes:
        why: The kind of the entry that caused it, None if the router does not say.
        epoch: With ``seq`` the position from which ``watch`` resumes.
    """

    session: Session
    why: str | None = None
    epoch: str | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class TransferUpdated(WireMessage):
    """
    A transfer that this agent made was delivered, accepted, declined, recalled or moved.

    Attributes:
        why: Why the system moved it.
    """

    transfer: Transfer
    state: TransferState
    session: Session
    why: MoveCause | None = None


@dataclass(frozen=True, slots=True)
class AgentChanged(WireMessage):
    """The own row of this agent changed; ``client.agent`` is this one already."""

    agent: Agent


@dataclass(frozen=True, slots=True)
class StatusChanged(WireMessage):
    """
    Another person, or the system, changed this agent's status; ``client.agent`` has it already.

    Attributes:
        by: The person, None for the system.
    """

    agent: Agent
    by: Person | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class UnknownPush:
    """
    A push of a newer router, that this client does not know.

    Attributes:
        type: Its type on the wire.
        fields: Its other fields, as they came.
    """

    type: str
    fields: Mapping[str, Any]


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
class TokenExpiring(WireMessage):
    """The token ends at ``expires_at`` (ms). A token that is a callable is asked for a fresh one at once."""

    expires_at: int


@dataclass(frozen=True, slots=True)
class ServerDraining(WireMessage):
    """The router is about to stop; the client moves to another in ``reconnect_in_ms``."""

    reconnect_in_ms: int


@dataclass(frozen=True, slots=True)
class EventsLost:
    """The loop read too slowly: that many events, the oldest, were dropped here. Only loops get it."""

    count: int


Event: TypeAlias = (
    Connected
    | Disconnected
    | Unreachable
    | StateChanged
    | SessionAssigned
    | SessionPending
    | SessionRemoved
    | SessionEntry
    | SessionChanged
    | TransferUpdated
    | AgentChanged
    | StatusChanged
    | DirectoryChanged
    | TokenExpiring
    | ServerDraining
    | UnknownPush
    | EventsLost
)

PUSHES: Mapping[str, type[Event]] = {
    "session.assigned": SessionAssigned,
    "session.pending": SessionPending,
    "session.removed": SessionRemoved,
    "session.entry": SessionEntry,
    "session.changed": SessionChanged,
    "transfer.updated": TransferUpdated,
    "agent.changed": AgentChanged,
    "status.changed": StatusChanged,
    "token.expiring": TokenExpiring,
    "server.draining": ServerDraining,
}
"""The pushes whose fields are an event's fields."""


class EventQueue:
    """
    Hold events until a loop takes them, at most ``events_max``.

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
