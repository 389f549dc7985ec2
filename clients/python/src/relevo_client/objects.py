"""The objects of the protocol, as a client sees them: frozen, typed, compared by value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Role: TypeAlias = Literal["agent", "admin", "service"]
AgentRole: TypeAlias = Literal["agent", "admin"]
Status: TypeAlias = Literal["connected", "pre_pause", "pause", "disconnected"]
SessionState: TypeAlias = Literal["in_progress", "pending", "queued", "closed"]
Outcome: TypeAlias = Literal["assigned", "pending", "queued"]
TransferState: TypeAlias = Literal["delivered", "accepted", "declined", "recalled", "moved"]
RemovalCause: TypeAlias = Literal["transferred", "declined", "recalled", "moved", "closed"]
TargetKind: TypeAlias = Literal["agent", "department"]
EntryKind: TypeAlias = Literal[
    "opened", "transferred", "accepted", "declined", "recalled", "moved", "internal", "closed"
]


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor: an agent, an admin or a back end."""

    id: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Customer:
    """The person on the other side of a conversation."""

    id: str
    name: str

    def to_wire(self) -> Mapping[str, Any]:
        """Return the map that a command carries."""
        return {"id": self.id, "name": self.name}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a session is to go."""

    kind: TargetKind
    id: str

    @classmethod
    def agent(cls, agent_id: str) -> Target:
        """Name an agent as the target."""
        return cls("agent", agent_id)

    @classmethod
    def department(cls, department_id: str) -> Target:
        """Name a department as the target."""
        return cls("department", department_id)

    def to_wire(self) -> Mapping[str, Any]:
        """Return the map that a command carries."""
        return {"kind": self.kind, "id": self.id}


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a session: an agent (in progress or pending), or a department's queue."""

    kind: TargetKind
    id: str


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a transfer, with its name at that time."""

    kind: TargetKind
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent's row in the directory; ``load`` of ``capacity`` sessions are in progress with it."""

    id: str
    name: str
    role: AgentRole
    departments: tuple[str, ...]
    status: Status
    status_since_at: int
    load: int
    capacity: int
    pending: int
    available: bool


@dataclass(frozen=True, slots=True)
class Department:
    """A department's row: members, members available now, sessions that wait for one."""

    id: str
    name: str
    agents: int
    available: int
    queued: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer of a session: from whom, to whom, by whom, why, and what became of it. ``at`` in ms."""

    id: str
    session_id: str
    from_: Party | None = field(metadata={"wire": "from"})
    to: Party
    by: Actor
    outcome: Outcome
    at: int
    reason: str | None = None
    assigned_to: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation; ``fence`` grows by one at each change of owner or state. Times in ms."""

    id: str
    customer: Customer
    state: SessionState
    owner: Owner | None
    fence: int
    hops: int
    opened_at: int
    updated_at: int
    transfer: Transfer | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a session's history; ``seq`` counts from 1 without gaps. ``at`` in ms."""

    seq: int
    kind: EntryKind
    at: int
    by: Actor | None = None
    text: str | None = None
    transfer: Transfer | None = None


@dataclass(frozen=True, slots=True)
class InboxContent:
    """What an agent has when it connects."""

    in_progress: tuple[Session, ...] = ()
    pending: tuple[Session, ...] = ()


@dataclass(frozen=True, slots=True)
class Welcome:
    """
    The router's answer to ``hello``. ``expires_at`` is the token's end, in ms.

    ``server`` is the router's name and version, None if it does not send them.
    """

    connection_id: str
    tenant: str
    role: Role
    expires_at: int
    server_at: int
    ping_interval_ms: int
    server: str | None = None
    agent: Agent | None = None
    inbox: InboxContent = field(default_factory=InboxContent)


@dataclass(frozen=True, slots=True)
class TransferResult:
    """The session after a transfer, and the transfer itself."""

    session: Session
    transfer: Transfer


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some entries of a history; ``more`` says whether others follow the last."""

    entries: tuple[Entry, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Some sessions; ``cursor`` asks for the next page, None at the end."""

    sessions: tuple[Session, ...]
    cursor: str | None = None
