"""
Every object of the protocol: agents, departments, sessions, transfers, history entries.

Objects come from the store, so their types hold the shape only: a store that a newer router wrote to may have
more fields, and a null field may be missing there.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Role: TypeAlias = Literal["agent", "admin", "service"]
AgentRole: TypeAlias = Literal["agent", "admin"]
Status: TypeAlias = Literal["connected", "pre_pause", "pause", "disconnected"]
PlaceKind: TypeAlias = Literal["agent", "department"]
SessionState: TypeAlias = Literal["in_progress", "pending", "queued", "closed"]
Outcome: TypeAlias = Literal["assigned", "pending", "queued"]
EntryKind: TypeAlias = Literal[
    "opened", "transferred", "accepted", "declined", "recalled", "moved", "internal", "closed"
]


# Objects. They hold no cycles, so the garbage collector need not walk them: a replica keeps many.


class Actor(msgspec.Struct, frozen=True, gc=False):
    """Name who did something: an agent, an admin or a back end."""

    id: str
    name: str
    role: Role


class Customer(msgspec.Struct, frozen=True, gc=False):
    """Name whom a session is with."""

    id: str
    name: str


class Owner(msgspec.Struct, frozen=True, gc=False):
    """Point at the agent (in progress, or pending) or the department (queued) that has a session."""

    kind: PlaceKind
    id: str


class Party(msgspec.Struct, frozen=True, gc=False):
    """Name one end of a transfer."""

    kind: PlaceKind
    id: str
    name: str


class Agent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Hold one agent's row of the directory."""

    id: str
    name: str
    role: AgentRole
    departments: list[str] = []
    status: Status
    status_since_at: int
    load: int
    capacity: int
    pending: int
    available: bool


class Department(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Hold one department's row of the directory; the counts are of its members and its queue."""

    id: str
    name: str
    agents: int
    available: int
    queued: int


class Transfer(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename={"from_": "from"}):
    """Hold one transfer: who sent which session from where to where, why, and what became of it."""

    id: str
    session_id: str
    from_: Party | None = None
    to: Party
    by: Actor
    reason: str | None = None
    outcome: Outcome
    assigned_to: str | None = None
    at: int


class Session(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Hold one conversation: who has it, in which state, and its latest transfer."""

    id: str
    customer: Customer
    state: SessionState
    owner: Owner | None = None
    fence: int
    hops: int
    opened_at: int
    updated_at: int
    transfer: Transfer | None = None


class Entry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Hold one line of a session's history; ``by`` is None where the system acted."""

    seq: int
    kind: EntryKind
    at: int
    by: Actor | None = None
    text: str | None = None
    transfer: Transfer | None = None
