"""The objects of the protocol, as a client sees them: frozen, typed, compared by value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

# The values that this client knows. A newer router may send others: they come through unchanged.
Role: TypeAlias = Literal["agent", "admin", "service", "customer"]
AgentRole: TypeAlias = Literal["agent", "admin"]
Status: TypeAlias = Literal["connected", "pre_pause", "pause", "disconnected"]
SessionState: TypeAlias = Literal["in_progress", "pending", "queued", "closed"]
Outcome: TypeAlias = Literal["assigned", "pending", "queued", "offered"]
TransferState: TypeAlias = Literal["delivered", "accepted", "declined", "recalled", "moved"]
RemovalCause: TypeAlias = Literal["transferred", "declined", "recalled", "moved", "closed"]
MoveCause: TypeAlias = Literal[
    "unanswered", "overdue", "overflow", "disconnected", "evacuated", "queue", "declined"
]
DecisionCause: TypeAlias = Literal[
    "agent",
    "department",
    "queue",
    "returned",
    "unanswered",
    "overdue",
    "overflow",
    "disconnected",
    "evacuated",
    "forced",
]
Tie: TypeAlias = Literal["only", "load", "idle"]
WhyNot: TypeAlias = Literal[
    "not_member", "status", "capacity", "tried", "needs", "behind", "owner", "unknown"
]
TargetKind: TypeAlias = Literal["agent", "department"]
EntryKind: TypeAlias = Literal[
    "opened", "transferred", "accepted", "declined", "recalled", "moved", "internal", "closed"
]


@dataclass(frozen=True, slots=True)
class WireObject:
    """
    An object of the wire.

    Attributes:
        extra: The fields that this client does not know, by their names on the wire, as they came.
    """

    # Fields of the message around it, which are no part of it.
    envelope: ClassVar[tuple[str, ...]] = ()

    extra: Mapping[str, Any] = field(default_factory=dict, kw_only=True, hash=False, repr=False)


@dataclass(frozen=True, slots=True)
class WireMessage(WireObject):
    """A whole message of the wire."""

    envelope: ClassVar[tuple[str, ...]] = ("type", "id")


@dataclass(frozen=True, slots=True)
class Actor(WireObject):
    """An actor: an agent, an admin or a back end."""

    id: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Person(WireObject):
    """An agent or an admin, by id and name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Customer(WireObject):
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
class Owner(WireObject):
    """The owner of a session: an agent (in progress or pending), or a department's queue."""

    kind: TargetKind
    id: str


@dataclass(frozen=True, slots=True)
class Party(WireObject):
    """One side of a transfer, with its name at that time."""

    kind: TargetKind
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Agent(WireObject):
    """
    An agent's row in the directory; ``load`` of ``capacity`` sessions are in progress with it.

    Attributes:
        status_reason: Why it has its status, as it, an admin or the system said.
        status_until_at: Until when, in ms, as it said; nothing happens by itself then.
        status_by: The person that set the status for it; None for itself and for the system.
        missed: How many placed sessions in a row it has not answered.
        wrapping: How many closed sessions keep their slot for a while.
        answered_at: When it last answered a session, in ms.
    """

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
    tags: tuple[str, ...] = ()
    status_reason: str | None = None
    status_until_at: int | None = None
    status_by: Person | None = None
    missed: int = 0
    wrapping: int = 0
    answered_at: int | None = None


@dataclass(frozen=True, slots=True)
class Department(WireObject):
    """
    A department's row: members, members available now, sessions that wait for one.

    Attributes:
        rule: Which transfers agents may make of its sessions, as on the wire; None for all.
    """

    id: str
    name: str
    agents: int
    available: int
    queued: int
    rule: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Transfer(WireObject):
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
class Session(WireObject):
    """
    A conversation; ``fence`` grows by one at each change of owner or state. Times in ms.

    Attributes:
        transfer: The latest.
        department: The id of the department that it was last routed through.
        answered_at: When its present owner answered it, None before.
        due_at: When the system moves it on by itself, None for never.
        attributes: What the back end keeps with it: strings, numbers and booleans.
        hops_free: How many of its ``hops`` count towards no rule's limit: those by back ends.
    """

    id: str
    customer: Customer
    state: SessionState
    owner: Owner | None
    fence: int
    hops: int
    opened_at: int
    updated_at: int
    transfer: Transfer | None = None
    department: str | None = None
    answered_at: int | None = None
    due_at: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict, hash=False)
    hops_free: int = 0

    @property
    def version(self) -> tuple[int, int]:
        """
        Return what orders the versions of one session: when it was opened, and its fence.

        The id of a closed session may be opened again, with fence 1.
        """
        return self.opened_at, self.fence


@dataclass(frozen=True, slots=True)
class Candidate(WireObject):
    """
    An agent as it was when an owner was chosen: its load without the session.

    Attributes:
        idle_ms: How long ago it was assigned a session last; None where that is not known.
    """

    id: str
    load: int
    capacity: int
    idle_ms: int | None = None


@dataclass(frozen=True, slots=True)
class LeftOut(WireObject):
    """
    How many were not chosen from, by why.

    Attributes:
        unavailable: Not available, of a department with too many members to look at each.
    """

    owner: int = 0
    tried: int = 0
    needs: int = 0
    capacity: int = 0
    status: int = 0
    unavailable: int = 0


@dataclass(frozen=True, slots=True)
class Decision(WireObject):
    """
    Why the router chose the owner of a session.

    Attributes:
        by: What the choice was made for.
        members: Those whom it was made from, of whom so many were ``available``.
        chosen: The agent that got it in progress; None where it waits.
        next: Who would have got it otherwise.
        tie: What decided: there was ``only`` one, the ``load``, or how long each was ``idle``.
        place: Its place in the department's queue, from 1.
    """

    by: DecisionCause
    members: int
    available: int
    left_out: LeftOut
    chosen: Candidate | None = None
    next: Candidate | None = None
    tie: Tie | None = None
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Entry(WireObject):
    """
    A line of a session's history; ``seq`` counts from 1 without gaps. ``at`` in ms.

    Attributes:
        why: Why the system moved the session, of kind ``moved``.
        decision: Why the system chose this owner.
        passed: The rules that an admin or a back end passed over.
    """

    seq: int
    kind: EntryKind
    at: int
    by: Actor | None = None
    text: str | None = None
    transfer: Transfer | None = None
    why: MoveCause | None = None
    decision: Decision | None = None
    passed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InboxContent(WireObject):
    """What an agent has when it connects."""

    in_progress: tuple[Session, ...] = ()
    pending: tuple[Session, ...] = ()


@dataclass(frozen=True, slots=True)
class Welcome(WireMessage):
    """
    The router's answer to ``hello``. ``expires_at`` is the token's end, in ms.

    Attributes:
        server: The router's name and version, None if it does not send them.
        features: What it can do beyond the first part of the protocol, by name.
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
    features: tuple[str, ...] = ()


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
class AgentPage:
    """Some agents; ``cursor`` asks for the next page, None at the end."""

    agents: tuple[Agent, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class DepartmentPage:
    """Some departments; ``cursor`` asks for the next page, None at the end."""

    departments: tuple[Department, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class DepartmentSettings:
    """
    A department and its settings, by their names on the wire.

    Attributes:
        settings: Those that are its own.
        effective: Those that hold in it.
    """

    department: Department
    settings: Mapping[str, Any] = field(hash=False)
    effective: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Some sessions; ``cursor`` asks for the next page, None at the end."""

    sessions: tuple[Session, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    Why the router chose an owner, and not an agent.

    Attributes:
        decision: None where it has chosen none.
        why_not: Why the agent that was asked for was not chosen; None where it was, or none was asked for.
    """

    decision: Decision | None = None
    why_not: WhyNot | None = None


@dataclass(frozen=True, slots=True)
class TransferPreview:
    """What a transfer would do now; ``assigned_to`` is the agent whom a department would choose, and why."""

    outcome: Outcome
    assigned_to: str | None = None
    decision: Decision | None = None
