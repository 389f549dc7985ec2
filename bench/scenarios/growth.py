"""Growth: the cost of one transfer and one change as agents, sessions, histories and tenants grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.load.protocols import RelevoProtocol, session_id
from bench.measurement import Measurement, Used
from bench.results import Outcome, Plot, Table, Verdict, worst
from bench.setup import Bench, open_circles, run_commands

ACTIVE = 8
"""Active agents, the same at each size; their changes come in whole rounds, so that all end as before."""

SESSIONS = 8
TRANSFERS_RATE, CHANGES_RATE = 1000.0, 1000.0
CHANGERS_MAX = 200
BACKLOG = "backlog"


@dataclass(frozen=True, slots=True)
class Axis:
    """
    One dimension of growth.

    Attributes:
        name: What.
        sizes: To which sizes.
        grow: Brings a measurement from one size to the next, beside its ACTIVE agents and SESSIONS.
        budget: The budget on it; None without one.
    """

    name: str
    sizes: tuple[int, ...]
    grow: Callable[[Measurement, int, int], None]
    budget: str | None = None


def run(bench: Bench) -> Outcome:
    """Measure at every size of every axis."""
    outcome = Outcome("growth", bench.options.command)
    bench.progress.begin("growth", sum(len(axis.sizes) for axis in AXES) + len(TENANTS))
    for axis in AXES:
        points = _along(bench, axis)
        _report(outcome, axis.name, axis.budget, points)
    _report(outcome, "tenants", "growth_tenants", _tenants(bench))
    outcome.notes.append(
        "Net of what routers and store use while nothing happens, measured at each size. Router and store "
        f"are processor time; {TRANSFERS_RATE:.0f} transfers and {CHANGES_RATE:.0f} changes a second. "
        f"Tenants: the same {4 * bench.workers.size * TENANTS[-1]:,} agents, in ever more of them."
    )
    return outcome


@dataclass(frozen=True, slots=True)
class _Point:
    size: int
    transfer_router_us: float
    transfer_store_us: float
    transfer_script_us: float
    change_router_us: float
    change_store_us: float
    idle_router_ms: float
    transfer_p99_ms: float | None
    memory_mib: float
    failed: int


def _along(bench: Bench, axis: Axis) -> Iterator[_Point]:
    # Histories grow beyond what they may by default: each transfer adds an entry to the longest, too.
    with bench.relevo(settings={"history_max": 1_000_000}) as measurement:
        open_circles(measurement, ACTIVE, SESSIONS)
        measurement.transfers(TRANSFERS_RATE, 0.5)
        before = 0
        for size in axis.sizes:
            bench.progress.step(f"{size} {axis.name}")
            axis.grow(measurement, before, size)
            before = size
            yield _measure(measurement, size)


def _tenants(bench: Bench) -> Iterator[_Point]:
    """Measure the same agents in ever more tenants, so that tenants alone grow."""
    agents = 4 * bench.workers.size * TENANTS[-1]
    for size in TENANTS:
        bench.progress.step(f"{size} tenants")
        with bench.relevo(tenant_size=agents // size) as measurement:
            open_circles(measurement, agents, agents // 4)
            measurement.transfers(TRANSFERS_RATE, 0.5)
            yield _measure(measurement, size)


def _measure(measurement: Measurement, size: int) -> _Point:
    seconds = measurement.options.seconds
    idle = measurement.background(max(1.0, seconds / 2))
    transfers = measurement.transfers(TRANSFERS_RATE, seconds)
    agents = _some(measurement.active, measurement.workers.size)
    measurement.prepare_changes("agents", agents)
    rounds = max(1, round(CHANGES_RATE * seconds / (2 * len(agents))))
    changes = measurement.changes(CHANGES_RATE, max(seconds, 2 * len(agents) * rounds / CHANGES_RATE))
    count = CHANGES_RATE * changes.seconds
    passed, changed = transfers.used.less(idle), changes.used.less(idle)

    def us(used_s: float, number: float) -> float:
        return used_s / number * 1e6

    done = max(1, transfers.tally.done)
    return _Point(
        size,
        us(passed.router_s, done),
        us(passed.store_s, done),
        us(passed.scripts_s, done),
        us(changed.router_s, count),
        us(changed.store_s, count),
        _ms_a_second(idle),
        transfers.ms(99),
        changes.memory_mib,
        transfers.tally.failures + changes.tally.failures,
    )


def _some(agents: list[int], size: int) -> list[int]:
    """Return a part of many agents, spread over them, in whole groups of one from each load process."""
    groups = [agents[start : start + size] for start in range(0, len(agents), size)]
    step = max(1, len(agents) // CHANGERS_MAX)
    return [agent for group in groups[::step] for agent in group]


def _ms_a_second(used: Used) -> float:
    return used.router_s / used.seconds * 1e3


def _report(outcome: Outcome, name: str, budget: str | None, points: Iterator[_Point]) -> None:
    table = Table(
        f"Growing: {name}",
        [
            *(name, "router us/transfer", "store us/transfer", "script us/transfer", "router us/change"),
            *("store us/change", "router ms/s idle", "p99 ms/transfer", "router MiB", "failed"),
        ],
    )
    plot = Plot(f"Cost as {name} grow", name, "us of router and store", log_x=True)
    for point in points:
        table.add(
            point.size,
            point.transfer_router_us,
            point.transfer_store_us,
            point.transfer_script_us,
            point.change_router_us,
            point.change_store_us,
            point.idle_router_ms,
            point.transfer_p99_ms,
            point.memory_mib,
            point.failed,
        )
        plot.add("transfer", point.size, point.transfer_router_us + point.transfer_store_us)
        plot.add("change", point.size, point.change_router_us + point.change_store_us)
    outcome.tables.append(table)
    outcome.plots.append(plot)
    if budget is not None:
        spreads = {line: worst([y for _, y in points_of]) for line, points_of in plot.series.items()}
        known = {line: spread for line, spread in spreads.items() if spread is not None}
        if known:
            line = max(known, key=lambda one: known[one])
            outcome.verdicts.append(Verdict(budget, known[line], f"the cost of a {line}"))


# How things grow.


def _more_agents(measurement: Measurement, before: int, size: int) -> None:
    """Put disconnected agents into the directory."""
    put = [
        {
            "id": f"f{number:06d}",
            "name": f"Agent {number}",
            "role": "agent",
            "departments": [],
            "capacity": 10,
        }
        for number in range(max(before, ACTIVE), size)
    ]
    _ask(measurement, [{"type": "agent.put", "agent": agent} for agent in put])


def _more_sessions(measurement: Measurement, before: int, size: int) -> None:
    """Open sessions that wait in the queue of a department without members."""
    if not before:
        _ask(measurement, [{"type": "department.put", "department": {"id": BACKLOG, "name": "Backlog"}}])
    _ask(
        measurement,
        [
            {
                "type": "session.open",
                "session_id": f"q{number:07d}",
                "customer": {"id": f"q{number}", "name": "Customer"},
                "target": {"kind": "department", "id": BACKLOG},
            }
            for number in range(before, size)
        ],
    )


def _longer_histories(measurement: Measurement, before: int, size: int) -> None:
    """Write notes into the sessions that are transferred."""
    _ask(
        measurement,
        [
            {"type": "session.note", "session_id": session_id(number), "text": f"note {entry}"}
            for entry in range(before, size)
            for number in range(SESSIONS)
        ],
    )


def _ask(measurement: Measurement, messages: list[dict[str, object]]) -> None:
    protocol = measurement.protocol
    assert isinstance(protocol, RelevoProtocol)
    if messages:
        run_commands(measurement, {protocol.tenant(0): messages})


AXES = (
    Axis("agents", (10, 1000, 10_000), _more_agents, "growth_agents"),
    Axis("open sessions", (0, 10_000, 100_000), _more_sessions),
    Axis("history entries", (10, 1000, 10_000), _longer_histories),
)
TENANTS = (1, 100, 1000)
