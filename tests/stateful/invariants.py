"""
The safety invariants between two states, and those of the feed, checked without the model.

The model says what each step must do; this says what no step may do. A mistake that store and model shared
would be seen here. What one state can show by itself is checked by the router's own audit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from relevo.protocol.objects import Agent, Department, Rule, Session
from relevo.router.store import records
from relevo.router.store.events import Event
from tests.stateful.known import Change
from tests.stateful.stored import StoredState, change_of


@dataclass
class Reader:
    """A reader that knows a tenant from its feed only."""

    agents: dict[str, Agent] = field(default_factory=dict)
    departments: dict[str, Department] = field(default_factory=dict)
    rule: Rule | None = None
    sessions: dict[str, Session] = field(default_factory=dict)

    def apply(self, event: Event) -> Iterator[str]:
        """Take an event in, and yield what is wrong with it."""
        if event.rule is not None:
            self.rule = event.rule if isinstance(event.rule, Rule) else None
        for agent in map(records.agent_of, event.agents):
            if self.agents.get(agent.id) == agent:
                yield f"S10: event {event.seq} brings an unchanged row of agent {agent.id}"
            self.agents[agent.id] = agent
        for department in map(records.department_of, event.departments):
            # One session may leave its queue, and another one join it.
            if self.departments.get(department.id) == department and not event.changes:
                yield f"S10: event {event.seq} brings an unchanged row of department {department.id}"
            self.departments[department.id] = department
        for agent_id in event.agents_removed:
            if self.agents.pop(agent_id, None) is None:
                yield f"S10: event {event.seq} removes agent {agent_id}, which was not there"
        for department_id in event.departments_removed:
            if self.departments.pop(department_id, None) is None:
                yield f"S10: event {event.seq} removes department {department_id}, which was not there"
        for change in event.changes:
            if change.what != "written":
                yield from self._follow(change_of(change), records.session_of(change.record, change.transfer))

    def _follow(self, change: Change, now: Session) -> Iterator[str]:
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
        removed = change.removed[0] if change.removed is not None else None
        if removed != (left if left != change.owner else None):
            yield f"S8: {now.id} left {left}, but the one told so is {removed}"


def violations(
    before: StoredState,
    after: StoredState,
    reader: Reader,
    events: Sequence[Event],
    forced: str | None = None,
) -> Iterator[str]:
    """
    Yield every violation of one step.

    Args:
        before: What the tenant's keys held before the step.
        after: What they hold now.
        reader: Has followed the feed up to before the step; follows it on.
        events: The step's.
        forced: The target of a forced transfer, whose capacity does not count.
    """
    first = 1 if before.epoch != after.epoch else before.seq + 1
    if [event.seq for event in events] != list(range(first, after.seq + 1)):
        yield f"S9: events {[event.seq for event in events]} lead from {first - 1} to {after.seq}"
    if after.events != list(range(1, after.seq + 1)):
        yield f"S9: the log at seq {after.seq} holds {after.events}"
    for event in events:
        if event.epoch != after.epoch:
            yield f"S9: an event of epoch {event.epoch} in {after.epoch}"
        yield from reader.apply(event)
    if reader.agents != after.agents or reader.departments != after.departments:
        yield "S10: the directory is not the fold of the events"
    rule = after.settings.get("", {}).get("rule")
    if reader.rule != (msgspec.convert(rule, Rule) if rule is not None else None):
        yield "S10: the tenant's rule is not what the events said last"
    for session_id, session in after.sessions.items():
        if reader.sessions.get(session_id) != session:
            yield f"S10: session {session_id} is not as the feed said last"
    yield from _nothing_undone(before, after, forced)


def _nothing_undone(before: StoredState, after: StoredState, forced: str | None) -> Iterator[str]:
    """S2, S6, S7 and S8 between two states."""
    for session_id, session in after.sessions.items():
        history = after.histories.get(session_id, [])
        told = before.histories.get(session_id, [])
        if history[: len(told)] != told:
            yield f"S8: the history of {session_id} was rewritten"
        old = before.sessions.get(session_id)
        if old is not None and session.fence < old.fence:
            yield f"S2: the fence of {session_id} went from {old.fence} back to {session.fence}"
    takers = {*_takers(before, after), forced}
    for agent_id, agent in after.agents.items():
        was = before.agents[agent_id].load if agent_id in before.agents else 0
        if agent.load > was and agent.load > agent.capacity and agent_id not in takers:
            yield f"S6: {agent_id} was given a session beyond its capacity {agent.capacity}"
    for name, ids in after.lists.items():
        stayed = [one for one in ids if _fence(before, one) == _fence(after, one)]
        if (
            stayed != [one for one in before.lists.get(name, []) if one in stayed]
            and "available:" not in name
        ):
            yield f"S7: the order of {name} changed"


def _takers(before: StoredState, after: StoredState) -> Iterator[str]:
    """Yield the agents that took a session themselves: of their own pending list, whatever their capacity."""
    for session_id, history in after.histories.items():
        for entry in history[len(before.histories.get(session_id, [])) :]:
            if entry.kind == "accepted" and entry.by is not None:
                yield entry.by.id


def _fence(of: StoredState, session_id: str) -> int:
    return of.sessions[session_id].fence if session_id in of.sessions else 0
