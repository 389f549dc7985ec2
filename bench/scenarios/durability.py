"""Durability: what it costs to acknowledge a transfer only when the store's disk or its replicas have it."""

from __future__ import annotations

from bench.load.protocols import ANSWER
from bench.results import Outcome, Plot, Table
from bench.scenarios.transfer import is_saturated, open_agents
from bench.setup import Bench

RATES = (200.0, 2000.0, 4000.0)
FSYNC: dict[str, int | str] = {"durability": "fsync"}
REPLICA: dict[str, int | str] = {"durability": "replica"}
ALWAYS = ("--appendfsync", "always")
CHOICES: tuple[tuple[str, dict[str, int | str], tuple[str, ...], int], ...] = (
    ("memory", {}, (), 0),
    ("memory, one replica", {}, (), 1),
    ("fsync, appendfsync always", FSYNC, ALWAYS, 0),
    ("fsync, appendfsync everysec", FSYNC, (), 0),
    ("replica", REPLICA, (), 1),
)
NOTES = (
    "Reply is from when the command was due to its reply, arrival from then to session.assigned.",
    "Waits are those for disk or replicas, per transfer. The processor time of replicas is not the store's.",
)
COLUMNS = [
    *(
        "durability",
        "offered /s",
        "done /s",
        "reply p50 ms",
        "reply p99 ms",
        "arrival p50 ms",
        "arrival p99 ms",
    ),
    *("router us", "store us", "waits", "failed"),
]


def run(bench: Bench) -> Outcome:
    """Measure transfers at rising rates with each durability."""
    options = bench.options
    rates = options.rates or RATES
    outcome = Outcome("durability", options.command)
    bench.progress.begin("durability", len(CHOICES) * len(rates))
    table = Table("Transfers, agent to agent, one router, by durability", COLUMNS)
    plot = Plot("Reply to a transfer, p50", "transfers a second", "ms", log_y=True)
    for name, settings, store, replicas in CHOICES:
        with bench.relevo(settings=settings, store=store, replicas=replicas, answer=ANSWER) as measurement:
            open_agents(measurement)
            for rate in rates:
                bench.progress.step(f"{name}, {rate:.0f} a second")
                waited = measurement.waits()
                phase = measurement.transfers(rate, options.seconds)
                done = max(1, phase.tally.done)
                table.add(
                    name,
                    rate,
                    phase.tally.done / phase.seconds,
                    *(phase.answer_ms(percent) for percent in (50, 99)),
                    *(phase.ms(percent) for percent in (50, 99)),
                    phase.us_per(phase.used.router_s),
                    phase.us_per(phase.used.store_s),
                    (measurement.waits() - waited) / done,
                    phase.tally.failures,
                )
                plot.add(name, rate, phase.answer_ms(50))
                if is_saturated(phase):
                    break
    outcome.tables.append(table)
    outcome.plots.append(plot)
    outcome.notes += NOTES
    return outcome
