"""Check connections, the nodes that vouch for them, and what is due."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from relevo.router.audit.layout import CONNECTION, DAMAGED, DUE, PAGE, name_of
from relevo.router.audit.snapshot import Rule, Snapshot
from relevo.router.audit.violation import Violation
from relevo.router.store.records import decode_meta

OVERDUE_MS: Final = 60_000
"""How late what is due may be done while a node serves the tenant; a node looks every few seconds."""

DEADLINE_LATE_MS: Final = 250
"""The same of a session's deadline, at which a node wakes up."""

LATEST: Final = 100
"""How many of the things due last are looked at for a node's lease."""


def connections_rule(agent_id: str, cursor: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that each connection of an agent is known to a node that has a lease."""
    name = f"connections:{agent_id}"
    exists, (after, found) = read(
        ("HEXISTS", "tenant", f"a{agent_id}"), ("SSCAN", name, cursor, "COUNT", PAGE)
    )
    if after != b"0":
        yield partial(connections_rule, agent_id, name_of(after))
    if found and not exists:
        text = f"agent {agent_id} has connections, and is not there"
        yield Violation("presence", text, (name, "tenant"))
        return
    matched = [(one, CONNECTION.fullmatch(name_of(one))) for one in found]
    known = [match.groups() for _, match in matched if match is not None]
    for one in (one for one, match in matched if match is None):
        yield Violation("shape", f"agent {agent_id} has a connection {name_of(one)!r}", (name,))
    answers = read(
        *(("SISMEMBER", f"node:{node}", f"{agent_id} {connection}") for node, connection in known),
        *(("ZSCORE", "due", f"node {node}") for node, _ in known),
    )
    for (node, connection), mirrored, lease in zip(
        known, answers[: len(known)], answers[len(known) :], strict=True
    ):
        if not mirrored:
            text = f"agent {agent_id} has connection {connection} on node {node}, which does not know it"
            yield Violation("presence", text, (name, f"node:{node}"))
        elif lease is None:
            text = f"agent {agent_id} has connection {connection} on node {node}, which has no lease"
            yield Violation("presence", text, (name, "due"))


def node_rule(node_id: str, cursor: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that each connection of a node is its agent's, and that the node has a lease."""
    name = f"node:{node_id}"
    lease, (after, found) = read(("ZSCORE", "due", f"node {node_id}"), ("SSCAN", name, cursor, "COUNT", PAGE))
    if after != b"0":
        yield partial(node_rule, node_id, name_of(after))
    if found and lease is None:
        text = f"node {node_id} has connections and no lease"
        yield Violation("presence", text, (name, "due"))
    matched = [(one, CONNECTION.fullmatch(name_of(one))) for one in found]
    known = [match.groups() for _, match in matched if match is not None]
    for one in (one for one, match in matched if match is None):
        yield Violation("shape", f"node {node_id} has a connection {name_of(one)!r}", (name,))
    mirrored = read(*(("SISMEMBER", f"connections:{agent}", f"{node_id} {one}") for agent, one in known))
    for (agent_id, connection), there in zip(known, mirrored, strict=True):
        if not there:
            text = f"node {node_id} has connection {connection} of agent {agent_id}, which does not have it"
            yield Violation("presence", text, (name, f"connections:{agent_id}"))


def due_rule(cursor: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that what is due can be done, and is not left undone."""
    (after, found), first, meta = read(
        ("ZSCAN", "due", cursor, "COUNT", PAGE),
        ("ZRANGE", "due", 0, 0, "WITHSCORES"),
        ("HGET", "tenant", "m"),
    )
    if after != b"0":
        yield partial(due_rule, name_of(after))
    yield from _next_rule(first, meta)
    for what in map(name_of, found[::2]):
        match = DUE.fullmatch(what)
        if match is None:
            yield Violation("shape", f"unknown kind of due entry: {what!r}", ("due",))
        else:
            yield partial(_one_due_rule, what, match[1], match[2])


def _next_rule(first: list[bytes], meta: bytes | None) -> Iterator[Violation]:
    """Check that the next sweep is in time."""
    try:
        looked_at = decode_meta(meta).due_at if meta is not None else None
    except DAMAGED:
        return  # Told where the record is checked.
    if first and looked_at is not None and float(first[1]) < looked_at:
        text = f"{name_of(first[0])!r} is due at {float(first[1]):.0f}, and the next sweep is at {looked_at}"
        yield Violation("presence", text, ("due", "tenant"))


def _one_due_rule(what: str, kind: str, concerned: str, read: Snapshot) -> Iterator[Violation | Rule]:
    at, latest = read(("ZSCORE", "due", what), ("ZRANGE", "due", -LATEST, -1, "WITHSCORES"))
    if at is None:
        return
    if kind == "session":
        (record,) = read(("LINDEX", f"session:{concerned}", -1))
        if record is None:
            text = f"{what!r} is due, and its record is lost"
            yield Violation("S13", text, ("due", f"session:{concerned}"))
    elif kind not in ("node", "leave", "migrate"):
        exists, connections = read(
            ("HEXISTS", "tenant", f"a{concerned}"), ("SCARD", f"connections:{concerned}")
        )
        if not exists:
            text = f"{what!r} is due, and agent {concerned} is not there"
            yield Violation("presence", text, ("due", "tenant"))
        elif kind != "drain" and connections:
            return  # Told where the agent is checked.
    listed = zip(latest[::2], latest[1::2], strict=True)
    alive = [one for one, end in listed if one.startswith(b"node ") and float(end) > read.now_ms]
    rule, most = ("S13", DEADLINE_LATE_MS) if kind == "session" else ("presence", OVERDUE_MS)
    if not alive or float(at) >= read.now_ms - most:
        return
    # A node that has left the tenant, and whose lease is about to run out, has no connections there any more.
    if kind == "session" and not any(read(*(("EXISTS", f"node:{name_of(one)[5:]}") for one in alive))):
        return
    text = f"{what!r} is due since {read.now_ms - float(at):.0f} ms, although a node serves the tenant"
    yield Violation(rule, text, ("due",))
