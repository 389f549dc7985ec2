"""Check the directory: rows of agents and departments, members, and the agents offered for a session."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from relevo.router.audit.layout import DAMAGED, PAGE, choice_score, name_of, owned_in
from relevo.router.audit.snapshot import Rule, Snapshot
from relevo.router.audit.violation import Violation
from relevo.router.store.records import AgentRecord, decode_agent, decode_department, decode_session


def agent_rule(agent_id: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check an agent's row by its lists, its connections and its departments."""
    owned, pending, connections = f"owned:{agent_id}", f"pending:{agent_id}", f"connections:{agent_id}"
    record, listed, waiting, newest, connected, presence_due, sessions_due, indexed = read(
        ("HGET", "tenant", f"a{agent_id}"),
        ("ZCARD", owned),
        ("ZCARD", pending),
        ("ZRANGE", owned, -1, -1, "WITHSCORES"),
        ("SCARD", connections),
        ("ZSCORE", "due", f"presence {agent_id}"),
        ("ZSCORE", "due", f"sessions {agent_id}"),
        ("SISMEMBER", "agents", agent_id),
    )
    if record is None:
        return
    try:
        agent = decode_agent(record)
    except DAMAGED as error:
        yield Violation("shape", f"the record of agent {agent_id} cannot be read: {error}", ("tenant",))
        return
    if agent.id != agent_id:
        yield Violation("shape", f"the record of agent {agent_id} says that it is {agent.id}", ("tenant",))
        return
    if not indexed:
        yield Violation("S10", f"agent {agent_id} is in no directory", ("tenant", "agents"))
    load = listed + len(owned_in(agent))
    if agent.load != load:
        text = f"agent {agent_id} shows a load of {agent.load} and has {load}"
        yield Violation("S6", text, ("tenant", owned))
    if agent.pending != waiting:
        text = f"agent {agent_id} shows {agent.pending} pending and has {waiting}"
        yield Violation("S6", text, ("tenant", pending))
    if agent.chosen == "pre_pause" and load == 0:
        yield Violation("S6", f"agent {agent_id} is in pre_pause without a session", ("tenant", owned))
    if agent.status != (agent.chosen if agent.present else "disconnected"):
        there = "there" if agent.present else "not there"
        text = f"agent {agent_id} shows {agent.status}, but chose {agent.chosen} and is {there}"
        yield Violation("S6", text, ("tenant",))
    if agent.available != (agent.status == "connected" and load < agent.capacity):
        shown = "available" if agent.available else "not available"
        text = f"agent {agent_id} shows {shown}, {agent.status} with {load}/{agent.capacity}"
        yield Violation("S6", text, ("tenant", owned))
    last = float(newest[1]) if newest else 0
    yield from list(_owned_rule(agent, last, read))
    yield from _presence_rule(agent, connected, presence_due is not None, sessions_due is not None)
    yield from _index_rule(agent, read)


def _owned_rule(agent: AgentRecord, last: float, read: Snapshot) -> Iterator[Violation]:
    """Check that what an agent's record holds is in progress with it, in the order of its coming."""
    ids = owned_in(agent)
    before = 0
    for session_id, record in zip(ids, read(*(("LINDEX", f"session:{one}", -1) for one in ids)), strict=True):
        keys = ("tenant", f"session:{session_id}")
        try:
            session = decode_session(record) if record is not None else None
        except DAMAGED:
            continue  # Told where the record is checked.
        if session is None:
            text = f"agent {agent.id} has session {session_id} in progress, whose record is lost"
            yield Violation("S1", text, keys)
        elif (session.state, session.owner_id) != ("in_progress", agent.id):
            text = f"agent {agent.id} has session {session_id} in progress, which is {session.state}"
            yield Violation("S1", f"{text} with {session.owner_id}", keys)
        elif session.order <= before:
            text = f"agent {agent.id} has session {session_id} at another place than that of its coming"
            yield Violation("S7", text, keys)
        else:
            before = session.order
    if agent.assigned < max(before, last):
        text = (
            f"agent {agent.id} was assigned its last session at {agent.assigned}, before {max(before, last)}"
        )
        yield Violation("S6", text, ("tenant", f"owned:{agent.id}"))


def _presence_rule(
    agent: AgentRecord, connected: int, presence_due: bool, sessions_due: bool
) -> Iterator[Violation]:
    connections = f"connections:{agent.id}"
    if connected and not agent.present:
        text = f"agent {agent.id} has {connected} connections and counts as gone"
        yield Violation("presence", text, ("tenant", connections))
    if connected and (presence_due or sessions_due):
        text = f"agent {agent.id} has {connected} connections and is to be sent away"
        yield Violation("presence", text, ("due", connections))
    if not connected and agent.present and not presence_due:
        text = f"agent {agent.id} has no connection and counts as there for ever"
        yield Violation("presence", text, ("tenant", "due", connections))
    if not connected and presence_due and not agent.present:
        text = f"agent {agent.id} counts as gone and has yet a grace before it does"
        yield Violation("presence", text, ("tenant", "due"))
    if not connected and presence_due and not sessions_due:
        text = f"agent {agent.id} has lost its last connection, and its sessions stay for ever"
        yield Violation("presence", text, ("due", connections))


def _index_rule(agent: AgentRecord, read: Snapshot) -> Iterator[Violation]:
    """Check what an agent's departments know of it."""
    departments = agent.departments.split()
    found = read(
        *(("HEXISTS", "tenant", f"d{one}") for one in departments),
        *(("SISMEMBER", f"members:{one}", agent.id) for one in departments),
        *(("ZSCORE", f"available:{one}", agent.id) for one in departments),
        *(("ZSCORE", "due", f"leave {one}") for one in departments),
    )
    count = len(departments)
    for number, department_id in enumerate(departments):
        exists, member, score, leaving = found[number::count]
        members, available = f"members:{department_id}", f"available:{department_id}"
        if leaving is not None:
            continue  # Its members leave it step by step.
        if not exists:
            text = f"agent {agent.id} is in department {department_id}, which is not there"
            yield Violation("shape", text, ("tenant", members))
        if not member:
            text = f"agent {agent.id} is in department {department_id}, which does not know it"
            yield Violation("S6", text, ("tenant", members))
        if agent.available and score is None:
            text = f"agent {agent.id} is available, and department {department_id} does not offer it"
            yield Violation("S6", text, ("tenant", available))
        elif agent.available and float(score) != choice_score(agent):
            text = f"department {department_id} offers agent {agent.id} at {score.decode()}"
            text += f" instead of {choice_score(agent)}"
            yield Violation("S6", text, ("tenant", available))


def department_rule(department_id: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check a department's row by its members, those available and its queue."""
    lists = (f"members:{department_id}", f"available:{department_id}", f"queue:{department_id}")
    record, indexed, *counts = read(
        ("HGET", "tenant", f"d{department_id}"),
        ("SISMEMBER", "departments", department_id),
        ("SCARD", lists[0]),
        ("ZCARD", lists[1]),
        ("ZCARD", lists[2]),
    )
    if record is None:
        return
    try:
        row = decode_department(record)
    except DAMAGED as error:
        text = f"the record of department {department_id} cannot be read: {error}"
        yield Violation("shape", text, ("tenant",))
        return
    if row.id != department_id:
        text = f"the record of department {department_id} says that it is {row.id}"
        yield Violation("shape", text, ("tenant",))
        return
    if not indexed:
        text = f"department {department_id} is in no directory"
        yield Violation("S10", text, ("tenant", "departments"))
    shown = (row.agents, row.available, row.queued)
    for what, number, name, count in zip(
        ("agents", "available", "queued"), shown, lists, counts, strict=True
    ):
        if number != count:
            text = f"department {department_id} shows {number} {what} and has {count}"
            yield Violation("S6", text, ("tenant", name))


def directory_rule(name: str, cursor: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that what the directory lists is there."""
    ((after, found),) = read(("SSCAN", name, cursor, "COUNT", PAGE))
    if after != b"0":
        yield partial(directory_rule, name, name_of(after))
    ids = [name_of(one) for one in found]
    for one, exists in zip(ids, read(*(("HEXISTS", "tenant", name[0] + one) for one in ids)), strict=True):
        if not exists:
            yield Violation(
                "S10", f"the directory lists {name[:-1]} {one}, which is not there", (name, "tenant")
            )


def members_rule(department_id: str, cursor: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that a department's members name it."""
    name = f"members:{department_id}"
    ((after, members),) = read(("SSCAN", name, cursor, "COUNT", PAGE))
    if after != b"0":
        yield partial(members_rule, department_id, name_of(after))
    yield from _named_rule(department_id, name, [name_of(one) for one in members], read)


def available_rule(department_id: str, cursor: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that those whom a department offers are available members."""
    name = f"available:{department_id}"
    ((after, offered),) = read(("ZSCAN", name, cursor, "COUNT", PAGE))
    if after != b"0":
        yield partial(available_rule, department_id, name_of(after))
    yield from _named_rule(department_id, name, [name_of(one) for one in offered[::2]], read)


def _named_rule(department_id: str, name: str, agent_ids: list[str], read: Snapshot) -> Iterator[Violation]:
    exists, leaving = read(
        ("HEXISTS", "tenant", f"d{department_id}"), ("ZSCORE", "due", f"leave {department_id}")
    )
    records = read(*(("HGET", "tenant", f"a{one}") for one in agent_ids))
    for agent_id, record in zip(agent_ids, records, strict=True):
        try:
            agent = decode_agent(record) if record is not None else None
        except DAMAGED:
            continue  # Told where the record is checked.
        if agent is None:
            text = f"department {department_id} lists agent {agent_id}, which does not exist"
            yield Violation("S6", text, (name, "tenant"))
        elif department_id not in agent.departments.split():
            text = f"department {department_id} lists agent {agent_id}, which is not in it"
            yield Violation("S6", text, (name, "tenant"))
        elif name.startswith("available:") and not agent.available:
            text = f"department {department_id} offers agent {agent_id}, which is not available"
            yield Violation("S6", text, (name, "tenant"))
        elif not exists and leaving is None:
            text = f"department {department_id} lists agent {agent_id}, and is not there"
            yield Violation("shape", text, (name, "tenant"))
