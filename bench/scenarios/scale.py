"""Scale: more router processes, more tenants, a store of three shards; what an operation costs then."""

from __future__ import annotations

from bench.results import Outcome, Plot, Table
from bench.setup import Bench, open_circles

AGENTS = 192
SESSIONS = 768
RATE = 1000.0
TENANTS = 24
LAYOUTS = (
    *(("one tenant", routers, False) for routers in (1, 2, 3, 4)),
    *((f"{TENANTS} tenants", routers, False) for routers in (1, 2, 3, 4)),
    *((f"{TENANTS} tenants, three shards", routers, True) for routers in (1, 2, 3)),
)


def run(bench: Bench) -> Outcome:
    """Transfer at one rate in each layout; the agents of a circle are spread over the routers."""
    options = bench.options
    outcome = Outcome("scale", options.command)
    bench.progress.begin("scale", len(LAYOUTS))
    table = Table(
        f"Transfers at {RATE:.0f} a second, over all processes together",
        [
            *("layout", "routers", "done /s", "p50 ms", "p99 ms", "p99.9 ms", "routers us", "store us"),
            *(
                "script us",
                "scripts",
                "bytes",
                "routers MiB",
                "routers idle ms/s",
                "store idle ms/s",
                "failed",
            ),
        ],
    )
    plot = Plot("Processor time of a transfer, all routers", "router processes", "us")
    rate = options.rates[0] if options.rates else RATE
    for name, routers, cluster in LAYOUTS:
        bench.progress.step(f"{name}, {routers} routers")
        tenant_size = AGENTS if name == "one tenant" else AGENTS // TENANTS
        with bench.relevo(routers=routers, cluster=cluster, tenant_size=tenant_size) as measurement:
            open_circles(measurement, AGENTS, SESSIONS)
            measurement.transfers(rate, 0.5)
            idle = measurement.background(1.0)
            phase = measurement.transfers(rate, options.seconds)
        used, done = phase.used, max(1, phase.tally.done)
        router_us = phase.us_per(used.router_s)
        table.add(
            name,
            routers,
            phase.tally.done / phase.seconds,
            *(phase.ms(percent) for percent in (50, 99, 99.9)),
            router_us,
            phase.us_per(used.store_s),
            phase.us_per(used.scripts_s),
            used.scripts / done,
            round((used.bytes_in + used.bytes_out) / done),
            phase.memory_mib,
            idle.router_s / idle.seconds * 1e3,
            idle.store_s / idle.seconds * 1e3,
            phase.tally.failures,
        )
        plot.add(name, routers, router_us)
    outcome.tables.append(table)
    outcome.plots.append(plot)
    outcome.notes.append(
        "Processor time is the sum over all routers, or shards. What every router does for every event "
        "(receive it, apply it to the replica) grows with their number; what the caller's router does is "
        "shared. A tenant lives on one shard."
    )
    return outcome
