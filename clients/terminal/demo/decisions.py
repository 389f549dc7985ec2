"""The decisions of the demo's agents: pure, from what each of them sees, a time and random numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

from relevo_client import Agent, Department, Session, Status, Target

from relevo.clients.terminal.demo.people import (
    BY_ID,
    DECLINE_REASONS,
    DEPARTMENTS,
    NOTES,
    PEOPLE,
    REASONS,
    SIMULATED_AGENTS,
    STATUS_REASONS,
    Person,
)

# Bounds that keep the demo steady for hours: nothing is sent to a list of this length.
QUEUED_MAX: Final = 4
PENDING_MAX: Final = 2
CONVERSATIONS: Final = 40
CONVERSATIONS_SWING: Final = 6

# Human times, in seconds at pace 1.
SWING_S: Final = 240.0
TALK_MIN_S: Final = 40.0
RECALL_AFTER_S: Final = 20.0
REDIRECT_AFTER_S: Final = 45.0
CUSTOMER_PATIENCE_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class ChooseStatus:
    """Choose one's own status, and say why."""

    status: Status
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Open a conversation that has just come."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Accept:
    """Accept a conversation of the own pending list."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Decline:
    """Decline a conversation of the own pending list."""

    session_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Recall:
    """Recall a transfer that waits."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Note:
    """Write an internal note."""

    session_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close a conversation."""

    session_id: str


@dataclass(frozen=True, slots=True)
class OpenDialog:
    """Open the transfer dialog for a conversation."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Leave:
    """End the shift; without a close of the websocket where the network failed."""

    closes: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing."""


Action: TypeAlias = (
    ChooseStatus | Answer | Accept | Decline | Recall | Note | Close | OpenDialog | Leave | Wait
)


@dataclass(frozen=True, slots=True)
class AgentView:
    """
    An agent's own work, as it sees it.

    Attributes:
        status: Its status.
        in_progress: Its conversations.
        pending: Its pending list.
        sent: Its own transfers that may still wait: when each was made, in seconds, by session.
    """

    status: Status
    in_progress: Sequence[Session]
    pending: Sequence[Session]
    sent: Mapping[str, float]


def decide(person: Person, view: AgentView, now_s: float, pace: float, random: Random) -> Action:
    """
    Choose what an agent does next.

    Args:
        person: The agent.
        view: What it sees.
        now_s: The time, in seconds on the clock that the router's times are on.
        pace: How many times faster than human everything goes.
        random: The random numbers.
    """
    status = view.status
    choices: list[tuple[Action, float]] = [(Wait(), 22.0)]
    choices += _about_status(person, status, random)
    choices += _about_pending(person, view, status, random)
    choices += _about_conversations(person, view, status, now_s, pace, random)
    waiting = [session_id for session_id, at_s in view.sent.items() if now_s - at_s > RECALL_AFTER_S / pace]
    if waiting:
        choices.append((Recall(random.choice(waiting)), 6.0))
    actions, weights = zip(*choices, strict=True)
    chosen: Action = random.choices(actions, weights)[0]
    return chosen


def _about_status(person: Person, status: Status, random: Random) -> list[tuple[Action, float]]:
    if status == "pause":
        return [(ChooseStatus("connected"), 9.0), (Leave(closes=True), 0.8)]
    if status == "pre_pause":
        return [(ChooseStatus("connected"), 1.5), (_choose("pause", random), 1.5)]
    return [
        (_choose("pre_pause", random), 1.2),
        (_choose("pause", random), 1.2),
        (Leave(closes=True), 0.5),
        (Leave(closes=False), 1.0 if person.on_phone else 0.0),
    ]


def _choose(status: Status, random: Random) -> ChooseStatus:
    return ChooseStatus(status, random.choice(STATUS_REASONS[status]))


def _about_pending(
    person: Person, view: AgentView, status: Status, random: Random
) -> list[tuple[Action, float]]:
    if not view.pending:
        return []
    session = view.pending[0]
    decline = Decline(session.id, random.choice(DECLINE_REASONS[person.language]))
    if status == "connected" and len(view.in_progress) < person.capacity:
        return [(Accept(session.id), 30.0), (decline, 4.0)]
    return [(decline, 3.0)]


def _about_conversations(
    person: Person, view: AgentView, status: Status, now_s: float, pace: float, random: Random
) -> list[tuple[Action, float]]:
    if not view.in_progress:
        return []
    session = random.choice(view.in_progress)
    new = [one for one in view.in_progress if one.answered_at is None]
    choices: list[tuple[Action, float]] = [(Answer(new[0].id), 60.0)] if new else []
    if status != "pause":
        choices.append((Note(session.id, random.choice(NOTES[person.language])), 10.0))
        choices.append((OpenDialog(session.id), 16.0))
    oldest = min(view.in_progress, key=lambda one: one.updated_at)
    if now_s - oldest.updated_at / 1000 > TALK_MIN_S / pace:
        # An agent on pre-pause finishes what it has, and one on pause should have nothing.
        choices.append((Close(oldest.id), 12.0 if status == "connected" else 24.0))
    return choices


def choose_target(
    person: Person,
    agents: Iterable[Agent],
    departments: Iterable[Department],
    random: Random,
) -> tuple[Target, str] | None:
    """
    Choose a target in the transfer dialog, and a reason.

    Args:
        person: The agent that transfers.
        agents: The dialog's agents.
        departments: The dialog's departments.
        random: The random numbers.

    Returns:
        The target and the reason, or None if no target has room.
    """
    choices: list[tuple[Target, tuple[str, ...], float]] = []
    for department in departments:
        if department.id in DEPARTMENTS and department.queued < QUEUED_MAX:
            choices.append((Target.department(department.id), (department.id,), 2.0))
    for agent in agents:
        weight = _weight(agent)
        if agent.id in BY_ID and agent.id != person.id and agent.pending < PENDING_MAX and weight:
            about = agent.departments or tuple(DEPARTMENTS)
            choices.append((Target.agent(agent.id), about, weight))
    if not choices:
        return None
    target, about, _ = random.choices(choices, [weight for *_, weight in choices])[0]
    known = [department_id for department_id in about if department_id in REASONS]
    return target, random.choice(REASONS[random.choice(known or list(REASONS))][person.language])


def _weight(agent: Agent) -> float:
    person = BY_ID.get(agent.id)
    is_visitor = person is not None and not person.simulated
    if agent.role == "admin":
        return 1.0 if is_visitor and agent.status == "connected" else 0.0
    if agent.available:
        # A visitor that has signed in should see something happen.
        return 6.0 if is_visitor else 1.0
    return 0.3


@dataclass(frozen=True, slots=True)
class OpenSessions:
    """
    The open sessions of the tenant, as the back end lists them.

    Attributes:
        in_progress: All conversations in progress.
        pending: All that are in a pending list, those longest there first.
        queued: All that are in a queue, those longest there first.
    """

    in_progress: Sequence[Session]
    pending: Sequence[Session]
    queued: Sequence[Session]

    @property
    def count(self) -> int:
        """Return how many conversations are open."""
        return len(self.in_progress) + len(self.pending) + len(self.queued)

    def sessions(self) -> Iterable[Session]:
        """Return all of them."""
        yield from self.in_progress
        yield from self.pending
        yield from self.queued


def target_count(now_s: float, pace: float) -> int:
    """Return how many conversations to keep open: a sine over time, so that queues fill and empty."""
    swing = math.sin(2 * math.pi * now_s * pace / SWING_S)
    return CONVERSATIONS + round(CONVERSATIONS_SWING * swing)


def choose_first_target(open_sessions: OpenSessions, random: Random) -> Target:
    """Choose where a new conversation goes: mostly a department, at times the agent the customer knows."""
    pending = Counter(session.owner.id for session in open_sessions.pending if session.owner is not None)
    queued = Counter(session.owner.id for session in open_sessions.queued if session.owner is not None)
    if random.random() < 0.12:
        people = [one for one in PEOPLE if one.role == "agent" and pending[one.id] < PENDING_MAX]
        if people:
            return Target.agent(random.choice(people).id)
    open_departments = [one for one in DEPARTMENTS if queued[one] < QUEUED_MAX]
    return Target.department(random.choice(open_departments or list(DEPARTMENTS)))


def abandoned(open_sessions: OpenSessions, now_s: float, pace: float) -> list[Session]:
    """Return the conversations without a change for so long that their customers have left."""
    return [
        session
        for session in open_sessions.sessions()
        if now_s - session.updated_at / 1000 > CUSTOMER_PATIENCE_S / pace
    ]


def choose_overdue(
    open_sessions: OpenSessions,
    agents: Mapping[str, Agent],
    departments: Mapping[str, Department],
    now_s: float,
    pace: float,
    random: Random,
) -> tuple[Session, Target] | None:
    """
    Choose a conversation that waits too long, and a target with free capacity for it.

    The pending list of a connected visitor is left alone.
    """
    free = [agent.id for agent in agents.values() if agent.available and _is_simulated(agent.id)]
    staffed = [row.id for row in departments.values() if row.available > 0 and row.id in DEPARTMENTS]
    if not free:
        return None
    for session in (*open_sessions.pending, *open_sessions.queued):
        owner = session.owner
        if owner is None:
            continue
        patience_s = REDIRECT_AFTER_S
        holder = agents.get(owner.id) if owner.kind == "agent" else None
        if holder is not None and not _is_simulated(holder.id):
            if holder.status != "disconnected":
                continue
            # A visitor that signs in later should find something in the pending list.
            patience_s *= 4
        if now_s - session.updated_at / 1000 < patience_s / pace:
            continue
        others = [department_id for department_id in staffed if department_id != owner.id]
        if others and random.random() < 0.6:
            return session, Target.department(random.choice(others))
        others = [agent_id for agent_id in free if agent_id != owner.id]
        if others:
            return session, Target.agent(random.choice(others))
    return None


_SIMULATED_IDS: Final = frozenset(person.id for person in SIMULATED_AGENTS)


def _is_simulated(agent_id: str) -> bool:
    return agent_id in _SIMULATED_IDS
