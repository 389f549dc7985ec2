"""Check the feed: numbers and epochs, and that what was told last is what is so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from relevo.protocol.objects import Agent, Department, Session
from relevo.router.audit.layout import (
    DAMAGED,
    EVENTS_PAGE,
    name_of,
    pairs,
    published_agent,
    published_department,
    published_session,
)
from relevo.router.audit.snapshot import Rule, Snapshot
from relevo.router.audit.violation import Violation
from relevo.router.store import records

META_FIELDS: Final = frozenset({"epoch", "seq", "order", "run", "before"})


@dataclass(frozen=True)
class Told:
    """What the events of an epoch have told up to one of them: the latest of each row and session."""

    epoch: str
    seq: int = 0
    agents: dict[str, Agent | None] = field(default_factory=dict)
    departments: dict[str, Department | None] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)

    def then(self, events: list[records.Event]) -> Told:
        """Return what is told after further events."""
        agents, departments, sessions = dict(self.agents), dict(self.departments), dict(self.sessions)
        for event in events:
            agents |= {row.id: row for row in map(records.agent, event.agents)}
            agents |= dict.fromkeys(event.agents_removed)
            departments |= {row.id: row for row in map(records.department, event.departments)}
            departments |= dict.fromkeys(event.departments_removed)
            told = [records.session(change.session) for change in event.changes if change.session]
            sessions |= {session.id: session for session in told}
        seq = events[-1].seq if events else self.seq
        return replace(self, seq=seq, agents=agents, departments=departments, sessions=sessions)


def feed_rule(read: Snapshot) -> Iterator[Violation | Rule]:
    """Check where a tenant's feed is, and its last event."""
    meta, last = read(("HGETALL", "meta"), ("XREVRANGE", "events", "+", "-", "COUNT", 1))
    fields = dict(pairs(meta))
    unknown = sorted(fields.keys() - META_FIELDS)
    if unknown:
        yield Violation("shape", f"meta has unknown fields: {', '.join(unknown)}", ("meta",))
    if not fields.get("order", b"0").isdigit():
        yield Violation("shape", f"meta has the order {name_of(fields['order'])!r}", ("meta",))
    if "epoch" not in fields or not fields.get("seq", b"").isdigit():
        yield Violation("S9", "the tenant has no epoch, or no seq in it", ("meta",))
        return
    seq, kept = int(fields["seq"]), name_of(last[0][0]) if last else "0-0"
    if kept != f"{seq}-0":
        text = f"the feed is at {seq}, and the last event kept is {kept}"
        yield Violation("S9", text, ("meta", "events"))


def events_rule(read: Snapshot, told: Told | None = None) -> Iterator[Violation | Rule]:
    """Check the events that are kept, from those told on, and at their end what they told."""
    # One event is read twice, to read that the next one follows it.
    first = f"{told.seq}-0" if told is not None and told.seq else "-"
    epoch_field, page = read(
        ("HGET", "meta", "epoch"), ("XRANGE", "events", first, "+", "COUNT", EVENTS_PAGE)
    )
    epoch = name_of(epoch_field or b"")
    if told is None or told.epoch != epoch:
        if told is not None:
            yield events_rule  # Another epoch has begun; what is kept is of that one.
            return
        told = Told(epoch)
    if told.seq and page and name_of(page[0][0]) == f"{told.seq}-0":
        page_after = page[1:]
    else:
        page_after = page  # The first one, or what was read before is not kept any more.
        told = replace(told, seq=0)
    events: list[records.Event] = []
    for entry_id, fields in page_after:
        name = name_of(entry_id)
        before = events[-1].seq if events else told.seq
        try:
            event = records.decode_event(dict(pairs(fields))["event"])
        except DAMAGED as error:
            text = f"event {name} cannot be read: {error}"
            yield Violation("shape", text, ("events",))
            return
        if name != f"{event.seq}-0" or event.epoch != epoch:
            text = f"event {name} says that it is {event.seq} of epoch {event.epoch} in {epoch}"
            yield Violation("S9", text, ("events", "meta"))
            return
        if before and event.seq != before + 1:
            text = f"event {before} is followed by {event.seq}"
            yield Violation("S9", text, ("events",))
            return
        events.append(event)
    try:
        told = told.then(events)
    except DAMAGED as error:
        text = f"one of the events from {events[0].seq} to {events[-1].seq} cannot be read: {error}"
        yield Violation("shape", text, ("events",))
        return
    if len(page) == EVENTS_PAGE:
        yield partial(events_rule, told=told)
        return
    for kind, rows in (("agent", told.agents), ("department", told.departments), ("session", told.sessions)):
        for name, row in rows.items():
            yield partial(_told_rule, kind, name, row, told.epoch, told.seq)


def _told_rule(
    kind: str, name: str, row: Any, epoch: str, seq: int, read: Snapshot
) -> Iterator[Violation | Rule]:
    """Check what was told last of one row or session by its record now."""
    key = {"agent": "agents", "department": "departments", "session": f"session:{name}"}[kind]
    record, present_epoch, newer = read(
        ("GET", key) if kind == "session" else ("HGET", key, name),
        ("HGET", "meta", "epoch"),
        ("XRANGE", "events", f"{seq + 1}-0", "+", "COUNT", EVENTS_PAGE),
    )
    if name_of(present_epoch or b"") != epoch:
        return
    try:
        events = [records.decode_event(dict(pairs(fields))["event"]) for _, fields in newer]
        later = Told(epoch).then(events)
    except DAMAGED:
        return  # Told where the events are checked.
    rows: dict[str, Any] = {"agent": later.agents, "department": later.departments, "session": later.sessions}
    row = rows[kind].get(name, row)
    if len(newer) == EVENTS_PAGE:
        yield partial(_told_rule, kind, name, row, epoch, events[-1].seq)
        return
    decode = {"agent": published_agent, "department": published_department, "session": published_session}[
        kind
    ]
    try:
        kept = decode(record) if record is not None else None
    except DAMAGED:
        return  # Told where the record is checked.
    if kept == row or (kind == "session" and kept is None and row.state == "closed"):
        return
    if kind == "session" and kept is None:
        text = f"session {name} was told to be {row.state}, and its record is lost"
        yield Violation("S10", text, (key, "events"))
    elif kept is None:
        yield Violation("S10", f"{kind} {name} was told last, and is not there", (key, "events"))
    else:
        differing = [
            one for one in kept.__struct_fields__ if row is None or getattr(kept, one) != getattr(row, one)
        ]
        text = f"{kind} {name} was told last with another {', '.join(differing)}"
        yield Violation("S10", text, (key, "events"))
