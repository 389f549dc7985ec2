"""Connecting: handshakes a second, each with a token check, and what one costs."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from bench.load.behaviours import Schedule
from bench.machine import file_limit
from bench.measurement import LEAD_S, Measurement, Used
from bench.results import Outcome, Plot, Table
from bench.setup import Bench
from bench.timing import Latencies, merged

RATES = (100.0, 250.0, 500.0, 1000.0, 1500.0, 2000.0)
SATURATED_MS = 1000.0
RESERVE = 500
"""Open files kept for other things than connections."""


def run(bench: Bench) -> Outcome:
    """Open connections at rising rates; each sends hello with a token of its own."""
    options = bench.options
    rates = options.rates or RATES
    outcome = Outcome("connect", options.command)
    bench.progress.begin("connect", len(rates))
    table = Table(
        "From TCP connect to welcome, agents known to the directory",
        [
            *("offered /s", "done /s", "p50 ms", "p99 ms", "p99.9 ms", "router us", "store us", "load us"),
            *("scripts", "bytes", "router MiB"),
        ],
    )
    latency = Plot("Time to be connected", "connections a second", "ms", log_y=True)
    with bench.relevo() as measurement:
        most = max(int(rate * options.seconds) for rate in rates)
        room = file_limit() - RESERVE
        agents = range(min(most, room))
        # All agents are in the directory before: an agent is created once in its life.
        measurement.connect("first", agents)
        bench.workers.each("drop", lambda _: {"group": "first"})
        for rate in rates:
            bench.progress.step(f"{rate:.0f} a second")
            measurement.wait_for_disconnects()
            count = min(int(rate * options.seconds), room)
            waits, used = connect_agents(measurement, agents[:count], rate, fresh=True)
            table.add(
                rate,
                count / used.seconds,
                *(waits.percentile_ms(percent) for percent in (50, 99, 99.9)),
                *(one / count * 1e6 for one in (used.router_s, used.store_s, used.load_s)),
                used.scripts / count,
                round((used.bytes_in + used.bytes_out) / count),
                measurement.memory_mib(),
            )
            for percent in (50, 99):
                latency.add(f"p{percent}", rate, waits.percentile_ms(percent))
            bench.workers.each("drop", lambda _: {"group": "agents"})
            if (waits.percentile_ms(99) or 0) > SATURATED_MS:
                break
    outcome.tables.append(table)
    outcome.plots.append(latency)
    return outcome


def connect_agents(
    measurement: Measurement,
    agents: range,
    rate: float,
    *,
    dialog: bool = False,
    fresh: bool = False,
    first: Callable[[], object] = bool,
) -> tuple[Latencies, Used]:
    """
    Connect agents in an open loop.

    Args:
        measurement: Where they connect.
        agents: Their numbers.
        rate: How many a second are due.
        dialog: Whether each follows the directory, from where it was before.
        fresh: Whether with new tokens, rather than those they have.
        first: Called once everything is prepared; its cost counts, too.

    Returns:
        How long each took, from when it was due; and what was used until the last was welcomed.
    """
    size, start_at = measurement.workers.size, 0.0

    def part(number: int) -> dict[str, object]:
        indices = measurement.share(agents, number)
        schedule = Schedule(start_at, rate, len(agents)).share(number, size)
        return {"group": "agents", "indices": indices, "dialog": dialog, "schedule": schedule}

    measurement.workers.each(
        "prepare_openings", lambda number: {"indices": measurement.share(agents, number), "fresh": fresh}
    )
    with measurement.measured() as used:
        first()
        start_at = monotonic() + LEAD_S
        opened = measurement.workers.each("open", part)
    used.seconds = max(one.last_at for one in opened) - start_at
    return merged([one.latencies for one in opened]), used
