"""Every scenario runs, in its smallest size, against real routers, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def run(folder: Path, scenario: str, *arguments: str) -> dict[str, Any]:
    sizes = ["--seconds", "0.4", "--load-processes", "2", "--quiet", "--out", str(folder)]
    assert main([scenario, *sizes, *arguments]) == 0
    found: dict[str, Any] = json.loads((folder / f"{scenario}.json").read_text())
    return found


def column(table: dict[str, Any], name: str) -> Sequence[Any]:
    place = table["columns"].index(name)
    return [row[place] for row in table["rows"]]


def test_changes_reach_all_dialogs(tmp_path: Path) -> None:
    found = run(tmp_path, "fanout", "--clients", "20", "--rates", "20")
    [changes] = found["tables"]
    assert column(changes, "failed") == [0]
    assert column(changes, "frames/dialog") == [pytest.approx(8, abs=1)]
    assert all(column(changes, "p99 ms"))


def test_transfers_arrive(tmp_path: Path) -> None:
    found = run(tmp_path, "transfer", "--clients", "16", "--rates", "100")
    rising, others = found["tables"]
    for table in (rising, others):
        assert set(column(table, "failed")) == {0}
        assert all(done == pytest.approx(100, rel=0.1) for done in column(table, "done /s"))
    assert column(rising, "scripts") == [pytest.approx(1, abs=0.1)]


def test_answers_wait_for_disk_or_replicas(tmp_path: Path) -> None:
    found = run(tmp_path, "durability", "--clients", "16", "--rates", "100")
    [costs] = found["tables"]
    assert set(column(costs, "failed")) == {0}
    assert all(column(costs, "answer p99 ms"))
    in_memory, replicated, *awaited = column(costs, "waits")
    assert (in_memory, replicated) == (0, 0)
    assert len(awaited) == 3
    assert all(0 < waits <= 1.1 for waits in awaited)


def test_agents_come_and_go(tmp_path: Path) -> None:
    connects = run(tmp_path, "connect", "--rates", "50")["tables"][0]
    assert column(connects, "done /s")[0] > 5
    storm = run(tmp_path, "storm", "--clients", "40")
    assert column(storm["tables"][0], "directories read") == [0, 0]
    idle = run(tmp_path, "idle", "--clients", "200")["tables"][0]
    assert column(idle, "agents") == [200]
