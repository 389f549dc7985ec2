"""Write what was found: JSON for programs, Markdown with SVG plots for people."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.plots import draw
from bench.results import BUDGETS, Outcome, Table, Verdict, shown


def write(outcomes: Sequence[Outcome], machine: Mapping[str, str], folder: Path) -> Path:
    """
    Write the report, and return its path.

    Args:
        outcomes: Of the scenarios that ran.
        machine: What they ran on.
        folder: Where to; one JSON file and the plots of each scenario, and one report of all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["# What Relevo costs, and how long it takes", "", *_machine(machine), ""]
    verdicts = [(outcome, verdict) for outcome in outcomes for verdict in outcome.verdicts]
    if verdicts:
        lines += ["## Budgets", "", *_budgets(verdicts), ""]
    for outcome in outcomes:
        lines += [f"## {outcome.scenario}", "", f"`{outcome.command}`, {outcome.seconds:.0f} s", ""]
        for note in outcome.notes:
            lines += [note, ""]
        for table in outcome.tables:
            lines += [f"### {table.title}", "", markdown_table(table), ""]
        for number, plot in enumerate(outcome.plots):
            name = f"{outcome.scenario}-{number + 1}-{_slug(plot.title)}.svg"
            draw(plot, folder / name)
            lines += [f"![{plot.title}]({name})", ""]
        record = {"machine": dict(machine), **dataclasses.asdict(outcome)}
        record["verdicts"] = [_verdict(verdict) for verdict in outcome.verdicts]
        text = json.dumps(_plain(record), indent=1)
        (folder / f"{outcome.scenario}.json").write_text(text + "\n")
    path = folder / "report.md"
    path.write_text("\n".join(lines).rstrip() + "\n")
    return path


def _machine(machine: Mapping[str, str]) -> list[str]:
    return ["| machine | |", "|---|---|", *(f"| {name} | {value} |" for name, value in machine.items())]


def _budgets(verdicts: Sequence[tuple[Outcome, Verdict]]) -> list[str]:
    lines = ["| what | budget | measured | | command |", "|---|---|---|---|---|"]
    for outcome, verdict in verdicts:
        budget = BUDGETS[verdict.budget]
        met = {True: "met", False: "**not met**", None: "not measured"}[verdict.met]
        measured = f"{shown(verdict.measured)} {budget.unit}"
        remark = f" ({verdict.remark})" if verdict.remark else ""
        lines.append(f"| {budget.what} | {budget.limit} | {measured}{remark} | {met} | `{outcome.command}` |")
    return lines


def markdown_table(table: Table) -> str:
    """Return a table as Markdown has it; columns of numbers are aligned to the right."""
    numeric = [
        any(isinstance(row[number], int | float) for row in table.rows)
        for number in range(len(table.columns))
    ]
    lines = ["| " + " | ".join(table.columns) + " |"]
    lines.append("|" + "|".join("--:" if right else "---" for right in numeric) + "|")
    lines += ["| " + " | ".join(shown(cell) for cell in row) + " |" for row in table.rows]
    return "\n".join(lines)


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        **dataclasses.asdict(BUDGETS[verdict.budget]),
        "measured": verdict.measured,
        "met": verdict.met,
        "remark": verdict.remark,
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it, in which a number that is none is null."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
