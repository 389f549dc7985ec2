"""Idle agents: the memory and the processor time of each."""

from __future__ import annotations

import time

from bench.machine import file_limit
from bench.results import Outcome, Plot, Table, Verdict
from bench.scenarios.connect import RESERVE
from bench.setup import Bench

AGENTS = (1000, 5000, 10_000, 20_000)
PINGS_S = 20.0
"""The usual time between two pings, over which an idle agent's time is counted."""


def run(bench: Bench) -> Outcome:
    """Connect more and more agents, and measure the router at each size."""
    options = bench.options
    outcome = Outcome("idle", options.command)
    room = file_limit() - RESERVE
    wanted = sorted(options.clients or AGENTS)
    sizes = sorted({min(size, room) for size in wanted})
    if wanted[-1] > room:
        outcome.notes.append(
            f"{room} agents rather than {wanted[-1]}: the limit of open files of a process is {file_limit()}."
        )
    bench.progress.begin("idle", len(sizes))
    table = Table(
        "Idle agents",
        [
            *("agents", "router MiB", "KiB each", "router us/s each", "store bytes each"),
            "store us/s each",
        ],
    )
    memory = Plot("Router memory", "agents", "MiB")
    with bench.relevo() as measurement:
        # The first connections build tables, caches and compiled code that no single agent costs.
        measurement.connect("first", range(100))
        time.sleep(1)
        before = measurement.memory_mib()
        seconds = max(options.seconds, 5.0)
        quiet = measurement.background(seconds)
        outcome.verdicts.append(Verdict("idle_router", quiet.router_s / quiet.seconds * 1000))
        stored_before = measurement.store.memory_bytes() if measurement.store else 0
        memory.add("router", 100, before)
        opened = 100
        each_kib = None
        for size in sizes:
            bench.progress.step(f"{size} agents")
            measurement.connect(f"agents{size}", range(opened, size))
            opened = size
            time.sleep(1)
            now = measurement.memory_mib()
            stored = measurement.store.memory_bytes() if measurement.store else None
            used = measurement.background(seconds)
            each_kib = (now - before) / (size - 100) * 1024
            memory.add("router", size, now)
            table.add(
                size,
                now,
                each_kib,
                used.router_s / used.seconds / size * 1e6,
                round((stored - stored_before) / (size - 100)) if stored is not None else None,
                used.store_s / used.seconds / size * 1e6,
            )
    outcome.tables.append(table)
    outcome.plots.append(memory)
    outcome.verdicts.append(Verdict("idle_memory", each_kib, f"{opened} agents"))
    outcome.notes.append(
        f"Pings come every {PINGS_S:.0f} s: in a step of {seconds:.0f} s a part of the agents gets one. The "
        "memory is the proportional set size; what the kernel keeps for sockets is not in it."
    )
    return outcome
