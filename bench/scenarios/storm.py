"""Reconnect storm (thundering herd): all agents lose their connections at once, and reconnect."""

from __future__ import annotations

import time
from functools import partial

from bench.machine import file_limit
from bench.results import Outcome, Table, Verdict
from bench.scenarios.connect import RESERVE, connect_agents
from bench.setup import Bench

AGENTS = 10_000
SPREADS_S = (0.0, 5.0)
"""Seconds over which the clients reconnect: all at once, and with the jitter of the shipped clients."""

AT_ONCE_RATE = 1e6


def run(bench: Bench) -> Outcome:
    """Cut all agents, each with a dialog open, and measure how they resume their dialogs."""
    options = bench.options
    room = file_limit() - RESERVE
    count = min((options.clients or (AGENTS,))[0], room)
    outcome = Outcome("storm", options.command)
    if count < (options.clients or (AGENTS,))[0]:
        outcome.notes.append(f"{count} agents: the limit of open files is {file_limit()}.")
    bench.progress.begin("storm", 1 + len(SPREADS_S))
    table = Table(
        f"{count} agents with open dialogs, cut and returning",
        [
            *("return over s", "all back after s", "p50 ms", "p99 ms", "p99.9 ms", "router us each"),
            *("store us each", "load us each", "scripts each", "directories read", "bytes each"),
            "router MiB",
        ],
    )
    agents = range(count)
    with bench.relevo() as measurement:
        bench.progress.step("connecting")
        measurement.connect("agents", agents, dialog=True)
        for spread_s in SPREADS_S:
            bench.progress.step(f"return over {spread_s:.0f} s")
            reads = measurement.metric("relevo_feed_reloads_total")
            bench.workers.each("resume_from_latest")
            rate = count / spread_s if spread_s else AT_ONCE_RATE
            waits, used = connect_agents(measurement, agents, rate, dialog=True, first=partial(_cut, bench))
            reads = measurement.metric("relevo_feed_reloads_total") - reads
            # The close of the old connection is a script of its own.
            scripts = used.scripts / count - 1
            per_agent_us = used.router_s / count * 1e6
            table.add(
                spread_s,
                used.seconds,
                *(waits.percentile_ms(percent) for percent in (50, 99, 99.9)),
                per_agent_us,
                used.store_s / count * 1e6,
                used.load_s / count * 1e6,
                used.scripts / count,
                int(reads),
                round((used.bytes_in + used.bytes_out) / count),
                measurement.memory_mib(),
            )
            if not spread_s:
                outcome.verdicts += [
                    Verdict("storm_directory", reads, f"{count} agents"),
                    Verdict("storm_cpu", per_agent_us, f"{count} agents, with the end of the old connection"),
                    Verdict("storm_scripts", scripts if scripts == scripts else None, "without those ends"),
                ]
            time.sleep(1)
    outcome.tables.append(table)
    return outcome


def _cut(bench: Bench) -> None:
    bench.workers.each("drop", lambda _: {"group": "agents"})
