"""Check the feed: numbers and epochs, and that what was told last is what is so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from relevo.protocol.objects import Agent, Department, Session
from relevo.router.audit.layout import DAMAGED, EVENTS_PAGE, PAGE, name_of
from relevo.router.audit.rules.agents import agent_rule, department_rule
from relevo.router.audit.snapshot import Rule, Snapshot
from relevo.router.audit.violation import Violation
from relevo.router.store import answers, records
from relevo.router.store.events import Event, decode_event

META: Final = ("HGET", "tenant", "m")


@dataclass(frozen=True)
class Told:
    """What the events of an epoch have told up to one of them: the latest of each row and session."""

    epoch: str
    seq: int = 0
    agents: dict[str, Agent | None] = field(default_factory=dict)
    departments: dict[str, Department | None] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)

    def then(self, events: list[Event]) -> Told:
        """Return the feed's state after further events."""
        agents, departments, sessions = dict(self.agents), dict(self.departments), dict(self.sessions)
        for event in events:
            agents |= {row.id: row for row in map(records.agent_of, event.agents)}
            agents |= dict.fromkeys(event.agents_removed)
            departments |= {row.id: row for row in map(records.department_of, event.departments)}
            departments |= dict.fromkeys(event.departments_removed)
            placed = [change for change in event.changes if change.what != "written"]
            told = [records.session_of(change.record, change.transfer) for change in placed]
            sessions |= {session.id: session for session in told}
        seq = events[-1].seq if events else self.seq
        return replace(self, seq=seq, agents=agents, departments=departments, sessions=sessions)


def tenant_rule(read: Snapshot, cursor: str = "0") -> Iterator[Violation | Rule]:
    """Check every field of the tenant's hash; the events are checked in their order."""
    ((after, found),) = read(("HSCAN", "tenant", cursor, "COUNT", PAGE))
    if after != b"0":
        yield partial(tenant_rule, cursor=name_of(after))
    if cursor == "0":
        yield meta_rule
        yield events_rule
    for name in map(name_of, found[::2]):
        if name[:1] == "a":
            yield partial(agent_rule, name[1:])
        elif name[:1] == "d":
            yield partial(department_rule, name[1:])
        elif name[:1] == "s":
            yield partial(settings_rule, name[1:])
        elif not name.isdigit() and name not in ("m", "w"):
            yield Violation("shape", f"unknown field {name!r}", ("tenant",))


def _meta_in(record: bytes | None) -> records.MetaRecord | None:
    try:
        return records.decode_meta(record) if record is not None else None
    except DAMAGED:
        return None  # Told where it is checked.


def settings_rule(department_id: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that settings can be read, that their department is there, and that its row shows its rule."""
    kept, row = read(
        ("HGET", "tenant", f"s{department_id}"),
        ("HGET", "tenant", f"d{department_id}" if department_id else "m"),
    )
    if kept is None:
        return
    where = f"of department {department_id}" if department_id else "of the tenant"
    try:
        rule = answers.settings_in(kept).get("rule")
        if row is None:
            yield Violation("shape", f"there are settings {where}, which is not there", ("tenant",))
        elif department_id and records.department_of(records.decode_department(row)).rule != rule:
            yield Violation("S6", f"the row {where} shows another rule than is set", ("tenant",))
        elif not department_id and (records.decode_meta(row).extra or records.MetaExtra()).settings == "":
            yield Violation("shape", f"the settings {where} are never looked for", ("tenant",))
    except DAMAGED as error:
        yield Violation("shape", f"settings {where} cannot be read: {error}", ("tenant",))


def meta_rule(read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that the tenant's meta record can be read."""
    (record,) = read(META)
    if record is None:
        yield Violation("S9", "the tenant has no meta record", ("tenant",))
        return
    try:
        records.decode_meta(record)
    except DAMAGED as error:
        yield Violation("shape", f"the meta record cannot be read: {error}", ("tenant",))


def _read_events(meta: records.MetaRecord, first: int, read: Snapshot) -> list[Event]:
    """Return the events from a number on, as far as one page goes; raises what is DAMAGED."""
    numbers = range(first, min(first + EVENTS_PAGE, meta.seq + 1))
    found = read(*(("HGET", "tenant", str(seq % meta.ring)) for seq in numbers))
    events = []
    for seq, packed in zip(numbers, found, strict=True):
        if packed is None:
            raise KeyError(f"event {seq} is not kept")
        event = decode_event(packed)
        if (event.epoch, event.seq) != (meta.epoch, seq):
            raise KeyError(f"event {seq} of epoch {meta.epoch} says that it is {event.seq} of {event.epoch}")
        events.append(event)
    return events


def events_rule(read: Snapshot, told: Told | None = None) -> Iterator[Violation | Rule]:
    """Check the events that are kept, from those told on, and at their end what they told."""
    (record,) = read(META)
    meta = _meta_in(record)
    if meta is None:
        return
    oldest = max(1, meta.seq - meta.ring + 1)
    if told is None or told.epoch != meta.epoch or told.seq + 1 < oldest:
        told = Told(meta.epoch, oldest - 1)
    try:
        events = _read_events(meta, told.seq + 1, read)
        told = told.then(events)
    except DAMAGED as error:
        invariant = "S9" if isinstance(error, KeyError) else "shape"
        text = f"an event after {told.seq} cannot be read: {error}"
        yield Violation(invariant, text, ("tenant",))
        return
    if len(events) == EVENTS_PAGE:
        yield partial(events_rule, told=told)
        return
    for kind, rows in (("agent", told.agents), ("department", told.departments), ("session", told.sessions)):
        for name, row in rows.items():
            yield partial(_told_rule, kind, name, row, told.epoch, told.seq)


def _kept_row(kind: str, name: str, read: Snapshot) -> Any:
    """Return the row or session as it is kept; raises what is DAMAGED."""
    if kind != "session":
        (record,) = read(("HGET", "tenant", kind[0] + name))
        if record is None:
            return None
        if kind == "agent":
            return records.agent_of(records.decode_agent(record))
        return records.department_of(records.decode_department(record))
    key = f"session:{name}"
    (record,) = read(("LINDEX", key, -1))
    if record is None:
        return None
    session = records.decode_session(record)
    if session.transfer_at < 0 or session.transfer is not None:
        return records.session_of(session, None)
    (held,) = read(("LINDEX", key, session.transfer_at))
    return records.session_of(session, records.decode_session(held).transfer if held is not None else None)


def _told_rule(
    kind: str, name: str, row: Any, epoch: str, seq: int, read: Snapshot
) -> Iterator[Violation | Rule]:
    """Check what was told last of one row or session by its record now."""
    (record,) = read(META)
    meta = _meta_in(record)
    if meta is None or meta.epoch != epoch or seq < meta.seq - meta.ring:
        return
    try:
        events = _read_events(meta, seq + 1, read)
        later = Told(epoch).then(events)
    except DAMAGED:
        return  # Told where the events are checked.
    rows: dict[str, Any] = {"agent": later.agents, "department": later.departments, "session": later.sessions}
    row = rows[kind].get(name, row)
    if len(events) == EVENTS_PAGE:
        yield partial(_told_rule, kind, name, row, epoch, events[-1].seq)
        return
    try:
        kept = _kept_row(kind, name, read)
    except DAMAGED:
        return  # Told where the record is checked.
    if kept == row or (kind == "session" and kept is None and row.state == "closed"):
        return
    key = f"session:{name}" if kind == "session" else "tenant"
    if kept is None:
        yield Violation("S10", f"{kind} {name} was told last, and is not there", (key, "tenant"))
    else:
        differing = [
            one for one in kept.__struct_fields__ if row is None or getattr(kept, one) != getattr(row, one)
        ]
        text = f"{kind} {name} was told last with another {', '.join(differing)}"
        yield Violation("S10", text, (key, "tenant"))
