"""What the oracle knows of agents and sessions, what it answers, and what others are to hear."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from relevo.protocol.objects import (
    Actor,
    Author,
    Customer,
    Entry,
    Owner,
    Session,
    Transfer,
)

Request: TypeAlias = dict[str, Any]
Result: TypeAlias = dict[str, Any]
Notice: TypeAlias = "tuple[str, Author | None, str | None]"
Choice: TypeAlias = "tuple[Owner, str | None, KnownSession | None]"

OUTCOMES = {"in_progress": "assigned", "pending": "pending", "queued": "queued"}
CAPACITY_DEFAULT = 10
NEVER = 2**52


class RejectedError(Exception):
    """A rule forbids what was asked for."""

    def __init__(self, code: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


@dataclass(frozen=True)
class Answer:
    """A result, or the code of the rule that refused; details only where the protocol names them."""

    result: Result | None = None
    error: str | None = None
    details: dict[str, Any] | None = None


@dataclass
class Change:
    """What happened to one session in one step, and which clients are to hear of it."""

    session_id: str
    entries: list[Entry] = field(default_factory=list)
    session: Session | None = None
    owner: str | None = None
    assigned: str | None = None
    pending: str | None = None
    removed: tuple[str, str] | None = None
    updated: tuple[str, str, Transfer | None] | None = None


@dataclass
class KnownAgent:
    """An agent: what is written of it, what it chose, and what is seen of it."""

    id: str
    name: str
    role: str
    departments: list[str]
    capacity: int
    status_since_at: int
    chosen: str = "connected"
    present: bool = False
    status: str = "disconnected"
    assigned_last: int = 0
    assigned_at: int | None = None
    answered_at: int | None = None
    described_at: int = 0
    lost: list[str] = field(default_factory=list)
    missed: int = 0
    status_reason: str | None = None
    status_until_at: int | None = None
    status_by: Author | None = None
    connections: set[tuple[str, str]] = field(default_factory=set)
    presence_ends_at: int | None = None
    sessions_end_at: int | None = None


@dataclass
class KnownSession:
    """A session, with what decides where it may go back to."""

    id: str
    customer: Customer
    opened_at: int
    state: str = ""
    owner: Owner | None = None
    fence: int = 0
    hops: int = 0
    hops_free: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)
    # By the length of the history: what has changed last before the next entry, without one of its own.
    rewritten: dict[int, dict[str, Any]] = field(default_factory=dict)
    updated_at: int = 0
    transfer: Transfer | None = None
    history: list[Entry] = field(default_factory=list)
    changed_by: Actor | None = None
    target: Owner | None = None
    holder: str | None = None
    department: str | None = None
    delivered: bool = False
    position: int = 0
    opened_position: int = 0
    routed: tuple[str, str | None] = ("", None)
    routed_since: int = 0
    had: dict[str, int] = field(default_factory=dict)
    age: int = 0
    lost: str | None = None
    answered_at: int | None = None
    due_at: int | None = None
    tried: dict[str, int] = field(default_factory=dict)
    former: tuple[str, int] | None = None
    in_state_since: int = 0
    # By the number of an entry: why each agent was not chosen there, and None for the chosen one.
    why_not: dict[int, dict[str, str | None]] = field(default_factory=dict)

    def seen(self) -> Session:
        """Return it as clients see it."""
        return Session(
            id=self.id,
            customer=self.customer,
            state=self.state,  # type: ignore[arg-type]
            owner=self.owner,
            fence=self.fence,
            hops=self.hops,
            opened_at=self.opened_at,
            updated_at=self.updated_at,
            transfer=self.transfer,
            department=self.department or msgspec.UNSET,
            answered_at=self.answered_at or msgspec.UNSET,
            attributes=self.attributes or msgspec.UNSET,
            hops_free=self.hops_free or msgspec.UNSET,
            due_at=self.due_at or msgspec.UNSET,
        )

    @property
    def place(self) -> int:
        """Its place among the sessions of its owner: in a queue that of its age."""
        return self.age if self.state == "queued" else self.position

    @property
    def place_of_customer(self) -> int:
        """Its place among the sessions of its customer: when it was opened or closed."""
        return self.position if self.state == "closed" else self.opened_position

    @property
    def waits(self) -> bool:
        return self.state in ("pending", "queued")

    def agent_id(self) -> str | None:
        """Return the agent that owns it."""
        return self.owner.id if self.owner is not None and self.owner.kind == "agent" else None
