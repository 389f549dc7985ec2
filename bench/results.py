"""The results of a scenario: tables, plots and verdicts on the budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Cell: TypeAlias = str | float | int | None


@dataclass
class Table:
    """
    Figures in rows.

    Attributes:
        title: What the rows are of.
        columns: Names, each with its unit.
        rows: The cells; None where something could not be measured, for which NaN may be given.
    """

    title: str
    columns: list[str]
    rows: list[list[Cell]] = field(default_factory=list)

    def add(self, *cells: Cell) -> None:
        """Add a row."""
        assert len(cells) == len(self.columns)
        self.rows.append([None if cell != cell else cell for cell in cells])


@dataclass
class Plot:
    """
    Lines over one axis.

    Attributes:
        title: What it shows.
        x_label: With the unit.
        y_label: With the unit.
        series: Points by the name of the line.
        log_x: Whether the axis is logarithmic.
        log_y: The same.
    """

    title: str
    x_label: str
    y_label: str
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    log_x: bool = False
    log_y: bool = False

    def add(self, name: str, x: float, y: float | None) -> None:
        """Add a point to a line; none where there is no value, or NaN."""
        if y is not None and y == y:
            self.series.setdefault(name, []).append((x, y))


@dataclass(frozen=True, slots=True)
class Budget:
    """
    One promise of the design.

    Attributes:
        what: Under which circumstances.
        limit: What is promised, in words.
        limit_value: The number in it.
        unit: Its unit.
        at_least: Whether more is better.
    """

    what: str
    limit: str
    limit_value: float
    unit: str
    at_least: bool = False


def window_budget(dialogs: int, rate: float, percent: int) -> str:
    """Return the key in BUDGETS of how soon so many changes a second are on so many dialogs."""
    return f"window_{dialogs}_{rate:.0f}_p{percent}"


_WINDOWS_MS = {
    (100, 20): {50: 1.7, 99: 2.5},
    (100, 200): {50: 10.0, 99: 18.0},
    (1000, 20): {50: 7.0, 99: 20.0},
    (1000, 200): {50: 31.0, 99: 58.0},
}
"""Change to screen, by dialogs and changes a second: the percentiles."""

BUDGETS = {
    **{
        window_budget(dialogs, rate, percent): Budget(
            f"patch windows: {rate} changes a second, {dialogs:,} dialogs",
            f"p{percent} at most {limit_ms:g} ms",
            limit_ms,
            "ms",
        )
        for (dialogs, rate), limits in _WINDOWS_MS.items()
        for percent, limit_ms in limits.items()
    },
    "delivery": Budget(
        "fan-out: one change to 1,000 dialogs",
        "CPU per delivery at most 1.25 times a bare C send() loop's at the same pace",
        1.25,
        "times",
    ),
    "conflation": Budget(
        "200 status changes a second to 1,000 dialogs",
        "router CPU at most 1/8 of one frame per change",
        0.125,
        "of it",
    ),
    "freshness_burst": Budget(
        "200 status changes a second to 1,000 dialogs",
        "each change on every screen within 60 ms at p99",
        60,
        "ms",
    ),
    "freshness_single": Budget(
        "20 status changes a second to 1,000 dialogs",
        "each change on every screen within 20 ms at p99",
        20,
        "ms",
    ),
    "lone_change": Budget(
        "20 status changes a second, no dialogs", "router CPU per change at most 0.52 ms", 0.52, "ms"
    ),
    "idle_router": Budget("a router with 100 idle agents", "CPU at most 4 ms a second", 4, "ms a second"),
    "transfer_router": Budget("transfer, agent to agent", "router CPU at most 120 us", 120, "us"),
    "transfer_store": Budget("transfer, agent to agent", "store CPU at most 30 us", 30, "us"),
    "transfer_scripts": Budget("transfer, agent to agent", "one script", 1, "scripts"),
    "transfer_rate": Budget(
        "transfer, agent to agent", "5,000 a second through one router process", 5000, "a second", True
    ),
    "transfer_latency": Budget(
        "500 transfers a second, command to session.assigned", "p99 under 10 ms", 10, "ms"
    ),
    "idle_memory": Budget(
        "idle agent, connected and in the directory", "at most 8 KiB of router memory", 8, "KiB"
    ),
    "storm_directory": Budget("agents reconnect at once", "no directory read from the store", 0, "reads"),
    "storm_cpu": Budget(
        "agents reconnect at once", "router CPU per reconnect at most 500 us, with a token check", 500, "us"
    ),
    "storm_scripts": Budget("agents reconnect at once", "at most one script each", 1, "scripts"),
    "growth_agents": Budget(
        "10 to 10,000 agents per tenant", "cost of a transfer and of a change flat", 1.25, "times"
    ),
    "growth_tenants": Budget("1 to 1,000 tenants", "cost of a transfer and of a change flat", 1.25, "times"),
}
"""The promises. "Flat" is read as: the dearest point costs at most a quarter more than the cheapest."""


@dataclass
class Verdict:
    """
    A budget and what was found.

    Attributes:
        budget: Its key in BUDGETS.
        measured: The value, in the budget's unit; None where it could not be measured.
        remark: Under which circumstances, where they are not those of the budget.
    """

    budget: str
    measured: float | None
    remark: str = ""

    @property
    def met(self) -> bool | None:
        """Return whether the budget holds; None if it was not measured."""
        if self.measured is None:
            return None
        budget = BUDGETS[self.budget]
        # What was counted may include a lease's renewal or two.
        slack = 1.02 if budget.unit == "scripts" else 1.0
        if budget.at_least:
            return self.measured >= budget.limit_value
        return self.measured <= budget.limit_value * slack


@dataclass
class Outcome:
    """
    Everything one scenario found.

    Attributes:
        scenario: Its name.
        command: What repeats it.
        tables: The figures.
        plots: The same, to look at.
        verdicts: On the budgets that it measures.
        notes: What a reader must know.
        seconds: How long it took.
    """

    scenario: str
    command: str
    tables: list[Table] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def shown(cell: Cell) -> str:
    """Return a cell as people read it: three significant digits, or more where the number is large."""
    if cell is None:
        return "-"
    if isinstance(cell, bool | str):
        return str(cell)
    if isinstance(cell, int):
        return f"{cell:,}"
    if abs(cell) >= 100:
        return f"{cell:,.0f}"
    return f"{cell:.3g}" if abs(cell) < 10 else f"{cell:.1f}"


def worst(values: Sequence[float]) -> float | None:
    """Return how many times the cheapest the dearest is; None for nothing to compare."""
    known = [value for value in values if value > 0]
    return max(known) / min(known) if len(known) > 1 else None
