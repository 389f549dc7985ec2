"""What the people of the demo decide: pure, from what each of them sees, a time and a source of chance."""

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
    Person,
)

# Bounds that keep the demo steady for hours: nobody sends to where this many wait already.
QUEUED_MAX: Final = 4
PENDING_MAX: Final = 2
CONVERSATIONS: Final = 40
CONVERSATIONS_SWING: Final = 6

# Human times, in seconds at pace 1.
SWING_S: Final = 240.0
TALK_MIN_S: Final = 40.0
RECALL_AFTER_S: Final = 20.0
DISPATCH_AFTER_S: Final = 45.0
CUSTOMER_PATIENCE_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class ChooseStatus:
    """Choose one's own status."""

    status: Status


@dataclass(frozen=True, slots=True)
class Accept:
    """Take a conversation from the own pending list."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Decline:
    """Give a conversation of the own pending list back."""

    session_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Recall:
    """Take back a transfer that waits."""

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
    """Open the transfer dialog to look for whom to hand a conversation to."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Leave:
    """End the shift; without a goodbye where the network is what ended it."""

    says_goodbye: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing that anybody sees."""


Action: TypeAlias = ChooseStatus | Accept | Decline | Recall | Note | Close | OpenDialog | Leave | Wait


@dataclass(frozen=True, slots=True)
class View:
    """
    What an agent sees of its own work.

    Attributes:
        status: The status it chose last.
        in_progress: Its conversations.
        pending: Its pending list.
        sent: Its own transfers that may still wait: when each was made, in seconds, by session.
    """

    status: Status
    in_progress: Sequence[Session]
    pending: Sequence[Session]
    sent: Mapping[str, float]


def decide(person: Person, view: View, now_s: float, pace: float, random: Random) -> Action:
    """
    Choose what an agent does next.

    Args:
        person: The agent.
        view: What it sees.
        now_s: The time, in seconds on the clock that the router's times are on.
        pace: How many times faster than human everything goes.
        random: The source of chance.
    """
    status = view.status
    if status == "pre_pause" and not view.in_progress:
        # The router has made a pause of it.
        status = "pause"
    choices: list[tuple[Action, float]] = [(Wait(), 22.0)]
    choices += _about_status(person, status)
    choices += _about_pending(person, view, status, random)
    choices += _about_conversations(person, view, status, now_s, pace, random)
    waiting = [session_id for session_id, at_s in view.sent.items() if now_s - at_s > RECALL_AFTER_S / pace]
    if waiting:
        choices.append((Recall(random.choice(waiting)), 6.0))
    actions, weights = zip(*choices, strict=True)
    chosen: Action = random.choices(actions, weights)[0]
    return chosen


def _about_status(person: Person, status: Status) -> list[tuple[Action, float]]:
    if status == "pause":
        return [(ChooseStatus("connected"), 9.0), (Leave(says_goodbye=True), 0.8)]
    if status == "pre_pause":
        return [(ChooseStatus("connected"), 1.5), (ChooseStatus("pause"), 1.5)]
    return [
        (ChooseStatus("pre_pause"), 1.2),
        (ChooseStatus("pause"), 1.2),
        (Leave(says_goodbye=True), 0.5),
        (Leave(says_goodbye=False), 1.0 if person.on_phone else 0.0),
    ]


def _about_pending(person: Person, view: View, status: Status, random: Random) -> list[tuple[Action, float]]:
    if not view.pending:
        return []
    session = view.pending[0]
    decline = Decline(session.id, random.choice(DECLINE_REASONS[person.language]))
    if status == "connected" and len(view.in_progress) < person.capacity:
        return [(Accept(session.id), 30.0), (decline, 4.0)]
    return [(decline, 3.0)]


def _about_conversations(
    person: Person, view: View, status: Status, now_s: float, pace: float, random: Random
) -> list[tuple[Action, float]]:
    if not view.in_progress:
        return []
    session = random.choice(view.in_progress)
    choices: list[tuple[Action, float]] = []
    if status != "pause":
        choices.append((Note(session.id, random.choice(NOTES[person.language])), 10.0))
        choices.append((OpenDialog(session.id), 16.0))
    oldest = min(view.in_progress, key=lambda one: one.updated_at)
    if now_s - oldest.updated_at / 1000 > TALK_MIN_S / pace:
        # Who wants a pause finishes what it has; who is on one should not have anything.
        choices.append((Close(oldest.id), 12.0 if status == "connected" else 24.0))
    return choices


def choose_target(
    person: Person,
    agents: Iterable[Agent],
    departments: Iterable[Department],
    random: Random,
) -> tuple[Target, str] | None:
    """
    Choose in the transfer dialog whom to hand over to, and say why.

    Args:
        person: Who hands over.
        agents: The dialog's agents.
        departments: The dialog's departments.
        random: The source of chance.

    Returns:
        The target and the reason, or None if everybody has enough to do.
    """
    choices: list[tuple[Target, tuple[str, ...], float]] = []
    for department in departments:
        if department.id in DEPARTMENTS and department.queued < QUEUED_MAX:
            choices.append((Target.department(department.id), (department.id,), 2.0))
    for agent in agents:
        weight = _attraction(agent)
        if agent.id in BY_ID and agent.id != person.id and agent.pending < PENDING_MAX and weight:
            about = agent.departments or tuple(DEPARTMENTS)
            choices.append((Target.agent(agent.id), about, weight))
    if not choices:
        return None
    target, about, _ = random.choices(choices, [weight for *_, weight in choices])[0]
    known = [department_id for department_id in about if department_id in REASONS]
    return target, random.choice(REASONS[random.choice(known or list(REASONS))][person.language])


def _attraction(agent: Agent) -> float:
    person = BY_ID.get(agent.id)
    is_somebody_who_looks = person is not None and not person.simulated
    if agent.role == "admin":
        return 1.0 if is_somebody_who_looks and agent.status == "connected" else 0.0
    if agent.available:
        # Whoever signed in to see the demo is to have something to see.
        return 6.0 if is_somebody_who_looks else 1.0
    return 0.3


@dataclass(frozen=True, slots=True)
class Floor:
    """
    What the back end sees of the tenant.

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


def wanted_count(now_s: float, pace: float) -> int:
    """Return how many conversations there should be: more and fewer in turns, so that queues come and go."""
    swing = math.sin(2 * math.pi * now_s * pace / SWING_S)
    return CONVERSATIONS + round(CONVERSATIONS_SWING * swing)


def choose_first_target(floor: Floor, random: Random) -> Target:
    """Choose where a new conversation goes: mostly a department, at times the agent the customer knows."""
    pending = Counter(session.owner.id for session in floor.pending if session.owner is not None)
    queued = Counter(session.owner.id for session in floor.queued if session.owner is not None)
    if random.random() < 0.12:
        people = [one for one in PEOPLE if one.role == "agent" and pending[one.id] < PENDING_MAX]
        if people:
            return Target.agent(random.choice(people).id)
    open_departments = [one for one in DEPARTMENTS if queued[one] < QUEUED_MAX]
    return Target.department(random.choice(open_departments or list(DEPARTMENTS)))


def gave_up(floor: Floor, now_s: float, pace: float) -> list[Session]:
    """Return the conversations whose customers have gone: nothing happened in them for a long time."""
    return [
        session
        for session in floor.sessions()
        if now_s - session.updated_at / 1000 > CUSTOMER_PATIENCE_S / pace
    ]


def choose_rescue(
    floor: Floor,
    agents: Mapping[str, Agent],
    departments: Mapping[str, Department],
    now_s: float,
    pace: float,
    random: Random,
) -> tuple[Session, Target] | None:
    """
    Choose what an admin sends on: a conversation that waits too long, and to where somebody is free.

    A person who is there decides about the own pending list; nobody else's is left to grow.
    """
    free = [agent.id for agent in agents.values() if agent.available and _is_simulated(agent.id)]
    staffed = [row.id for row in departments.values() if row.available > 0 and row.id in DEPARTMENTS]
    if not free:
        return None
    for session in (*floor.pending, *floor.queued):
        owner = session.owner
        if owner is None:
            continue
        patience_s = DISPATCH_AFTER_S
        holder = agents.get(owner.id) if owner.kind == "agent" else None
        if holder is not None and not _is_simulated(holder.id):
            if holder.status != "disconnected":
                continue
            # Whoever signs in as one of them is to find something in the pending list.
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
