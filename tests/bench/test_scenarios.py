"""One scenario, in its smallest size, against a real router."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.__main__ import main


@pytest.mark.slow
def test_fanout_in_its_smallest_size_shows_every_change(tmp_path: Path) -> None:
    arguments = ["--clients", "20", "--rates", "20", "--seconds", "0.4", "--load-processes", "2"]

    assert main(["fanout", *arguments, "--quiet", "--out", str(tmp_path)]) == 0

    [changes] = json.loads((tmp_path / "fanout.json").read_text())["tables"]
    measured = dict(zip(changes["columns"], *changes["rows"], strict=True))
    # Eight changes were due; some may share a frame.
    assert 1 <= measured["frames/dialog"] <= 8
    assert measured["failed"] == 0
    assert measured["p99 ms"]
