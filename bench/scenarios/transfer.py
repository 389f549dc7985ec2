"""Transfers in an open loop: what one costs, how long it takes, and how many a router carries."""

from __future__ import annotations

from typing import Any

from bench.floors import cpu_per_script_us, cpu_per_send_us
from bench.measurement import Measurement, Phase
from bench.results import Outcome, Plot, Table, Verdict, shown
from bench.setup import Bench, open_circles

AGENTS = 200
SESSIONS_PER_AGENT = 5
RATES = (500.0, 1000.0, 2000.0, 4000.0, 5000.0, 6000.0, 8000.0)
COMPARED_AT = 1000.0
LATENCY_AT = 500.0
"""The rate at which the budget of the latency holds."""

SATURATED_MS = 250.0
FRAME_BYTES, SEND_RATE = 300, 20.0
"""The size and the pace of a bare send() that is a floor of what the router does."""

REASON = "Has a question about the invoice of last month"

VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("to an agent, MessagePack", {"binary": True}),
    ("to an agent, with a reason", {"reason": REASON}),
    ("to an agent, with acknowledgement", {"acknowledges": True}),
    ("to a department", {"departments": True}),
    ("to pending", {"paused": True}),
    ("to an agent, two routers", {"routers": 2}),
    ("to an agent, two routers, MessagePack", {"routers": 2, "binary": True}),
)
NOTES = (
    "A latency runs from when the command was due to when session.assigned or session.pending was read.",
    "Script is the store's own count of the time in the Lua command. Bytes are of all frames, both ways.",
    "Failed are errors, and what had not arrived 3 s after the step.",
)
COLUMNS = [
    *("transfers", "offered /s", "done /s", "p50 ms", "p99 ms", "p99.9 ms", "router us", "of send()"),
    *("store us", "of 16 GETs", "script us", "load us", "scripts", "bytes", "router MiB", "failed"),
]


def run(bench: Bench) -> Outcome:
    """Measure transfers at rising rates, then the other ways of a transfer at one rate."""
    options = bench.options
    rates = options.rates or RATES
    outcome = Outcome("transfer", options.command)
    bench.progress.begin("transfer", 1 + len(rates) + len(VARIANTS))
    bench.progress.step("send() in C and 16 GETs")
    send_us = cpu_per_send_us(bench, AGENTS, FRAME_BYTES, SEND_RATE, options.seconds)
    script_us = cpu_per_script_us(options.seconds)
    outcome.notes.append(
        f"An EVALSHA of 16 GETs, 32 in a pipeline, costs the store {script_us:.1f} us; a bare send() in C "
        f"of {FRAME_BYTES} bytes to {AGENTS} sockets, {SEND_RATE:.0f} times a second, {shown(send_us)} us."
    )
    table = Table("Transfers, agent to agent, one router, at rising rates", COLUMNS)
    latency = Plot("Latency of a transfer", "transfers a second", "ms", log_y=True)
    cost = Plot("Processor time of a transfer", "transfers a second", "us")
    phases: list[Phase] = []
    with bench.relevo() as measurement:
        open_agents(measurement)
        for rate in rates:
            bench.progress.step(f"{rate:.0f} a second")
            phase = measurement.transfers(rate, options.seconds)
            phases.append(phase)
            _add(table, "to an agent, JSON", phase, send_us, script_us)
            for percent in (50, 99, 99.9):
                latency.add(f"p{percent}", rate, phase.ms(percent))
            cost.add("router", rate, phase.us_per(phase.used.router_s))
            cost.add("store", rate, phase.us_per(phase.used.store_s))
            cost.add("load generator", rate, phase.us_per(phase.used.load_s))
            if is_saturated(phase):
                break
    others = Table(f"Other ways of a transfer, at {COMPARED_AT:.0f} a second", COLUMNS)
    for name, how in VARIANTS if options.url is None else VARIANTS[1:5]:
        bench.progress.step(name)
        how = dict(how)
        paused = bool(how.pop("paused", False))
        with bench.relevo(**how) as measurement:
            open_agents(measurement, paused=paused)
            phase = measurement.transfers(min(COMPARED_AT, rates[-1]), options.seconds)
            _add(others, name, phase, send_us, script_us)
    outcome.tables += [table, others]
    outcome.plots += [latency, cost]
    outcome.verdicts += _verdicts(phases)
    outcome.notes += NOTES
    return outcome


def open_agents(measurement: Measurement, *, paused: bool = False) -> None:
    """Connect agents, and open the sessions that they transfer."""
    agents = measurement.options.clients[0] if measurement.options.clients else AGENTS
    open_circles(measurement, agents, agents * SESSIONS_PER_AGENT, paused=paused)
    measurement.transfers(LATENCY_AT, 0.5)  # Not counted: everything is warm after it.


def is_saturated(phase: Phase) -> bool:
    """Return whether the servers cannot keep up."""
    latency = phase.ms(99)
    return phase.tally.done < 0.95 * phase.offered * phase.seconds or (latency or 0) > SATURATED_MS


def _add(table: Table, name: str, phase: Phase, send_us: float | None, script_us: float) -> None:
    used, done = phase.used, max(1, phase.tally.done)
    router_us, store_us = phase.us_per(used.router_s), phase.us_per(used.store_s)
    table.add(
        name,
        phase.offered,
        phase.tally.done / phase.seconds,
        *(phase.ms(percent) for percent in (50, 99, 99.9)),
        router_us,
        router_us / send_us if router_us is not None and send_us is not None else None,
        store_us,
        store_us / script_us if store_us is not None else None,
        phase.us_per(used.scripts_s),
        phase.us_per(used.load_s),
        used.scripts / done if used.scripts == used.scripts else None,
        round((used.bytes_in + used.bytes_out) / done),
        phase.memory_mib,
        phase.tally.failures,
    )


def _verdicts(phases: list[Phase]) -> list[Verdict]:
    carried = [phase for phase in phases if not is_saturated(phase)]
    if not carried:
        return []
    # The budgets are of a busy router: one that is woken for a single transfer pays for the wake-up alone.
    usual = carried[-1]
    at_latency = min(carried, key=lambda phase: abs(phase.offered - LATENCY_AT))
    remark = f"at {usual.offered:.0f} a second"
    scripts = usual.used.scripts / usual.tally.done
    return [
        Verdict("transfer_router", usual.us_per(usual.used.router_s), remark),
        Verdict("transfer_store", usual.us_per(usual.used.store_s), remark),
        Verdict("transfer_scripts", scripts if scripts == scripts else None, remark),
        Verdict("transfer_rate", max(phase.tally.done / phase.seconds for phase in carried)),
        Verdict("transfer_latency", at_latency.ms(99), f"at {at_latency.offered:.0f} a second"),
    ]
