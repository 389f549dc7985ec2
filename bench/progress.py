"""Show how far a run is; the only importer of rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table as RichTable

from bench.results import BUDGETS, Outcome, Table, Verdict, shown

PRINTED_WIDTH = 160


class Progress:
    """One bar, over the steps of a scenario: ``with Progress() as progress``."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(quiet=quiet)
        if not self.console.is_terminal:
            self.console = Console(quiet=quiet, width=PRINTED_WIDTH)
        self._bars = Bars(
            TextColumn("{task.fields[scenario]:<9}"),
            BarColumn(None),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("{task.description}", style="dim"),
            console=self.console,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def begin(self, scenario: str, steps: int) -> None:
        """Begin a scenario of so many steps."""
        self.end()
        self._task = self._bars.add_task("", total=steps, scenario=scenario)

    def step(self, text: str) -> None:
        """Begin its next step."""
        if self._task is not None:
            task = self._bars.tasks[-1]
            self._bars.update(self._task, advance=1 if task.description else 0, description=text)

    def tick(self) -> None:
        """Let the time go on."""
        self._bars.refresh()

    def end(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None

    def show(self, outcome: Outcome) -> None:
        """Print the tables of a scenario, and how its budgets stand."""
        for table in outcome.tables:
            self._print(table)
        for note in outcome.notes:
            self.console.print(f"  {note}", style="dim", highlight=False)
        self.show_verdicts(outcome.verdicts)

    def show_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Print budgets beside what was measured."""
        if not verdicts:
            return
        table = Table("Budgets", ["what", "budget", "measured", "", "remark"])
        for verdict in verdicts:
            budget = BUDGETS[verdict.budget]
            met = {True: "met", False: "NOT MET", None: "-"}[verdict.met]
            measured = f"{shown(verdict.measured)} {budget.unit}"
            table.add(budget.what, budget.limit, measured, met, verdict.remark)
        self._print(table)

    def _print(self, table: Table) -> None:
        grid = RichTable(title=table.title, title_justify="left", box=box.SIMPLE_HEAD)
        for number, column in enumerate(table.columns):
            numeric = any(isinstance(row[number], int | float) for row in table.rows)
            grid.add_column(column, justify="right" if numeric else "left")
        for row in table.rows:
            grid.add_row(*(shown(cell) for cell in row))
        self.console.print(grid)
