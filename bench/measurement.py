"""One measurement: the servers, the load on them, and the resources used between two moments."""

from __future__ import annotations

import http.client
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from time import monotonic
from typing import Any

from bench.load.behaviours import Schedule, Tally
from bench.load.protocols import ClientProtocol, RelevoProtocol
from bench.load.workers import Workers
from bench.options import Options
from bench.processes import cpu_s, memory_bytes
from bench.progress import Progress
from bench.servers import Server, Store
from bench.timing import merged

DISCONNECT_LIMIT_S = 20.0
LEAD_S = 0.3
"""Time for all processes to receive a schedule before it begins."""


@dataclass
class Used:
    """
    What was used, from the start or between two moments.

    Attributes:
        router_s: Processor time of the servers measured.
        store_s: Processor time of their store.
        load_s: Processor time of the load processes.
        scripts: Lua commands that ran in the store.
        scripts_s: Time in them.
        bytes_in: What the load received.
        bytes_out: What it sent.
        lost: Connections that the load has lost.
        seconds: Wall time.
    """

    router_s: float = 0.0
    store_s: float = 0.0
    load_s: float = 0.0
    scripts: float = 0.0
    scripts_s: float = 0.0
    bytes_in: float = 0.0
    bytes_out: float = 0.0
    lost: float = 0.0
    seconds: float = 0.0

    def __sub__(self, other: Used) -> Used:
        return Used(*(getattr(self, one.name) - getattr(other, one.name) for one in fields(Used)))

    def less(self, background: Used) -> Used:
        """Return the difference to an idle phase, scaled to this one's length."""
        scale = self.seconds / background.seconds
        return Used(
            *(getattr(self, one.name) - scale * getattr(background, one.name) for one in fields(Used))
        )


@dataclass
class Phase:
    """
    One phase of load.

    Attributes:
        offered: How many a second were due.
        used: What it took.
        tally: What arrived.
        memory_mib: Memory of the servers right after it.
        seconds: How long it lasted.
    """

    offered: float
    used: Used
    tally: Tally
    memory_mib: float
    seconds: float

    def us_per(self, seconds: float, count: float | None = None) -> float | None:
        """Return processor time per operation, in microseconds."""
        count = self.tally.done if count is None else count
        return seconds / count * 1e6 if count and not math.isnan(seconds) else None

    def ms(self, percent: float) -> float | None:
        """Return a percentile of the latencies, in milliseconds."""
        return self.tally.latencies.percentile_ms(percent)

    def answer_ms(self, percent: float) -> float | None:
        """Return a percentile of the latencies of the replies, in milliseconds."""
        return self.tally.answers.percentile_ms(percent)


class Measurement:
    """
    The servers measured, and the load on them.

    Args:
        options: Of the command.
        workers: The load processes.
        progress: Shows the progress.
        protocol: What the load speaks.
        servers: The servers measured; empty for a remote router.
        store: Their store; None for a remote router.
    """

    def __init__(
        self,
        options: Options,
        workers: Workers,
        progress: Progress,
        protocol: ClientProtocol,
        servers: Sequence[Server],
        store: Store | None,
    ) -> None:
        self.options = options
        self.workers = workers
        self.progress = progress
        self.protocol = protocol
        self.servers = servers
        self.store = store
        self.active: list[int] = []
        """The agents that transfer sessions, every n-th of them in one load process."""
        self._changers: list[int] = []
        self._made: dict[int, int] = {}
        workers.each("use_protocol", lambda _: {"protocol": protocol})

    # Connections and data.

    def share(self, items: Sequence[int], number: int) -> Sequence[int]:
        """Return the part of some numbers that one load process gets: every n-th."""
        return items[number :: self.workers.size]

    def connect(self, group: str, indices: Sequence[int], *, dialog: bool = False) -> None:
        """Open connections, spread over the load processes, and their dialogs once all are connected."""
        two_steps = dialog and isinstance(self.protocol, RelevoProtocol)
        self.workers.each(
            "open",
            lambda number: {
                "group": group,
                "indices": self.share(indices, number),
                "dialog": dialog and not two_steps,
            },
        )
        if two_steps:
            self.workers.each("subscribe", lambda _: {"group": group})

    def wait_for_disconnects(self) -> None:
        """Wait until the routers count no connection."""
        deadline = monotonic() + DISCONNECT_LIMIT_S
        while self.metric("relevo_connections") and monotonic() < deadline:
            time.sleep(0.1)

    # Moments.

    def now(self) -> Used:
        """Return the resources used since the start."""
        traffic = self.workers.traffic()
        scripts, scripts_s = self.store.scripts() if self.store else (math.nan, math.nan)
        if self.servers:
            router_s = sum(cpu_s(one.process_id) for one in self.servers)
        else:
            router_s = self.metric("process_cpu_seconds_total")
        return Used(
            router_s=router_s,
            store_s=sum(cpu_s(one) for one in self.store.process_ids) if self.store else math.nan,
            load_s=traffic.cpu_s,
            scripts=scripts,
            scripts_s=scripts_s,
            bytes_in=traffic.bytes_in,
            bytes_out=traffic.bytes_out,
            lost=traffic.lost,
            seconds=monotonic(),
        )

    def waits(self) -> int:
        """Return how many WAIT and WAITAOF commands the store has run since its start."""
        return self.store.calls("wait", "waitaof") if self.store else 0

    def memory_mib(self) -> float:
        """Return the memory of the servers."""
        if self.servers:
            return sum(memory_bytes(one.process_id) for one in self.servers) / 2**20
        return self.metric("process_resident_memory_bytes") / 2**20

    def metric(self, name: str) -> float:
        """Return the sum of a metric over the routers."""
        target = self.protocol.target
        total = 0.0
        for port in target.ports:
            connection = http.client.HTTPConnection(target.host, port, timeout=10)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            connection.close()
            total += sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + " "))
        return total

    def background(self, seconds: float) -> Used:
        """Return the resources used in an idle phase."""
        with self.measured() as used:
            time.sleep(seconds)
        return used

    @contextmanager
    def measured(self) -> Iterator[Used]:
        """Measure the block; what it yields is filled in at the end."""
        used, before = Used(), self.now()
        yield used
        for name, value in vars(self.now() - before).items():
            setattr(used, name, value)

    # Phases.

    def transfers(self, rate: float, seconds: float) -> Phase:
        """Transfer sessions at a fixed rate; ``prepare_transfers`` of every process comes first."""
        schedule = Schedule(monotonic() + LEAD_S, rate, math.ceil(rate * seconds))
        with self.measured() as used:
            self._run(
                schedule.start_at + seconds,
                lambda number: {"transfers": schedule.share(number, self.workers.size)},
            )
            self.workers.each("finish_transfers")
        tallies = self.workers.each("transfers_tally")
        return Phase(rate, used, _together(tallies), self.memory_mib(), seconds)

    def prepare_changes(self, group: str, changers: Sequence[int]) -> None:
        """Have agents of an open group change their status, one after another."""
        self._changers = list(changers)
        assert len(changers) % self.workers.size == 0
        self._made = dict.fromkeys(changers, 0)
        self.workers.each("prepare_changes", lambda n: {"group": group, "indices": self.share(changers, n)})

    def changes(self, rate: float, seconds: float) -> Phase:
        """Change statuses at a fixed rate, and see when each change is on each open dialog."""
        # Whole rounds, so that the first agent of a phase is known without asking the processes.
        count = max(1, round(rate * seconds))
        before = [self._made[index] for index in self._changers]
        schedule = Schedule(monotonic() + LEAD_S, rate, count)
        with self.measured() as used:
            self._run(
                schedule.start_at + seconds + self.options.linger_s,
                lambda number: {"changes": schedule.share(number, self.workers.size)},
            )
        tallies = self.workers.each(
            "changes_tally", lambda _: {"schedule": schedule, "changers": self._changers, "before": before}
        )
        for number in range(count):
            self._made[self._changers[number % len(self._changers)]] += 1
        return Phase(rate, used, _together(tallies), self.memory_mib(), seconds)

    def _run(self, until: float, work: Any) -> None:
        self.workers.begin("run", lambda number: {"until": until, **work(number)})
        while not self.workers.is_done():
            self.progress.tick()
            time.sleep(0.05)
        self.workers.finish()


def _together(tallies: Sequence[Tally]) -> Tally:
    return Tally(
        done=sum(one.done for one in tallies),
        frames=sum(one.frames for one in tallies),
        latencies=merged([one.latencies for one in tallies]),
        answers=merged([one.answers for one in tallies]),
        failures=sum(one.failures for one in tallies),
        example=next((one.example for one in tallies if one.example), ""),
    )
