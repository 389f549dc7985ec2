"""Noisy neighbours: latencies of others while a connection, an agent or a tenant floods, at default rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from bench.load.protocols import RelevoProtocol
from bench.load.workers import Workers
from bench.measurement import LEAD_S, Measurement, Phase
from bench.results import Outcome, Table
from bench.setup import Bench, open_circles
from relevo.router.config import SETTINGS

AGENTS = 40
RATE = 100.0
"""Transfers a second of the neighbours."""

WARM_UP_S = 1.0
BURST_S = 6.0
"""The burst of a tenant's token bucket is used up by then, and its rate counts."""

TENANT_SIZE = 1000
CROWD = range(TENANT_SIZE, TENANT_SIZE + 100)
LOWER: dict[str, int | str] = {"tenant_message_rate": 2000}
FLOODS: tuple[tuple[str, Sequence[int], dict[str, int | str]], ...] = (
    ("one connection of the same tenant", [900], {}),
    ("20 connections of one agent of it", [900] * 20, {}),
    ("100 agents of another tenant", CROWD, {}),
    ("the same, of which 2,000 commands a second are let through", CROWD, LOWER),
)
NOTES = (
    "A flood sends 64 commands a frame, and the next when the socket takes it; closed connections reconnect.",
    "Router is the router's processor time during the flood, of one core.",
    "Latencies are those of others' transfers, from when they were due to session.assigned.",
)


def run(bench: Bench) -> Outcome:
    """Measure transfers before and during each flood."""
    options = bench.options
    outcome = Outcome("flood", options.command)
    bench.progress.begin("flood", 2 * len(FLOODS))
    table = Table(
        f"Transfers of others during a flood, {RATE:.0f} a second",
        [
            "flood",
            "p50 ms",
            "p99 ms",
            "during it p50 ms",
            "p99 ms",
            "times p50",
            "times p99",
            "router %",
            "failed",
        ],
    )
    rates = {one.name: one.default for one in SETTINGS if "message_rate" in one.name}
    for name, indices, lower in FLOODS:
        with bench.relevo(settings=rates | lower, tenant_size=TENANT_SIZE) as measurement:
            open_circles(measurement, AGENTS, AGENTS)
            measurement.transfers(RATE, WARM_UP_S)
            bench.progress.step(f"before {name}")
            before = measurement.transfers(RATE, options.seconds)
            bench.progress.step(name)
            with _flooding(measurement, indices, BURST_S + options.seconds + 4 * LEAD_S):
                measurement.transfers(RATE, BURST_S)
                during = measurement.transfers(RATE, options.seconds)
            table.add(
                name,
                *(one.ms(percent) for one in (before, during) for percent in (50, 99)),
                *(_times(before, during, percent) for percent in (50, 99)),
                100 * during.used.router_s / during.used.seconds,
                before.tally.failures + during.tally.failures,
            )
    outcome.tables.append(table)
    outcome.notes += NOTES
    return outcome


@contextmanager
def _flooding(measurement: Measurement, indices: Sequence[int], seconds: float) -> Iterator[None]:
    protocol = measurement.protocol
    assert isinstance(protocol, RelevoProtocol)
    # In a process of its own, so that it delays nothing that is measured.
    with Workers(1) as workers:
        workers.each("use_protocol", lambda _: {"protocol": protocol})
        workers.begin("flood", lambda _: {"indices": indices, "until": monotonic() + seconds})
        yield
        workers.finish()


def _times(before: Phase, during: Phase, percent: float) -> float | None:
    quiet, flooded = before.ms(percent), during.ms(percent)
    return flooded / quiet if quiet and flooded else None
