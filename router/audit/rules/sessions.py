"""Check sessions by their lists, and the lists by the sessions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from relevo.router.audit.layout import (
    DAMAGED,
    KINDS_OF_OWNERS,
    PAGE,
    ROWS,
    STATES,
    KeptSession,
    decode_session,
    list_of,
    name_of,
    number_of,
)
from relevo.router.audit.rules.histories import history_rule
from relevo.router.audit.snapshot import Rule, Snapshot
from relevo.router.audit.violation import Violation
from relevo.router.store.records import addressee


def session_rule(session_id: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check a session's record by the lists that hold it, and by how long it is kept."""
    key, history = f"session:{session_id}", f"history:{session_id}"
    record, ttl_ms, history_ttl_ms, *scores = read(
        ("GET", key),
        ("PTTL", key),
        ("PTTL", history),
        *(("ZSCORE", f"state:{state}", session_id) for state in STATES),
    )
    if record is None:
        return
    try:
        session = decode_session(record)
    except DAMAGED as error:
        yield Violation("shape", f"the record of session {session_id} cannot be read: {error}", (key,))
        return
    if session.id != session_id:
        text = f"the record of session {session_id} says that it is {session.id}"
        yield Violation("shape", text, (key,))
        return
    wrong = _incoherence(session)
    if wrong is not None:
        yield Violation("S1", f"session {session_id} {wrong}", (key,))
        return
    positions = dict(zip(STATES, scores, strict=True))
    yield from list(_places_rule(session, positions, read))
    for name, left_ms in ((key, ttl_ms), (history, history_ttl_ms)):
        if left_ms != -2 and (left_ms == -1) == (session.state == "closed"):
            fate = "is kept for ever" if left_ms == -1 else f"is gone in {left_ms} ms"
            text = f"session {session_id} is {session.state}, and {name.partition(':')[0]} {fate}"
            yield Violation("S12", text, (name,))
    yield partial(history_rule, session_id)


def _incoherence(session: KeptSession) -> str | None:
    """Return what is wrong with a record in itself."""
    owner = session.owner
    kind = None if session.state == "closed" else "department" if session.state == "queued" else "agent"
    if (owner.kind if owner is not None else None) != kind:
        return f"is {session.state} with owner {owner.kind if owner is not None else None}"
    if owner is not None and session.state == "in_progress" and session.holder != owner.id:
        return f"is in progress with {owner.id}, and says that {session.holder} had it last"
    if owner is not None and session.state == "queued" and session.department != owner.id:
        return f"is queued in {owner.id}, and says that it was {session.department} last"
    transfer = session.transfer
    if transfer is not None and transfer.session_id != session.id:
        return f"has the transfer of session {transfer.session_id}"
    made_by = addressee(transfer.by.role, transfer.by.id) if transfer is not None else None
    if session.maker != made_by:
        return f"has a transfer by {made_by}, and says that {session.maker} made it"
    return None


def _places_rule(
    session: KeptSession, positions: dict[str, bytes | None], read: Snapshot
) -> Iterator[Violation]:
    key = f"session:{session.id}"
    position = None
    name = list_of(session)
    if name is not None and session.owner is not None:
        rows = ROWS[session.owner.kind]
        position, exists = read(("ZSCORE", name, session.id), ("HEXISTS", rows, session.owner.id))
        if not exists:
            owner = f"{session.owner.kind} {session.owner.id}"
            text = f"session {session.id} is {session.state} with {owner}, who is not there"
            yield Violation("S1", text, (key, rows))
        elif position is None:
            text = f"session {session.id} is {session.state}, and {name} does not hold it"
            yield Violation("S1", text, (key, name))
    for state, score in positions.items():
        if (score is not None) != (state == session.state):
            holds = "does not hold" if score is None else "holds"
            text = f"session {session.id} is {session.state}, and state:{state} {holds} it"
            yield Violation("S1", text, (key, f"state:{state}"))
    here = positions[session.state]
    if name is not None and position is not None and here is not None and position != here:
        text = f"session {session.id} is at {position.decode()} in {name}, and elsewhere at {here.decode()}"
        yield Violation("S7", text, (name, f"state:{session.state}"))


def list_rule(kind: str, owner_id: str, after: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that the sessions of an owner's list are its own, from the position ``after`` on."""
    name, owner_kind = f"{kind}:{owner_id}", KINDS_OF_OWNERS[kind]
    rows = ROWS[owner_kind]
    exists, order, page = read(
        ("HEXISTS", rows, owner_id),
        ("HGET", "meta", "order"),
        ("ZRANGE", name, after, "+inf", "BYSCORE", "LIMIT", 0, PAGE, "WITHSCORES"),
    )
    listed = [name_of(one) for one in page[::2]]
    if listed and not exists:
        text = f"{name} holds {len(listed)} sessions of the {owner_kind}, who is not there"
        yield Violation("S1", text, (name, rows))
    for session_id, session in _read_sessions(listed, read):
        if session is None:
            text = f"{name} holds session {session_id}, whose record is lost"
            yield Violation("S1", text, (name, f"session:{session_id}"))
        elif list_of(session) != name:
            text = f"{name} holds session {session_id}, which belongs to {list_of(session)}"
            yield Violation("S1", text, (name, f"session:{session_id}"))
    yield from _positions_rule(name, page, order)
    if len(listed) == PAGE:
        yield partial(list_rule, kind, owner_id, f"({name_of(page[-1])}")


def state_rule(state: str, after: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that the sessions of a state's list are in it; a closed one may have gone at its time."""
    name = f"state:{state}"
    order, page = read(
        ("HGET", "meta", "order"),
        ("ZRANGE", name, after, "+inf", "BYSCORE", "LIMIT", 0, PAGE, "WITHSCORES"),
    )
    listed = [name_of(one) for one in page[::2]]
    for session_id, session in _read_sessions(listed, read):
        if session is None and state != "closed":
            text = f"{name} holds session {session_id}, whose record is lost"
            yield Violation("S1", text, (name, f"session:{session_id}"))
        elif session is not None and session.state != state:
            text = f"{name} holds session {session_id}, which is {session.state}"
            yield Violation("S1", text, (name, f"session:{session_id}"))
    yield from _positions_rule(name, page, order)
    if len(listed) == PAGE:
        yield partial(state_rule, state, f"({name_of(page[-1])}")


def _positions_rule(name: str, page: list[bytes], order: bytes | None) -> Iterator[Violation]:
    """Check that each position was given out, and once."""
    last, before = number_of(order), None
    for session_id, score in zip(page[::2], page[1::2], strict=True):
        if score == before:
            text = f"{name} holds session {name_of(session_id)} at the same position as another one"
            yield Violation("S7", text, (name,))
        if float(score) > last:
            text = f"{name} is at position {name_of(score)}, and the last one given out is {last}"
            yield Violation("S7", text, (name, "meta"))
        before = score


def _read_sessions(session_ids: list[str], read: Snapshot) -> Iterator[tuple[str, KeptSession | None]]:
    records = read(*(("GET", f"session:{one}") for one in session_ids))
    for session_id, record in zip(session_ids, records, strict=True):
        try:
            yield session_id, decode_session(record) if record is not None else None
        except DAMAGED:
            continue  # Told where the record is checked.
