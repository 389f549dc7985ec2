"""
Every object of the protocol: agents, departments, sessions, transfers, history entries.

Objects come from the store, so their types carry shapes and no bounds. A record of a newer router may have
more fields, and a null field may be missing.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

Role: TypeAlias = Literal["agent", "admin", "service"]
AgentRole: TypeAlias = Literal["agent", "admin"]
Status: TypeAlias = Literal["connected", "pre_pause", "pause", "disconnected"]
PlaceKind: TypeAlias = Literal["agent", "department"]
SessionState: TypeAlias = Literal["in_progress", "pending", "queued", "closed"]
SessionSort: TypeAlias = Literal["age", "-age"]
Outcome: TypeAlias = Literal["assigned", "pending", "queued"]
RuleAgents: TypeAlias = Literal["none", "members", "any"]
RuleReason: TypeAlias = Literal["optional", "required"]
DecisionBy: TypeAlias = Literal[
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
EntryKind: TypeAlias = Literal[
    "opened", "transferred", "accepted", "declined", "recalled", "moved", "internal", "closed"
]


# `gc=False`: objects hold no cycles, and a directory of 20,000 of them would slow each garbage collection.


class Actor(msgspec.Struct, frozen=True, gc=False):
    """The author of a change: an agent, an admin or a back end."""

    id: str
    name: str
    role: Role


class Author(msgspec.Struct, frozen=True, gc=False):
    """The agent or admin that set a status."""

    id: str
    name: str


class Customer(msgspec.Struct, frozen=True, gc=False):
    """The customer of a session."""

    id: str
    name: str


class Owner(msgspec.Struct, frozen=True, gc=False):
    """The owner of a session: an agent (`in_progress`, `pending`) or a department (`queued`)."""

    kind: PlaceKind
    id: str


class Party(msgspec.Struct, frozen=True, gc=False):
    """The agent or department at one end of a transfer."""

    kind: PlaceKind
    id: str
    name: str


class Agent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """
    An agent's row of the directory; ``load`` and ``pending`` count sessions.

    ``answered_at`` is when it answered last, ``missed`` how many sessions in a row it did not answer in time
    since. ``status_reason`` and ``status_until_at`` were given with the
    status by ``status_by``, which is left out where the system set it.
    """

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
    answered_at: int | UnsetType = UNSET
    status_reason: str | UnsetType = UNSET
    status_until_at: int | UnsetType = UNSET
    status_by: Author | UnsetType = UNSET
    missed: int | UnsetType = UNSET


class Rule(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """
    Which transfers an agent may make (PROTOCOL.md, Rules).

    Attributes:
        departments: To which departments; "any" for all.
        agents: To which agents: none, members of these departments, any.
        statuses: In which statuses an agent may be that it is sent to.
        at_capacity: Whether to an agent without room.
        hops_max: How often agents and admins may transfer a session; 0 for no limit.
        reason: Whether a transfer needs a reason.
    """

    departments: Literal["any"] | list[str]
    agents: RuleAgents
    statuses: list[Status]
    at_capacity: bool
    hops_max: int
    reason: RuleReason


class Department(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A department's row of the directory: members, available members, queued sessions, and its rule."""

    id: str
    name: str
    agents: int
    available: int
    queued: int
    rule: Rule | msgspec.UnsetType = msgspec.UNSET


class Transfer(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename={"from_": "from"}):
    """A transfer: session, both ends, author, reason and outcome; ``at`` in ms since the epoch."""

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
    """
    A conversation with a customer: state, owner, fence and latest transfer.

    ``department`` is what it was routed through last, ``answered_at`` when its present owner answered it,
    ``attributes`` what is kept with it, ``hops_free`` how many hops count towards no rule's ``hops_max``,
    ``due_at`` when the system moves it on; left out where there is none.
    """

    id: str
    customer: Customer
    state: SessionState
    owner: Owner | None = None
    fence: int
    hops: int
    opened_at: int
    updated_at: int
    transfer: Transfer | None = None
    department: str | UnsetType = UNSET
    answered_at: int | UnsetType = UNSET
    attributes: dict[str, str | int | float | bool] | UnsetType = UNSET
    hops_free: int | UnsetType = UNSET
    due_at: int | UnsetType = UNSET


class Candidate(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """
    An agent as it was when a session's owner was chosen.

    Attributes:
        load: Its sessions in progress, without this one.
        capacity: How many it may have in progress.
        idle_ms: How long ago it was assigned a session last; None where that is not known.
    """

    id: str
    load: int
    capacity: int
    idle_ms: int | None = None


class LeftOut(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """
    How many were not chosen from, by why.

    Attributes:
        owner: The present owner, where it was available.
        tried: Available, but the session was placed with them already.
        needs: Available, but without what the session needs.
        capacity: Connected, and at their capacity.
        status: Not connected.
        unavailable: Not available, where a department has too many members to look at each.
    """

    owner: int
    tried: int
    needs: int
    capacity: int
    status: int
    unavailable: int | UnsetType = UNSET


class Decision(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """
    Why the system chose an owner.

    Attributes:
        by: What the choice was made for.
        members: Those whom it was made from: of the department, or the one agent that was meant.
        available: How many of them were available.
        chosen: The agent that got the session in progress; None where it waits.
        next: Who would have been chosen otherwise.
        tie: What decided: it was the ``only`` one, its ``load`` or how long it was ``idle``; None where
            none was chosen.
        place: In the department's queue, from 1: where the session waits since, or where it waited.
    """

    by: DecisionBy
    members: int
    available: int
    left_out: LeftOut
    chosen: Candidate | None = None
    next: Candidate | None = None
    tie: Tie | None = None
    place: int | None = None


class Entry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """
    An entry of a session's history, ``seq`` from 1 without gaps; ``by`` is None where the system acted.

    ``passed`` is what of a rule an admin or a back end passed over, ``why`` why the system moved the session:
    its agent was lost (``disconnected``), did not answer (``unanswered``) or did not take it in time
    (``overdue``), or its turn came (``queue``); ``decision`` is why the system chose its owner. Each is left
    out where it is nothing.
    """

    seq: int
    kind: EntryKind
    at: int
    by: Actor | None = None
    text: str | None = None
    transfer: Transfer | None = None
    passed: list[str] | UnsetType = UNSET
    why: str | UnsetType = UNSET
    decision: Decision | UnsetType = UNSET
