"""Results: verdicts on budgets, JSON, Markdown and plots."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.report import write
from bench.results import BUDGETS, Outcome, Plot, Table, Verdict


@pytest.mark.parametrize(
    ("budget", "measured", "met"),
    [
        ("transfer_router", 119.0, True),
        ("transfer_router", 121.0, False),
        ("transfer_rate", 4999.0, False),
        ("transfer_rate", 5000.0, True),
        ("transfer_scripts", 1.01, True),
        ("transfer_scripts", 1.1, False),
        ("transfer_router", None, None),
    ],
)
def test_verdict_compares_with_its_budget(budget: str, measured: float | None, met: bool | None) -> None:
    assert Verdict(budget, measured).met is met


@pytest.mark.slow
def test_report_holds_figures_verdicts_machine_and_plots(tmp_path: Path) -> None:
    outcome = Outcome("fanout", "python -m bench fanout")
    outcome.tables.append(Table("Changes", ["dialogs", "us"], [[1000, 9.5], [10_000, float("nan")]]))
    outcome.plots.append(Plot("Cost", "dialogs", "us", {"router": [(100, 9.0), (1000, 9.5)]}, log_x=True))
    outcome.verdicts.append(Verdict("delivery", 1.5))
    report = write([outcome], {"processor": "a fast one"}, tmp_path).read_text()
    assert "a fast one" in report
    assert BUDGETS["delivery"].limit in report
    assert "**not met**" in report
    assert "| 1,000 | 9.5 |" in report
    record = json.loads((tmp_path / "fanout.json").read_text())
    assert record["tables"][0]["rows"] == [[1000, 9.5], [10_000, None]]
    assert record["verdicts"][0]["met"] is False
    assert (tmp_path / "fanout-1-cost.svg").read_text().startswith("<?xml")
