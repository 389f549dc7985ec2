"""Connecting: handshakes a second, each with a token check, and what one costs."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from bench.load.behaviours import Schedule
from bench.machine import file_limit
from bench.measurement import LEAD_S, Stage, Used
from bench.results import Outcome, Plot, Table
from bench.setup import Bench
from bench.timing import Latencies, merged

RATES = (100.0, 250.0, 500.0, 1000.0, 1500.0, 2000.0)
SATURATED_MS = 1000.0
RESERVE = 500
"""Open files that are for other things than connections."""


def run(bench: Bench) -> Outcome:
    """Open connections at rising rates; each says hello with a token of its own."""
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
    with bench.relevo() as stage:
        most = max(int(rate * options.seconds) for rate in rates)
        room = file_limit() - RESERVE
        agents = range(min(most, room))
        # Everybody is in the directory before: an agent who is new is made once in its life.
        stage.connect("first", agents)
        bench.crew.each("drop", lambda _: {"group": "first"})
        for rate in rates:
            bench.progress.step(f"{rate:.0f} a second")
            stage.wait_for_disconnects()
            count = min(int(rate * options.seconds), room)
            waits, used = come_in(stage, agents[:count], rate, fresh=True)
            table.add(
                rate,
                count / used.seconds,
                *(waits.percentile_ms(percent) for percent in (50, 99, 99.9)),
                *(one / count * 1e6 for one in (used.router_s, used.store_s, used.load_s)),
                used.scripts / count,
                round((used.bytes_in + used.bytes_out) / count),
                stage.memory_mib(),
            )
            for percent in (50, 99):
                latency.add(f"p{percent}", rate, waits.percentile_ms(percent))
            bench.crew.each("drop", lambda _: {"group": "agents"})
            if (waits.percentile_ms(99) or 0) > SATURATED_MS:
                break
    outcome.tables.append(table)
    outcome.plots.append(latency)
    return outcome


def come_in(
    stage: Stage,
    agents: range,
    rate: float,
    *,
    dialog: bool = False,
    fresh: bool = False,
    first: Callable[[], object] = bool,
) -> tuple[Latencies, Used]:
    """
    Have agents connect in an open loop.

    Args:
        stage: Where.
        agents: Who.
        rate: How many a second are due.
        dialog: Whether each follows the directory, from where it was before.
        fresh: Whether with new tokens, rather than those they have.
        first: Called once everything is prepared; what it causes counts, too.

    Returns:
        How long each took, from when it was due; and what was used until the last was welcomed.
    """
    size, start_at = stage.crew.size, 0.0

    def part(number: int) -> dict[str, object]:
        indices = stage.share(agents, number)
        schedule = Schedule(start_at + number / rate, rate / size, len(indices))
        return {"group": "agents", "indices": indices, "dialog": dialog, "schedule": schedule}

    stage.crew.each(
        "prepare_openings", lambda number: {"indices": stage.share(agents, number), "fresh": fresh}
    )
    with stage.measured() as used:
        first()
        start_at = monotonic() + LEAD_S
        opened = stage.crew.each("open", part)
    used.seconds = max(one.last_at for one in opened) - start_at
    return merged([one.latencies for one in opened]), used
