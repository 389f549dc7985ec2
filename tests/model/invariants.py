"""
The safety invariants, judged by what the store holds and what its feed says, without the model.

The model says what each step must do; this says what no step may do. A mistake that store and model shared
would be seen here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from protocol.messages import Agent, Department, Session
from router.store import records
from tests.model.stored import Kept

LISTS = {"in_progress": "owned", "pending": "pending", "queued": "queue"}


@dataclass
class Reader:
    """Someone who knows a tenant from its feed only."""

    agents: dict[str, Agent] = field(default_factory=dict)
    departments: dict[str, Department] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)

    def apply(self, event: records.Event) -> Iterator[str]:
        """Take an event in, and yield what is wrong with it."""
        for agent in map(records.agent, event.agents):
            if self.agents.get(agent.id) == agent:
                yield f"S10: event {event.seq} brings an unchanged row of agent {agent.id}"
            self.agents[agent.id] = agent
        for department in map(records.department, event.departments):
            if self.departments.get(department.id) == department:
                yield f"S10: event {event.seq} brings an unchanged row of department {department.id}"
            self.departments[department.id] = department
        for agent_id in event.agents_removed:
            if self.agents.pop(agent_id, None) is None:
                yield f"S10: event {event.seq} removes agent {agent_id}, who was not there"
        for department_id in event.departments_removed:
            if self.departments.pop(department_id, None) is None:
                yield f"S10: event {event.seq} removes department {department_id}, which was not there"
        for change in event.changes:
            if change.session:
                yield from self._follow(change, records.session(change.session))

    def _follow(self, change: records.Change, now: Session) -> Iterator[str]:
        """S2 and S8: from one change of a session to the next the fence grows by one, and owners chain."""
        before = self.sessions.get(now.id)
        self.sessions[now.id] = now
        if before is None:
            if now.fence != 1:
                yield f"S2: session {now.id} begins with fence {now.fence}"
            return
        placed = change.assigned or change.pending or (now.state, now.owner) != (before.state, before.owner)
        if now.fence != before.fence + (1 if placed else 0):
            yield f"S2: the fence of {now.id} went from {before.fence} to {now.fence} at {now.state}"
        left = before.owner.id if before.owner is not None and before.owner.kind == "agent" else None
        removed = change.removed.agent_id if change.removed is not None else None
        if removed != (left if left != change.owner else None):
            yield f"S8: {now.id} left {left}, but the one told so is {removed}"


def violations(before: Kept, after: Kept, reader: Reader, events: Sequence[records.Event]) -> Iterator[str]:
    """
    Yield every violation of one step.

    Args:
        before: What the tenant's keys held before the step.
        after: What they hold now.
        reader: Who has followed the feed up to before the step; follows it on.
        events: The step's.
    """
    first = 1 if before.epoch != after.epoch else before.seq + 1
    if [event.seq for event in events] != list(range(first, after.seq + 1)):
        yield f"S9: events {[event.seq for event in events]} lead from {first - 1} to {after.seq}"
    if after.events != [f"{seq}-0" for seq in range(1, after.seq + 1)]:
        yield f"S9: the stream at seq {after.seq} holds {after.events}"
    for event in events:
        if event.epoch != after.epoch:
            yield f"S9: an event of epoch {event.epoch} in {after.epoch}"
        yield from reader.apply(event)
    if reader.agents != after.agents or reader.departments != after.departments:
        yield "S10: the directory is not the fold of the events"
    for session_id, session in after.sessions.items():
        if reader.sessions.get(session_id) != session:
            yield f"S10: session {session_id} is not as the feed said last"
    yield from _one_owner(after)
    yield from _counts(after)
    yield from _nothing_undone(before, after)


def _one_owner(after: Kept) -> Iterator[str]:
    """S1: each open session is in the one list of its owner, and nothing else is in any list."""
    places: dict[str, list[str]] = {}
    for name, ids in after.lists.items():
        if name.partition(":")[0] in LISTS.values():
            for session_id in ids:
                places.setdefault(session_id, []).append(name)
    for session in after.sessions.values():
        expected = [f"{LISTS[session.state]}:{session.owner.id}"] if session.owner is not None else []
        if places.pop(session.id, []) != expected:
            yield f"S1: session {session.id} is not in {expected} alone"
        if (session.state == "closed") != (session.owner is None):
            yield f"S1: session {session.id} is {session.state} with owner {session.owner}"
        for state, ids in after.lists_of("state").items():
            if (session.id in ids) != (state == session.state):
                yield f"S1: session {session.id} is {session.state}, and in or out of the list of {state}"
    if places:
        yield f"S1: listed without a record: {places}"


def _counts(after: Kept) -> Iterator[str]:
    """S6, S7 and the departments: what a row counts is what is there."""
    for agent in after.agents.values():
        load = len(after.lists.get(f"owned:{agent.id}", []))
        pending = len(after.lists.get(f"pending:{agent.id}", []))
        if (agent.load, agent.pending) != (load, pending):
            yield f"S6: {agent.id} shows {agent.load} and {agent.pending}, but has {load} and {pending}"
        if agent.available != (agent.status == "connected" and load < agent.capacity):
            yield f"S6: {agent.id} is shown as available: {agent.available}"
    for name in {*after.lists_of("available"), *after.departments}:
        members = [agent for agent in after.agents.values() if name in agent.departments]
        offered = after.lists.get(f"available:{name}", [])
        ready = [after.agents[agent_id] for agent_id in offered if agent_id in after.agents]
        if {a.id for a in ready} != {a.id for a in members if a.available}:
            yield f"S6: department {name} offers {[a.id for a in ready]}"
        ratios = [Fraction(a.load, a.capacity) for a in ready]
        if ratios != sorted(ratios):
            yield f"S6: department {name} does not offer the least busy first: {ratios}"
        if name not in after.departments:
            continue
        row, queued = after.departments[name], len(after.lists.get(f"queue:{name}", []))
        if (row.agents, row.available, row.queued) != (len(members), len(ready), queued):
            yield f"S10: department {name} shows {row}, but has {len(members)}, {len(ready)} and {queued}"
        if after.sets.get(f"members:{name}", set()) != {a.id for a in members}:
            yield f"S10: department {name} has other members than those that name it"


def _nothing_undone(before: Kept, after: Kept) -> Iterator[str]:
    """S2, S6, S7 and S8 between two states."""
    for session_id, session in after.sessions.items():
        history = after.histories.get(session_id, [])
        told = before.histories.get(session_id, [])
        if history[: len(told)] != told:
            yield f"S8: the history of {session_id} was rewritten"
        if [entry.seq for entry in history] != list(range(1, len(history) + 1)):
            yield f"S8: the history of {session_id} has gaps"
        old = before.sessions.get(session_id)
        if old is not None and session.fence < old.fence:
            yield f"S2: the fence of {session_id} went from {old.fence} back to {session.fence}"
    for agent_id, agent in after.agents.items():
        was = before.agents[agent_id].load if agent_id in before.agents else 0
        if agent.load > was and agent.load > agent.capacity:
            yield f"S6: {agent_id} was given a session beyond its capacity {agent.capacity}"
    for name, ids in after.lists.items():
        stayed = [one for one in ids if _fence(before, one) == _fence(after, one)]
        if (
            stayed != [one for one in before.lists.get(name, []) if one in stayed]
            and "available:" not in name
        ):
            yield f"S7: the order of {name} changed"


def _fence(of: Kept, session_id: str) -> int:
    return of.sessions[session_id].fence if session_id in of.sessions else 0
