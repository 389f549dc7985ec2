"""One load process: it holds connections, and runs the methods that the parent process calls."""

from __future__ import annotations

import gc
import os
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any

from bench.load.behaviours import Dialogs, Idle, Schedule, StatusChanges, Tally, Transfers
from bench.load.engine import NEVER, Engine, OpeningError, Peer
from bench.load.flood import Flood
from bench.load.protocols import ClientProtocol, RelevoProtocol, forget_tokens
from bench.load.wire import split_frames
from bench.timing import Latencies

OPEN_LIMIT_S = 60.0
COMMANDS_IN_FLIGHT = 128
"""Unanswered commands of a back end: below what the router allows for one connection."""

ARRIVALS_LIMIT_S = 3.0
FLOOD_NICE = 10
"""A flood runs at a lower priority, so that it takes no processor time from the servers measured."""


@dataclass
class Traffic:
    """
    What one process has used in all.

    Attributes:
        cpu_s: Processor time.
        bytes_in: Received.
        bytes_out: Sent.
        lost: Connections that this process did not close itself.
    """

    cpu_s: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    lost: int = 0


@dataclass
class Opened:
    """
    What opening connections took.

    Attributes:
        latencies: Of each, from when it was due to when its last exchange was done.
        first_at: On the monotonic clock.
        last_at: On the same.
    """

    latencies: Latencies = field(default_factory=Latencies)
    first_at: float = 0.0
    last_at: float = 0.0


class Worker:
    """
    The state of one load process; the parent calls its public methods by name.

    Args:
        number: Which of the processes this is; each connects from a loopback address of its own.
    """

    def __init__(self, number: int) -> None:
        self._engine = Engine(f"127.0.0.{number + 2}")
        self._protocol: ClientProtocol | None = None
        self._groups: dict[str, dict[int, Peer]] = {}
        self._dialogs: Dialogs | None = None
        self._changes: StatusChanges | None = None
        self._transfers: Transfers | None = None
        self._resume: tuple[str, int] | None = None

    @property
    def protocol(self) -> ClientProtocol:
        """Return the protocol to speak."""
        if self._protocol is None:
            raise RuntimeError("no protocol is set")
        return self._protocol

    def wait(self) -> None:
        """Wait for the parent, and answer pings meanwhile."""
        self._engine.poll(1.0)

    def watch(self, number: int) -> None:
        """Have a poll return when this file can be read."""
        self._engine.watch(number)

    # What the parent calls.

    def use_protocol(self, protocol: ClientProtocol) -> None:
        """Drop all connections, and speak this protocol to its target from now on."""
        self.drop_all()
        self._protocol = protocol

    def drop_all(self) -> None:
        """Drop all connections."""
        for group in list(self._groups):
            self.drop(group)
        self._engine.behaviours.clear()
        self._dialogs = self._changes = self._transfers = None
        self._resume = None
        gc.collect()

    def open(
        self,
        group: str,
        indices: Sequence[int],
        *,
        dialog: bool = False,
        schedule: Schedule | None = None,
        at_once: int = 64,
    ) -> Opened:
        """
        Open connections.

        Args:
            group: Their name from now on.
            indices: The agents they are of.
            dialog: Whether each follows the directory.
            schedule: When to begin each; None for as soon as one of ``at_once`` has come through.
            at_once: How many to open at once, without a schedule.
        """
        if dialog and self._resume is None and indices:
            # One takes the whole directory in; the others go on from there, as clients that come back do.
            first, *indices = indices
            self._open(group, [first], dialog, schedule, at_once)
            self._resume = self.protocol.position(self._engine.last_step)
        return self._open(group, indices, dialog, schedule, at_once)

    def _open(
        self, group: str, indices: Sequence[int], dialog: bool, schedule: Schedule | None, at_once: int
    ) -> Opened:
        peers = self._groups.setdefault(group, {})
        behaviour: Any = Idle(self._engine)
        if dialog:
            self._dialogs = behaviour = self._dialogs or Dialogs(self._engine, self.protocol)
        steps = [self.protocol.opening(index, dialog, self._resume) for index in indices]
        result = Opened(first_at=schedule.start_at if schedule is not None else monotonic())
        deadline = (
            monotonic() + OPEN_LIMIT_S + (schedule.count / schedule.rate if schedule is not None else 0)
        )
        begun = done = 0
        waits = []
        while done < len(indices):
            now = monotonic()
            if now > deadline:
                raise OpeningError(f"{done} of {len(indices)} connections were open after {OPEN_LIMIT_S} s")
            due_at = schedule.due_at(begun) if schedule is not None else now
            while begun < len(indices) and due_at <= now and (schedule or self._engine.opening < at_once):
                peer = Peer(indices[begun], steps[begun], due_at)
                self._engine.begin(self.protocol.target, peer)
                begun += 1
                due_at = schedule.due_at(begun) if schedule is not None else now
            wait_s = due_at - now if schedule is not None and begun < len(indices) else 0.05
            self._engine.poll(max(0.0, min(wait_s, 0.05)))
            for peer, at in self._engine.opened:
                peer.behaviour = behaviour
                peers[peer.index] = peer
                waits.append(at - peer.due_at)
                result.last_at = at
                done += 1
            self._engine.opened.clear()
        result.latencies.add(waits)
        return result

    def subscribe(self, group: str, *, at_once: int = 64) -> None:
        """
        Open dialogs on connections that are open already.

        Connect first: an agent that connects while dialogs are open is shown on all of them, which costs the
        square of their number and is not what is measured.
        """
        protocol, peers = self.protocol, self._groups[group]
        self._dialogs = self._dialogs or Dialogs(self._engine, protocol)
        waiting = list(peers.values())
        self._resume = None  # The position of an earlier dialog may be thousands of changes old.
        done = 0
        deadline = monotonic() + OPEN_LIMIT_S
        while done < len(peers):
            if monotonic() > deadline:
                raise OpeningError(f"{done} of {len(peers)} dialogs were open after {OPEN_LIMIT_S} s")
            # The first takes the whole directory in; the others go on from there.
            most = at_once if self._resume is not None else 1
            while waiting and self._engine.opening < most:
                peer = waiting.pop()
                self._engine.run_steps(peer, protocol.opening(peer.index, True, self._resume)[-1:])
            self._engine.poll(0.05)
            for peer, _ in self._engine.opened:
                peer.behaviour = self._dialogs
                self._resume = self._resume or protocol.position(self._engine.last_step)
                done += 1
            self._engine.opened.clear()

    def prepare_openings(self, indices: Sequence[int], *, fresh: bool) -> None:
        """Sign the tokens of agents beforehand; no router knows a fresh one."""
        if fresh:
            forget_tokens()
        for index in indices:
            self.protocol.opening(index, False, None)

    def resume_from_latest(self) -> None:
        """Open dialogs from now on at the position that the open ones have reached."""
        if self._dialogs is not None and (payload := self._dialogs.latest):
            self._resume = self.protocol.position(payload)

    def position(self) -> tuple[str, int] | None:
        """Return the position of the directory from which dialogs resume, once one is open."""
        return self._resume

    def drop(self, group: str, *, reset: bool = True) -> int:
        """Drop a group's connections as a broken network does, and return how many there were."""
        peers = self._groups.pop(group, {})
        self._engine.drop(list(peers.values()), reset=reset)
        return len(peers)

    def run_commands(self, tenant: str, messages: Sequence[dict[str, Any]]) -> int:
        """
        Send commands as a back end of a tenant, and return how many were answered.

        Raises:
            OpeningError: One was answered with an error.
        """
        protocol = self.protocol
        assert isinstance(protocol, RelevoProtocol)
        peer = Peer(0, protocol.service_opening(tenant))
        self._engine.begin(protocol.target, peer)
        self._wait(lambda: bool(self._engine.opened))
        self._engine.opened.clear()
        answers = _ReplyCounter(self._engine)
        peer.behaviour = answers
        for start in range(0, len(messages), COMMANDS_IN_FLIGHT):
            part = messages[start : start + COMMANDS_IN_FLIGHT]
            wanted = answers.count + len(part)
            self._engine.send(peer, b"".join(protocol.frame({"id": "1", **message}) for message in part))
            self._wait(lambda wanted=wanted: answers.count >= wanted)
        self._engine.drop([peer], reset=False)
        return answers.count

    def prepare_changes(self, group: str, indices: Sequence[int]) -> None:
        """Have the group's agents change their status in this order."""
        peers = [self._groups[group][index] for index in indices]
        self._changes = StatusChanges(
            self._engine, peers, [self.protocol.changes(index) for index in indices]
        )

    def prepare_transfers(self, group: str, next_of: dict[int, str], owners: dict[int, int]) -> None:
        """Have the group's agents transfer sessions; see behaviours.Transfers."""
        self._transfers = Transfers(
            self._engine, self.protocol, self._groups[group], next_of.__getitem__, owners
        )

    def run(self, until: float, changes: Schedule | None = None, transfers: Schedule | None = None) -> None:
        """Run the behaviours until a time of the monotonic clock."""
        if self._dialogs is not None:
            self._dialogs.clear()
        self._engine.behaviours.clear()
        if self._changes is not None and changes is not None:
            self._changes.begin(changes)
            self._engine.behaviours.append(self._changes)
        if self._transfers is not None and transfers is not None:
            self._transfers.begin(transfers)
            self._engine.behaviours.append(self._transfers)
        self._engine.run(until)

    def flood(self, indices: Sequence[int], until: float, commands: Sequence[Mapping[str, Any]]) -> None:
        """Send as much as the servers read until a time of the monotonic clock; see flood.Flood."""
        protocol = self.protocol
        assert isinstance(protocol, RelevoProtocol)
        os.nice(FLOOD_NICE)
        Flood(self._engine, protocol, indices, commands).run(until)

    def finish_transfers(self) -> None:
        """Wait until every session has arrived, at most ARRIVALS_LIMIT_S."""
        deadline = monotonic() + ARRIVALS_LIMIT_S
        while self._transfers is not None and self._transfers.unfinished and monotonic() < deadline:
            self._engine.poll(0.02)

    def changes_tally(self, schedule: Schedule, changers: Sequence[int], before: Sequence[int]) -> Tally:
        """Return what the dialogs saw of these changes."""
        if self._dialogs is None:
            return Tally()
        tally = self._dialogs.tally(schedule, changers, before)
        if self._changes is not None:
            tally.failures, tally.example = self._changes.idle.failures, self._changes.idle.example
        return tally

    def transfers_tally(self) -> Tally:
        """Return the outcome of the transfers."""
        return self._transfers.tally() if self._transfers is not None else Tally()

    def traffic(self) -> Traffic:
        """Return what this process has used since it started."""
        engine = self._engine
        return Traffic(time.process_time(), engine.bytes_in, engine.bytes_out, engine.lost)

    def _wait(self, done: Any) -> None:
        deadline = monotonic() + OPEN_LIMIT_S
        while not done():
            if monotonic() > deadline:
                raise OpeningError(f"the server did not answer in {OPEN_LIMIT_S} s")
            self._engine.poll(0.05)


class _ReplyCounter:
    """Count the answers to a back end's commands."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.count = 0

    def received(self, peer: Peer, data: bytes) -> None:
        frames, peer.rest = split_frames(peer.rest + data if peer.rest else data)
        for _, payload in frames:
            if b'"error"' in payload or b"\xa5error" in payload:
                raise OpeningError(payload.decode(errors="replace"))
            self.count += payload.count(b"reply")

    def next_due(self) -> float:
        return NEVER

    def fire(self, now: float) -> None:
        """Do nothing."""


def work(number: int, control: Connection) -> None:
    """
    Run a load process until the parent closes the pipe.

    Args:
        number: Which of the processes this is.
        control: The pipe to the parent: (method, keyword arguments) in, (whether it worked, result) out.
    """
    os.setpgid(0, 0)  # Ctrl-C goes to the parent alone, which stops everything in order.
    worker = Worker(number)
    worker.watch(control.fileno())
    # What a phase allocates is small and has no cycles; a collection in its middle would be measured.
    gc.disable()
    failure = ""
    while True:
        while not control.poll():
            try:
                worker.wait()
            except OpeningError:
                failure = traceback.format_exc()
        try:
            method, arguments = control.recv()
            try:
                answer = (True, getattr(worker, method)(**arguments))
            except Exception:
                answer = (False, failure + traceback.format_exc())
                failure = ""
            control.send(answer)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return  # The parent has ended.
