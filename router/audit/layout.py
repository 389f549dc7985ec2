"""
How the commands lay a tenant out in the store: which keys there are, and how they hang together.

The header of `lua/lib/step.lua` lists the keys, and `store/records.py` has the shapes of the records. What a
command writes and what is read here change together.
"""

from __future__ import annotations

import math
import re
from typing import Final

import msgspec

from relevo.protocol.bounds import ID_PATTERN
from relevo.router.store.records import AgentRecord, SessionRecord

LISTS: Final = {"pending": "pending", "queued": "queue"}
"""The list of an owner that holds its sessions of a state; those in progress stand in the agent's record."""
STATES: Final = ("in_progress", "pending", "queued", "closed")
KINDS_OF_OWNERS: Final = {"owned": "a", "pending": "a", "queue": "d"}
"""How the field of an owner of such a list begins, in the tenant's hash."""

HAD_MAX: Final = 10_000
"""Sessions that are remembered of an agent that had them."""

PAGE: Final = 100
"""How much of a long list is read and checked at one instant."""

EVENTS_PAGE: Final = 20
"""The same of events: one that moves all that a lost agent had is long."""

DAMAGED: Final = (msgspec.DecodeError, UnicodeDecodeError, KeyError, IndexError)
"""What reading a record may raise that no command wrote."""

IDENTITY: Final = re.compile(ID_PATTERN)
CONNECTION: Final = re.compile(r"(\S+) (\S+)")
DUE: Final = re.compile(r"(node|presence|sessions|session|drain|leave) (\S+)")
PRINT_LENGTH: Final = 32
REMOVED_MAX: Final = 10_000
"""Removals of agents and departments that are remembered."""
RATIO_STEPS: Final = 2**20
ORDER_STEPS: Final = 2**33


def list_of(session: SessionRecord) -> str | None:
    """Return the list in which a waiting session must be; None for others."""
    if session.owner_id is None or session.state not in LISTS:
        return None
    return f"{LISTS[session.state]}:{session.owner_id}"


def place_of(session: SessionRecord) -> int:
    """Return a session's place in its owner's list: in a queue that of its age."""
    since = session.extra.since if session.state == "queued" and session.extra is not None else 0
    return since or session.order


def finding_lists_of(session: SessionRecord) -> list[str]:
    """Return the lists by which a session is found, of its customer and of its department."""
    names = [f"customer:{'closed' if session.state == 'closed' else 'open'}:{session.customer_id}"]
    if session.department is not None and session.state != "queued":
        names.append(f"routed:{session.state}:{session.department}")
    return names


def owned_in(agent: AgentRecord) -> list[str]:
    """Return the sessions in progress that stand in an agent's record."""
    return agent.owned.split() if isinstance(agent.owned, str) else []


def choice_score(agent: AgentRecord) -> int:
    """Return the score at which departments offer an available agent: the lowest gets the next session."""
    return math.floor(agent.load / agent.capacity * RATIO_STEPS) * ORDER_STEPS + agent.assigned


def name_of(value: bytes) -> str:
    """Return what the store calls something, readable also where it is nothing that a command wrote."""
    return value.decode("utf-8", "backslashreplace")
