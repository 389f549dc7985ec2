"""What groups of connections do during a phase: follow the directory, change statuses, transfer sessions."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

import numpy as np

from bench.load.engine import NEVER, Engine, Peer
from bench.load.protocols import (
    SESSION_PLACEHOLDER,
    STATUSES,
    TARGET_PLACEHOLDER,
    ClientProtocol,
    StatusChange,
    agent_id,
    session_id,
)
from bench.load.wire import BINARY, TEXT, split_frames
from bench.timing import Latencies

MESSAGES = (TEXT, BINARY)
SERVER_HEAD_BYTES_MAX = 10


@dataclass(frozen=True, slots=True)
class Schedule:
    """
    Open-loop schedule: one in each interval, at any moment of it, whatever the server does.

    Evenly spaced arrivals keep step with timers of the same period, and show one phase of them only.

    Attributes:
        start_at: When the first interval begins, on the monotonic clock of this machine.
        rate: How many a second.
        count: How many in all.
        first: The first of them that is this process's.
        step: How far the next one is.
    """

    start_at: float
    rate: float
    count: int
    first: int = 0
    step: int = 1

    def due_at(self, number: int) -> float:
        """Return when one of this process's is due; NEVER beyond the last."""
        place = self.first + number * self.step
        if place >= self.count:
            return NEVER
        return self.start_at + (place + place * _GOLDEN_RATIO % 1) / self.rate

    def share(self, number: int, size: int) -> Schedule:
        """Return the part of one of several processes."""
        return replace(self, first=number, step=size)


_GOLDEN_RATIO = (5**0.5 - 1) / 2
"""Its multiples, less whole numbers, fill the interval evenly in an order that no timer has."""


@dataclass
class Tally:
    """
    What one process has seen of one phase.

    Attributes:
        done: StatusChanges shown, or sessions arrived.
        frames: Frames in which that came.
        latencies: Of each, from when it was due.
        answers: The same of the replies, if the protocol reads them.
        failures: Replies that were errors, and transfers that never arrived.
        example: One of them.
    """

    done: int = 0
    frames: int = 0
    latencies: Latencies = field(default_factory=Latencies)
    answers: Latencies = field(default_factory=Latencies)
    failures: int = 0
    example: str = ""


class Idle:
    """Answer pings and count errors; measure nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.failures = 0
        self.example = ""

    def received(self, peer: Peer, data: bytes) -> None:
        """Count errors."""
        frames, peer.rest = split_frames(peer.rest + data if peer.rest else data)
        for opcode, payload in frames:
            if b"error" in payload and opcode in MESSAGES:
                self.failures += 1
                self.example = self.example or payload.decode(errors="replace")
            else:
                self._engine.control(peer, opcode, payload)

    def next_due(self) -> float:
        """Nothing is due."""
        return NEVER

    def fire(self, now: float) -> None:
        """Do nothing."""


class Dialogs:
    """
    Follow the directory on many connections.

    What arrives is the same on all of them, byte for byte: it is read once, and then only compared.
    """

    def __init__(self, engine: Engine, protocol: ClientProtocol) -> None:
        self._engine = engine
        self._protocol = protocol
        self._last = b""
        self._last_arrivals = array("d")
        # Of each different message: when it arrived, and the changes in it.
        self._messages: dict[bytes, tuple[array[float], list[StatusChange]]] = {}

    def received(self, peer: Peer, data: bytes) -> None:
        """Note the time of arrival."""
        now = monotonic()
        if data == self._last and not peer.rest:
            self._last_arrivals.append(now)
            return
        frames, peer.rest = split_frames(peer.rest + data if peer.rest else data)
        for opcode, payload in frames:
            if opcode not in MESSAGES or payload == self._engine.heartbeat:
                self._engine.control(peer, opcode, payload)
                continue
            known = self._messages.get(payload)
            if known is None:
                known = self._messages[payload] = (array("d"), self._protocol.changed(payload))
            known[0].append(now)
            if len(frames) == 1 and not peer.rest and len(data) - len(payload) <= SERVER_HEAD_BYTES_MAX:
                self._last, self._last_arrivals = data, known[0]

    def next_due(self) -> float:
        """Nothing is due."""
        return NEVER

    def fire(self, now: float) -> None:
        """Do nothing."""

    @property
    def latest(self) -> bytes:
        """Return the latest message; empty without one."""
        return next(reversed(self._messages), b"")

    def clear(self) -> None:
        """Forget what has been seen."""
        self._last, self._last_arrivals, self._messages = b"", array("d"), {}

    def tally(self, schedule: Schedule, changers: Sequence[int], before: Sequence[int]) -> Tally:
        """
        Return how long each change took to each dialog.

        Args:
            schedule: Of the changes.
            changers: The agents that made them one after another.
            before: How many changes each had made before the first.
        """
        tally = Tally()
        place = {index: number for number, index in enumerate(changers)}
        made = [0] * len(changers)
        reached: dict[tuple[int, int], float] = {}
        for arrivals, changed in self._messages.values():
            due: list[float] = []
            for index, status, version in changed:
                number = place.get(index)
                if number is None:
                    continue
                due_at = reached.get((number, version))
                if due_at is None:
                    # A window merges several changes of one agent: only the last one is shown.
                    while STATUSES[(before[number] + made[number]) % 2] != status:
                        made[number] += 1
                    due_at = reached[number, version] = schedule.due_at(number + made[number] * len(changers))
                    made[number] += 1
                if due_at != NEVER:
                    due.append(due_at)
            if due:
                tally.frames += len(arrivals)
                tally.done += len(arrivals) * len(due)
                tally.latencies.add(np.asarray(arrivals)[:, None] - np.asarray(due)[None, :])
        return tally


class StatusChanges:
    """
    Set agents' statuses, one agent after another.

    Args:
        engine: Sends.
        peers: The agents of this process, in the order of their turns.
        frames: For each the frames of the two statuses.
    """

    def __init__(self, engine: Engine, peers: Sequence[Peer], frames: Sequence[tuple[bytes, bytes]]) -> None:
        self._engine = engine
        self._peers = peers
        self._frames = frames
        self._made = [0] * len(peers)
        self._number = 0
        self._schedule = Schedule(0, 1, 0)
        self.idle = Idle(engine)

    def begin(self, schedule: Schedule) -> None:
        """Take this process's part of a schedule, and take over the connections."""
        self._schedule, self._number = schedule, 0
        for peer in self._peers:
            peer.behaviour = self.idle

    def next_due(self) -> float:
        """Return when the next change is due."""
        return self._schedule.due_at(self._number)

    def fire(self, now: float) -> None:
        """Send the changes that are due."""
        while self._schedule.due_at(self._number) <= now:
            index = self._number % len(self._peers)
            self._engine.send(self._peers[index], self._frames[index][self._made[index] % 2])
            self._made[index] += 1
            self._number += 1

    def received(self, peer: Peer, data: bytes) -> None:
        """Count errors."""
        self.idle.received(peer, data)


class Transfers:
    """
    Transfer sessions, each from its owner to the next agent of its circle.

    Args:
        engine: Sends.
        protocol: Makes the frames.
        peers: The connections of this process's agents, by agent.
        next_of: The agent, or department, that each transfers to.
        owners: The present owner of each session.
    """

    def __init__(
        self,
        engine: Engine,
        protocol: ClientProtocol,
        peers: Mapping[int, Peer],
        next_of: Callable[[int], str],
        owners: Mapping[int, int],
    ) -> None:
        self._engine = engine
        self._protocol = protocol
        self._find = protocol.arrival.finditer
        self._peers = peers
        self._target = {index: next_of(index).encode() for index in peers}
        self._template = protocol.transfer()
        self._owner = dict(owners)
        self._ids = {number: session_id(number).encode() for number in owners}
        self._idle = deque(owners)
        self._due: dict[int, float] = {}
        # The next owner may transfer a session before the last one has its reply.
        self._asked: dict[int, deque[float]] = {number: deque() for number in owners}
        self._number = 0
        self._schedule = Schedule(0, 1, 0)
        self._tally = Tally()
        self._latencies: list[float] = []
        self._answers: list[float] = []

    def begin(self, schedule: Schedule) -> None:
        """Take this process's part of a schedule, and take over the connections."""
        self._schedule, self._number = schedule, 0
        self._tally, self._latencies, self._answers = Tally(), [], []
        for peer in self._peers.values():
            peer.behaviour = self

    @property
    def unfinished(self) -> int:
        """Return how many transfers have not arrived or have no reply."""
        return len(self._due) + sum(map(len, self._asked.values()))

    def next_due(self) -> float:
        """Return when the next transfer is due; NEVER while every session is on its way."""
        return self._schedule.due_at(self._number) if self._idle else NEVER

    def fire(self, now: float) -> None:
        """Send the transfers that are due."""
        while self._idle and (due_at := self._schedule.due_at(self._number)) <= now:
            number = self._idle.popleft()
            owner = self._owner[number]
            frame = self._template.replace(_SESSION, self._ids[number]).replace(_TARGET, self._target[owner])
            self._due[number] = due_at
            if self._protocol.answer is not None:
                self._asked[number].append(due_at)
            self._engine.send(self._peers[owner], frame)
            self._number += 1

    def received(self, peer: Peer, data: bytes) -> None:
        """Note which sessions have arrived."""
        now = monotonic()
        frames, peer.rest = split_frames(peer.rest + data if peer.rest else data)
        for opcode, payload in frames:
            if opcode not in MESSAGES or payload == self._engine.heartbeat:
                self._engine.control(peer, opcode, payload)
                continue
            self._tally.frames += 1
            for match in self._find(payload):
                number = int(match[1][1:])
                due_at = self._due.pop(number, None)
                if due_at is not None:
                    self._latencies.append(now - due_at)
                    self._owner[number] = peer.index
                    self._idle.append(number)
                    answer = self._protocol.acknowledgement(payload, match[1])
                    if answer is not None:
                        self._engine.send(peer, answer)
            if self._protocol.answer is not None:
                for match in self._protocol.answer.finditer(payload):
                    self._answers.append(now - self._asked[int(match[1][1:])].popleft())
            if b'"error"' in payload or b"\xa5error" in payload:
                self._tally.failures += 1
                self._tally.example = self._tally.example or payload.decode(errors="replace")

    def tally(self) -> Tally:
        """Return what arrived since ``begin``; what was sent and never arrived counts as failed."""
        self._tally.done = len(self._latencies)
        self._tally.latencies = Latencies()
        self._tally.latencies.add(self._latencies)
        self._tally.answers.add(self._answers)
        self._tally.failures += len(self._due)
        return self._tally


_SESSION, _TARGET = SESSION_PLACEHOLDER.encode(), TARGET_PLACEHOLDER.encode()
assert len(session_id(0)) == len(_SESSION)
assert len(agent_id(0)) == len(_TARGET)
