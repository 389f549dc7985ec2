"""Check the directory: rows of agents and departments, members, and who is offered for a session."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from relevo.router.audit.layout import (
    DAMAGED,
    PAGE,
    KeptAgent,
    choice_score,
    decode_agent,
    decode_department,
    name_of,
)
from relevo.router.audit.snapshot import Rule, Snapshot
from relevo.router.audit.violation import Violation


def agent_rule(agent_id: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check an agent's row by its lists, its connections and its departments."""
    owned, pending, connections = f"owned:{agent_id}", f"pending:{agent_id}", f"connections:{agent_id}"
    record, load, waiting, newest, connected, presence_due, sessions_due = read(
        ("HGET", "agents", agent_id),
        ("ZCARD", owned),
        ("ZCARD", pending),
        ("ZRANGE", owned, -1, -1, "WITHSCORES"),
        ("SCARD", connections),
        ("ZSCORE", "due", f"presence {agent_id}"),
        ("ZSCORE", "due", f"sessions {agent_id}"),
    )
    if record is None:
        return
    try:
        agent = decode_agent(record)
    except DAMAGED as error:
        yield Violation("shape", f"the record of agent {agent_id} cannot be read: {error}", ("agents",))
        return
    if agent.id != agent_id:
        yield Violation("shape", f"the record of agent {agent_id} says that it is {agent.id}", ("agents",))
        return
    if agent.load != load:
        text = f"agent {agent_id} shows a load of {agent.load} and has {load}"
        yield Violation("S6", text, ("agents", owned))
    if agent.pending != waiting:
        text = f"agent {agent_id} shows {agent.pending} pending and has {waiting}"
        yield Violation("S6", text, ("agents", pending))
    if newest and agent.assigned < float(newest[1]):
        text = (
            f"agent {agent_id} was assigned its last session at {agent.assigned}, before {newest[1].decode()}"
        )
        yield Violation("S6", text, ("agents", owned))
    if agent.chosen == "pre_pause" and load == 0:
        yield Violation("S6", f"agent {agent_id} is in pre_pause without a session", ("agents", owned))
    if agent.status != (agent.chosen if agent.present else "disconnected"):
        there = "there" if agent.present else "not there"
        text = f"agent {agent_id} shows {agent.status}, but chose {agent.chosen} and is {there}"
        yield Violation("S6", text, ("agents",))
    if agent.available != (agent.status == "connected" and load < agent.capacity):
        shown = "available" if agent.available else "not available"
        text = f"agent {agent_id} shows {shown}, {agent.status} with {load}/{agent.capacity}"
        yield Violation("S6", text, ("agents", owned))
    yield from _presence_rule(agent, connected, presence_due is not None, sessions_due is not None)
    yield from _index_rule(agent, read)


def _presence_rule(
    agent: KeptAgent, connected: int, presence_due: bool, sessions_due: bool
) -> Iterator[Violation]:
    connections = f"connections:{agent.id}"
    if connected and not agent.present:
        text = f"agent {agent.id} has {connected} connections and counts as gone"
        yield Violation("presence", text, ("agents", connections))
    if connected and (presence_due or sessions_due):
        text = f"agent {agent.id} has {connected} connections and is to be sent away"
        yield Violation("presence", text, ("due", connections))
    if not connected and agent.present and not presence_due:
        text = f"agent {agent.id} has no connection and counts as there for ever"
        yield Violation("presence", text, ("agents", "due", connections))
    if not connected and presence_due and not agent.present:
        text = f"agent {agent.id} counts as gone and has yet a grace before it does"
        yield Violation("presence", text, ("agents", "due"))
    if not connected and presence_due and not sessions_due:
        text = f"agent {agent.id} has lost its last connection, and its sessions stay for ever"
        yield Violation("presence", text, ("due", connections))


def _index_rule(agent: KeptAgent, read: Snapshot) -> Iterator[Violation]:
    """Check what an agent's departments know of it."""
    found = read(
        *(("HEXISTS", "departments", one) for one in agent.departments),
        *(("SISMEMBER", f"members:{one}", agent.id) for one in agent.departments),
        *(("ZSCORE", f"available:{one}", agent.id) for one in agent.departments),
    )
    count = len(agent.departments)
    for department_id, exists, member, score in zip(
        agent.departments, found[:count], found[count : 2 * count], found[2 * count :], strict=True
    ):
        members, available = f"members:{department_id}", f"available:{department_id}"
        if not exists:
            text = f"agent {agent.id} is in department {department_id}, which is not there"
            yield Violation("shape", text, ("agents", "departments"))
        if not member:
            text = f"agent {agent.id} is in department {department_id}, which does not know it"
            yield Violation("S6", text, ("agents", members))
        if agent.available and score is None:
            text = f"agent {agent.id} is available, and department {department_id} does not offer it"
            yield Violation("S6", text, ("agents", available))
        elif agent.available and float(score) != choice_score(agent):
            text = f"department {department_id} offers agent {agent.id} at {score.decode()}"
            text += f" instead of {choice_score(agent)}"
            yield Violation("S6", text, ("agents", available))


def department_rule(department_id: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check a department's row by its members, those available and its queue."""
    lists = (f"members:{department_id}", f"available:{department_id}", f"queue:{department_id}")
    record, *counts = read(
        ("HGET", "departments", department_id), ("SCARD", lists[0]), ("ZCARD", lists[1]), ("ZCARD", lists[2])
    )
    if record is None:
        return
    try:
        row = decode_department(record)
    except DAMAGED as error:
        text = f"the record of department {department_id} cannot be read: {error}"
        yield Violation("shape", text, ("departments",))
        return
    if row.id != department_id:
        text = f"the record of department {department_id} says that it is {row.id}"
        yield Violation("shape", text, ("departments",))
        return
    shown = (row.agents, row.available, row.queued)
    for what, number, name, count in zip(
        ("agents", "available", "queued"), shown, lists, counts, strict=True
    ):
        if number != count:
            text = f"department {department_id} shows {number} {what} and has {count}"
            yield Violation("S6", text, ("departments", name))


def members_rule(department_id: str, cursor: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that a department's members name it."""
    name = f"members:{department_id}"
    exists, (after, members) = read(
        ("HEXISTS", "departments", department_id), ("SSCAN", name, cursor, "COUNT", PAGE)
    )
    if after != b"0":
        yield partial(members_rule, department_id, name_of(after))
    yield from _named_rule(department_id, name, [name_of(one) for one in members], bool(exists), read)


def available_rule(department_id: str, cursor: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that those whom a department offers are available members."""
    name = f"available:{department_id}"
    exists, (after, offered) = read(
        ("HEXISTS", "departments", department_id), ("ZSCAN", name, cursor, "COUNT", PAGE)
    )
    if after != b"0":
        yield partial(available_rule, department_id, name_of(after))
    yield from _named_rule(department_id, name, [name_of(one) for one in offered[::2]], bool(exists), read)


def _named_rule(
    department_id: str, name: str, agent_ids: list[str], exists: bool, read: Snapshot
) -> Iterator[Violation]:
    records = read(*(("HGET", "agents", one) for one in agent_ids))
    for agent_id, record in zip(agent_ids, records, strict=True):
        try:
            agent = decode_agent(record) if record is not None else None
        except DAMAGED:
            continue  # Told where the record is checked.
        if agent is None:
            text = f"department {department_id} lists agent {agent_id}, who is not there"
            yield Violation("S6", text, (name, "agents"))
        elif department_id not in agent.departments:
            text = f"department {department_id} lists agent {agent_id}, who is not in it"
            yield Violation("S6", text, (name, "agents"))
        elif name.startswith("available:") and not agent.available:
            text = f"department {department_id} offers agent {agent_id}, who is not available"
            yield Violation("S6", text, (name, "agents"))
        elif not exists:
            text = f"department {department_id} lists agent {agent_id}, and is not there"
            yield Violation("shape", text, (name, "departments"))
