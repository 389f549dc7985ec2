"""What one step of a tenant did, as its feed tells it to every node: rows, changes of sessions, notices."""

from __future__ import annotations

from typing import Literal

import msgspec

from relevo.protocol.objects import Author, Rule
from relevo.router.store.records import (
    AgentRecord,
    DepartmentRecord,
    SessionRecord,
    TransferRecord,
    require_schema,
)


class Change(msgspec.Struct, array_like=True, gc=False):
    """
    What happened to one session, and whom it concerns.

    Attributes:
        what: ``placed`` with another owner, ``written`` into its history, ``delivered``, ``answered``, or
            ``stayed`` where a deadline passed and no other agent or department can have it, or ``updated`` in
            what is kept with it.
        left: The agent that has it no more.
        why: Why it has it no more.
        told: What became of the transfer, for its sender.
        superseded_sender: The sender of the transfer that this one replaces (`addressee`).
        superseded: That transfer.
        transfer: The session's transfer, where its record does not hold it.
        record: The session's record.
    """

    what: str
    left: str | None
    why: str | None
    told: str | None
    superseded_sender: str | None
    superseded: TransferRecord | None
    transfer: TransferRecord | None
    record: SessionRecord


class Notice(msgspec.Struct, array_like=True, gc=False):
    """That another changed an agent's status or role; the system where ``by_id`` is False."""

    agent_id: str
    by_id: str | Literal[False]
    by_name: str | Literal[False]
    reason: str | Literal[False]

    @property
    def by(self) -> Author | None:
        return Author(self.by_id, self.by_name or self.by_id) if self.by_id else None


class Event(msgspec.Struct, array_like=True, gc=False):
    """
    One step of a tenant: the rows of the directory that changed, the sessions, and notices to agents.

    Attributes:
        rule: The tenant's rule where it changed; False where there is none any more.
        replaced: Agents and their connections that gave way to newer ones.
    """

    schema: int
    epoch: str
    seq: int
    at: int
    agents: list[AgentRecord] = []
    departments: list[DepartmentRecord] = []
    agents_removed: list[str] = []
    departments_removed: list[str] = []
    changes: list[Change] = []
    rule: Rule | bool | None = None
    notices: list[Notice] = []
    replaced: list[tuple[str, str]] = []


class Events(msgspec.Struct, gc=False):
    """Events after a position; `events` is None where they are not kept any more."""

    epoch: str
    seq: int
    events: list[Event] | None = None


_event = msgspec.msgpack.Decoder(Event)


def decode_event(packed: bytes | msgspec.Raw) -> Event:
    """Decode an event; raises as `decode_meta`."""
    event = _event.decode(packed)
    require_schema(event.schema)
    for change in event.changes:
        require_schema(change.record.schema)
    return event
