"""Documents: what was measured stands in their marked parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.document import Document
from bench.report import write
from bench.results import Outcome, Plot, Table, Verdict


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The results of a run of one scenario."""
    outcome = Outcome("fanout", "python -m bench fanout", notes=["A note."])
    outcome.tables.append(Table("Changes", ["dialogs", "us", "failed"], [[1000, 9.5, 0], [10_000, 12.0, 1]]))
    outcome.plots.append(Plot("Cost", "dialogs", "us", {"router": [(100, 9.0)]}))
    outcome.verdicts.append(Verdict("delivery", 1.5))
    write([outcome], {"processor": "a fast one"}, tmp_path / "results")
    return tmp_path / "results"


def fill(results: Path, what: str, *, run: bool = False) -> str:
    """Return what a part that holds ``before`` holds afterwards."""
    document = results.parent / "docs" / "DOCUMENT.md"
    (document.parent / "images" / "performance").mkdir(parents=True, exist_ok=True)
    document.write_text(f"Above.\n\n<!-- bench: {what} -->\nbefore\n<!-- end -->\n\nBelow.\n")
    filled = Document(document, results).fill(run=run)
    head, tail = f"Above.\n\n<!-- bench: {what} -->\n", "<!-- end -->\n\nBelow.\n"
    assert filled.startswith(head)
    assert filled.endswith(tail)
    return filled[len(head) : -len(tail)].strip()


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("machine", "| processor | a fast one |"),
        ("budgets", "| 1.5 times | **not met** | `fanout` |"),
        ("notes of fanout", "- A note."),
        ("table 1 of fanout: dialogs, failed", "| 10,000 | 1 |"),
        ("plots of fanout", "![Cost](images/performance/fanout-1.svg)"),
    ],
)
def test_document_shows_what_was_measured(results: Path, what: str, line: str) -> None:
    content = fill(results, what)
    assert line in content
    assert "before" not in content


def test_document_with_a_plot_has_its_image(results: Path) -> None:
    fill(results, "plots of fanout")
    assert (results.parent / "docs/images/performance/fanout-1.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize("what", ["table 1 of storm: agents", "notes of storm", "last 3 lines of echo hello"])
def test_document_keeps_what_was_not_measured(results: Path, what: str) -> None:
    assert fill(results, what) == "before"


def test_document_shows_what_a_command_printed_and_how_it_failed(results: Path) -> None:
    command = "sh -c 'echo first; echo hello; exit 3'"
    printed = fill(results, f"last 1 lines of {command}", run=True)
    assert printed == f"```\n$ {command}\nhello\nexit status 3\n```"


def test_document_with_an_unknown_part_is_an_error(results: Path) -> None:
    with pytest.raises(ValueError, match="opinion"):
        fill(results, "opinion of fanout")
