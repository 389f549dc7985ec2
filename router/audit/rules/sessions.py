"""Check sessions by their lists, and the lists by the sessions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from relevo.router.audit.layout import (
    DAMAGED,
    HAD_MAX,
    KINDS_OF_OWNERS,
    PAGE,
    STATES,
    finding_lists_of,
    list_of,
    name_of,
    place_of,
)
from relevo.router.audit.rules.histories import history_rule
from relevo.router.audit.snapshot import Rule, Snapshot
from relevo.router.audit.violation import Violation
from relevo.router.store.records import (
    SessionRecord,
    TransferRecord,
    addressee,
    decode_agent,
    decode_meta,
    decode_session,
)


def session_rule(session_id: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check a session's last record by the lists that hold it, and by how long it is kept."""
    key = f"session:{session_id}"
    record, ttl_ms, *scores = read(
        ("LINDEX", key, -1),
        ("PTTL", key),
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
    transfer = session.transfer
    if session.transfer_at >= 0 and transfer is None:
        (held,) = read(("LINDEX", key, session.transfer_at))
        try:
            transfer = decode_session(held).transfer if held is not None else None
        except DAMAGED:
            return  # Told where the log is checked.
    wrong = _incoherence(session, transfer)
    if wrong is not None:
        yield Violation("S1", f"session {session_id} {wrong}", (key,))
        return
    (due,) = read(("ZSCORE", "due", f"session {session_id}"))
    due_at = session.extra.due_at if session.extra is not None else 0
    if (float(due) if due is not None else 0) != due_at:
        text = f"session {session_id} is due at {due_at or None}, and the list says {due and name_of(due)}"
        yield Violation("S13", text, (key, "due"))
    positions = dict(zip(STATES, scores, strict=True))
    yield from list(_places_rule(session, positions, read))
    if ttl_ms != -2 and (ttl_ms == -1) == (session.state == "closed"):
        fate = "is kept for ever" if ttl_ms == -1 else f"is gone in {ttl_ms} ms"
        yield Violation("S12", f"session {session_id} is {session.state}, and {fate}", (key,))
    yield partial(history_rule, session_id)


def _incoherence(session: SessionRecord, transfer: TransferRecord | None) -> str | None:
    """Return what is wrong with a record in itself."""
    if (session.owner_id is None) != (session.state == "closed"):
        return f"is {session.state} with owner {session.owner_id}"
    if session.state == "queued" and session.department != session.owner_id:
        return f"is queued in {session.owner_id}, and says that it was {session.department} last"
    if (transfer is None) != (session.transfer_at < 0):
        return f"says that its transfer is in record {session.transfer_at}"
    made_by = addressee(transfer.by_role, transfer.by_id) if transfer is not None else None
    if session.sender != made_by:
        return f"has a transfer by {made_by}, and says that {session.sender} made it"
    return None


def _places_rule(
    session: SessionRecord, positions: dict[str, bytes | None], read: Snapshot
) -> Iterator[Violation]:
    key = f"session:{session.id}"
    if session.owner_id is not None:
        kind = "d" if session.state == "queued" else "a"
        (owner,) = read(("HGET", "tenant", kind + session.owner_id))
        if owner is None:
            what = "department" if kind == "d" else "agent"
            text = f"session {session.id} is {session.state} with {what} {session.owner_id}, which is missing"
            yield Violation("S1", text, (key, "tenant"))
        else:
            yield from _owner_rule(session, owner, read)
    yield from _finding_rule(session, read)
    for state, score in positions.items():
        if (score is not None) != (state == session.state):
            holds = "does not hold" if score is None else "holds"
            text = f"session {session.id} is {session.state}, and state:{state} {holds} it"
            yield Violation("S1", text, (key, f"state:{state}"))
        elif score is not None and float(score) > session.order:
            text = f"session {session.id} is at {session.order}, and in state:{state} at {score.decode()}"
            yield Violation("S7", text, (f"state:{state}", key))


def _finding_rule(session: SessionRecord, read: Snapshot) -> Iterator[Violation]:
    names = finding_lists_of(session)
    positions = read(*(("ZSCORE", name, session.id) for name in names))
    for name, position in zip(names, positions, strict=True):
        if position is None:
            yield Violation(
                "S1", f"{name} does not hold session {session.id}", (name, f"session:{session.id}")
            )


def _owner_rule(session: SessionRecord, owner: bytes, read: Snapshot) -> Iterator[Violation]:
    key, name = f"session:{session.id}", list_of(session)
    if name is None:
        name = f"owned:{session.owner_id}"
        try:
            owned = decode_agent(owner).owned
        except DAMAGED:
            return  # Told where the record is checked.
        if isinstance(owned, str):
            if session.id not in owned.split():
                text = f"session {session.id} is in progress with {session.owner_id}, which does not hold it"
                yield Violation("S1", text, (key, "tenant"))
            return
    (position,) = read(("ZSCORE", name, session.id))
    if position is None:
        text = f"session {session.id} is {session.state}, and {name} does not hold it"
        yield Violation("S1", text, (key, name))
    elif float(position) != (place := place_of(session)):
        text = f"session {session.id} is at {position.decode()} in {name}, and says {place}"
        yield Violation("S7", text, (name, key))


def list_rule(kind: str, owner_id: str, after: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that the sessions of an owner's list are its own, from the position ``after`` on."""
    name, state = f"{kind}:{owner_id}", {"owned": "in_progress", "queue": "queued"}.get(kind, kind)
    exists, meta, page = read(
        ("HEXISTS", "tenant", KINDS_OF_OWNERS[kind] + owner_id),
        ("HGET", "tenant", "m"),
        ("ZRANGE", name, after, "+inf", "BYSCORE", "LIMIT", 0, PAGE, "WITHSCORES"),
    )
    listed = [name_of(one) for one in page[::2]]
    if listed and not exists:
        text = f"{name} holds {len(listed)} sessions of an owner that does not exist"
        yield Violation("S1", text, (name, "tenant"))
    for session_id, session in _read_sessions(listed, read):
        if session is None:
            text = f"{name} holds session {session_id}, whose record is lost"
            yield Violation("S1", text, (name, f"session:{session_id}"))
        elif (session.state, session.owner_id) != (state, owner_id):
            text = f"{name} holds session {session_id}, which is {session.state} with {session.owner_id}"
            yield Violation("S1", text, (name, f"session:{session_id}"))
    yield from _positions_rule(name, page, meta)
    if len(listed) == PAGE:
        yield partial(list_rule, kind, owner_id, f"({name_of(page[-1])}")


def state_rule(state: str, after: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that the sessions of a state's list are in it; a closed one may have gone at its time."""
    name = f"state:{state}"
    meta, page = read(
        ("HGET", "tenant", "m"),
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
    yield from _positions_rule(name, page, meta)
    if len(listed) == PAGE:
        yield partial(state_rule, state, f"({name_of(page[-1])}")


def finding_rule(name: str, after: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check a list by which sessions are found; what is older than its session's log is of an earlier one."""
    ttl_ms, count, page = read(
        ("PTTL", name),
        ("ZCARD", name),
        ("ZRANGE", name, after, "+inf", "BYSCORE", "LIMIT", 0, PAGE, "WITHSCORES"),
    )
    kind, _, rest = name.partition(":")
    if after == "-inf" and ttl_ms != -2 and (ttl_ms == -1) == (":closed:" in name and kind != "had"):
        fate = "is kept for ever" if ttl_ms == -1 else f"is gone in {ttl_ms} ms"
        yield Violation("S12", f"{name} {fate}", (name,))
    if after == "-inf" and kind == "had" and count > HAD_MAX:
        yield Violation("S12", f"{count} sessions are remembered of agent {rest}", (name,))
    positions = {name_of(one): float(score) for one, score in zip(page[::2], page[1::2], strict=True)}
    wrong = [
        session_id
        for session_id, session in _read_sessions(list(positions), read)
        if session is not None and kind != "had" and name not in finding_lists_of(session)
    ]
    births = read(*(("LINDEX", f"session:{one}", 0) for one in wrong))
    for session_id, born in zip(wrong, births, strict=True):
        try:
            is_of_now = born is not None and positions[session_id] >= decode_session(born).order
        except DAMAGED:
            continue  # Told where the log is checked.
        if is_of_now:
            text = f"{name} holds session {session_id}, which is not there"
            yield Violation("S1", text, (name, f"session:{session_id}"))
    if len(positions) == PAGE:
        yield partial(finding_rule, name, f"({name_of(page[-1])}")


def _positions_rule(name: str, page: list[bytes], meta: bytes | None) -> Iterator[Violation]:
    """Check that each position was given out, and once."""
    try:
        last = decode_meta(meta).order if meta is not None else math.inf
    except DAMAGED:
        return  # Told where the record is checked.
    before = None
    for session_id, score in zip(page[::2], page[1::2], strict=True):
        if score == before:
            text = f"{name} holds session {name_of(session_id)} at the same position as another one"
            yield Violation("S7", text, (name,))
        if float(score) > last:
            text = f"{name} is at position {name_of(score)}, and the last one given out is {last}"
            yield Violation("S7", text, (name, "tenant"))
        before = score


def _read_sessions(session_ids: list[str], read: Snapshot) -> Iterator[tuple[str, SessionRecord | None]]:
    records = read(*(("LINDEX", f"session:{one}", -1) for one in session_ids))
    for session_id, record in zip(session_ids, records, strict=True):
        try:
            yield session_id, decode_session(record) if record is not None else None
        except DAMAGED:
            continue  # Told where the record is checked.
