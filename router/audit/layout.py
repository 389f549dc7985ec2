"""
How the commands lay a tenant out in the store: the forms of what its keys hold, and how they hang together.

The header of `lua/lib/step.lua` lists the keys. What a command writes and what is read here change together.
"""

from __future__ import annotations

import math
import re
from typing import Final

import msgspec

from relevo.protocol.objects import Actor, Agent, Department, Entry, Owner, Session, Status

LISTS: Final = {"in_progress": "owned", "pending": "pending", "queued": "queue"}
"""The list of an owner that holds its sessions of a state."""
STATES: Final = (*LISTS, "closed")
KINDS_OF_OWNERS: Final = {"owned": "agent", "pending": "agent", "queue": "department"}
ROWS: Final = {"agent": "agents", "department": "departments"}

PAGE: Final = 100
"""How much of a long list is read and checked at one instant."""

EVENTS_PAGE: Final = 20
"""The same of events: one that moves all that a lost agent had is long."""

DAMAGED: Final = (msgspec.DecodeError, UnicodeDecodeError, KeyError, IndexError)
"""What reading a record may raise that no command wrote."""

IDENTITY: Final = re.compile(r"[A-Za-z0-9_.@:+-]{1,64}")
CONNECTION: Final = re.compile(r"(\S+) (\S+)")
DUE: Final = re.compile(r"(node|presence|sessions|drain) (\S+)")
PRINT_LENGTH: Final = 32
RATIO_STEPS: Final = 2**20
ORDER_STEPS: Final = 2**33


class KeptAgent(Agent, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """
    Hold an agent as it is kept.

    Args:
        chosen: The status it chose last.
        present: Whether it has a connection, or lost its last one a moment ago.
        assigned: The place in the order of all assignments that its last one had.
    """

    chosen: Status
    present: bool
    assigned: int


class KeptDepartment(Department, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Hold a department as it is kept."""


class KeptSession(Session, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """
    Hold a session as it is kept.

    Args:
        entry_count: How long its history is.
        by: Who placed it last; None for the system.
        target: To whom it was sent last.
        holder: The agent who had it in progress last.
        department: The department in which it was queued last.
        delivered: Whether a client of its owner has said that it is there.
        maker: Who made its transfer, as an event names them: an agent's id, or ``service ID``.
    """

    entry_count: int
    target: Owner
    by: Actor | None = None
    holder: str | None = None
    department: str | None = None
    delivered: bool = False
    maker: str | None = None


class KeptEntry(Entry, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Hold an entry of a history as it is kept."""


decode_agent = msgspec.msgpack.Decoder(KeptAgent).decode
decode_department = msgspec.msgpack.Decoder(KeptDepartment).decode
decode_session = msgspec.msgpack.Decoder(KeptSession).decode
decode_entry = msgspec.msgpack.Decoder(KeptEntry).decode
published_agent = msgspec.msgpack.Decoder(Agent).decode
published_department = msgspec.msgpack.Decoder(Department).decode
published_session = msgspec.msgpack.Decoder(Session).decode


def list_of(session: Session) -> str | None:
    """Return the list in which an open session must be; None for a closed one."""
    if session.owner is None or session.state not in LISTS:
        return None
    return f"{LISTS[session.state]}:{session.owner.id}"


def choice_score(agent: KeptAgent) -> int:
    """Return the score at which departments offer an available agent: the lowest gets the next session."""
    return math.floor(agent.load / agent.capacity * RATIO_STEPS) * ORDER_STEPS + agent.assigned


def number_of(value: bytes | None) -> int:
    """Return a number that is kept as text; 0 for nothing, and for what is none."""
    return int(value) if value is not None and value.isdigit() else 0


def name_of(value: bytes) -> str:
    """Return what the store calls something, readable also where it is nothing that a command wrote."""
    return value.decode("utf-8", "backslashreplace")


def pairs(flat: list[bytes]) -> list[tuple[str, bytes]]:
    """Return names and values of what the store lists in turns."""
    return [(name_of(name), value) for name, value in zip(flat[::2], flat[1::2], strict=True)]
