"""
``python -m bench.document DOCUMENT``: put what was measured into the marked parts of a document.

A part stands between ``<!-- bench: WHAT -->`` and ``<!-- end -->``. WHAT is one of

- ``machine``: what the figures are of;
- ``budgets``: every budget that was measured, and whether it is met;
- ``notes of SCENARIO``: what the scenario says of its figures;
- ``table N of SCENARIO: COLUMN, COLUMN``: these columns of its table, or all;
- ``plots of SCENARIO, SCENARIO``: their plots, copied into ``images/performance`` beside the document;
- ``last N lines of COMMAND``: what the command prints last. It is run if ``--run`` is given.

A part of which nothing was measured stays as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.report import markdown_table
from bench.results import Cell, Table, shown

PART = re.compile(r"(<!-- bench: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
IMAGES = Path("images/performance")


class Document:
    """
    The parts of a document.

    Args:
        path: The document.
        results: The folder of a run's results.
    """

    def __init__(self, path: Path, results: Path) -> None:
        self._path = path
        self._results = results
        self._records: dict[str, Mapping[str, Any]] = {
            file.stem: json.loads(file.read_text()) for file in sorted(results.glob("*.json"))
        }

    def fill(self, *, run: bool = False) -> str:
        """
        Return the document with its parts filled.

        Args:
            run: Whether to run the commands of which it shows the output.
        """

        def filled(part: re.Match[str]) -> str:
            content = self._content(part[2], run=run)
            return part[0] if content is None else f"{part[1]}\n{content}\n\n{part[3]}"

        return PART.sub(filled, self._path.read_text())

    def _content(self, what: str, *, run: bool) -> str | None:
        kinds: tuple[tuple[str, Callable[..., str | None]], ...] = (
            (r"machine", self._machine),
            (r"budgets", self._budgets),
            (r"notes of (\w+)", self._notes),
            (r"table (\d+) of (\w+)(?:: (.+))?", self._table),
            (r"plots of (.+)", self._plots),
        )
        if (command := re.fullmatch(r"last (\d+) lines of (.+)", what)) is not None:
            return _output(command[2], int(command[1])) if run else None
        for pattern, content in kinds:
            if (found := re.fullmatch(pattern, what)) is not None:
                return content(*found.groups()) if self._records else None
        raise ValueError(f"{self._path}: nothing is called {what!r}")

    def _machine(self) -> str:
        machine = next(iter(self._records.values()))["machine"]
        return markdown_table(Table("", ["machine", ""], [[name, value] for name, value in machine.items()]))

    def _budgets(self) -> str:
        table = Table("", ["what", "budget", "measured", "", "scenario"])
        for name, record in self._records.items():
            for verdict in record["verdicts"]:
                met = {True: "met", False: "**not met**", None: "not measured"}[verdict["met"]]
                remark = f" ({verdict['remark']})" if verdict["remark"] else ""
                measured = f"{shown(verdict['measured'])} {verdict['unit']}{remark}"
                table.add(verdict["what"], verdict["limit"], measured, met, f"`{name}`")
        return markdown_table(table)

    def _notes(self, scenario: str) -> str | None:
        record = self._records.get(scenario)
        return "\n".join(f"- {note}" for note in record["notes"]) if record is not None else None

    def _table(self, number: str, scenario: str, columns: str | None) -> str | None:
        record = self._records.get(scenario)
        if record is None:
            return None
        table = record["tables"][int(number) - 1]
        names = columns.split(", ") if columns else table["columns"]
        places = [table["columns"].index(name) for name in names]
        rows = [[row[place] for place in places] for row in table["rows"]]
        return markdown_table(Table(table["title"], names, rows))

    def _plots(self, scenarios: str) -> str | None:
        cells: list[Cell] = []
        for scenario in scenarios.split(", "):
            for number, plot in enumerate(self._records.get(scenario, {}).get("plots", ()), 1):
                [drawn] = self._results.glob(f"{scenario}-{number}-*.svg")
                image = IMAGES / f"{scenario}-{number}.svg"
                shutil.copyfile(drawn, self._path.parent / image)
                cells.append(f"![{plot['title']}]({image}) `{scenario}`")
        rows = [[*cells[place : place + 2], ""][:2] for place in range(0, len(cells), 2)]
        return markdown_table(Table("", ["", ""], [*rows])) if cells else None


def _output(command: str, lines_max: int) -> str:
    print(f"$ {command}", file=sys.stderr, flush=True)
    environment = {**os.environ, "MAKEFLAGS": "--no-print-directory", "COLUMNS": "110"}
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, env=environment, check=False)
    lines = (done.stdout + done.stderr).rstrip().splitlines()[-lines_max:]
    failed = [f"exit status {done.returncode}"] if done.returncode else []
    return "\n".join(["```", f"$ {command}", *lines, *failed, "```"])


def main(arguments: list[str]) -> int:
    """Fill documents; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.document", description="Fill in what was measured."
    )
    parser.add_argument("documents", type=Path, nargs="+")
    parser.add_argument("--results", type=Path, default=Path("bench-results"), help="folder of the results")
    parser.add_argument("--run", action="store_true", help="run the commands whose output is shown")
    parsed = parser.parse_args(arguments)
    for path in parsed.documents:
        path.write_text(Document(path, parsed.results).fill(run=parsed.run))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
