"""Random faults: what the seed decides, and a round of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.__main__ import play_round
from tests.chaos.plan import STORES, make_plan

ENDS = {"kill_router", "stop_router", "freeze_router"}
SEEDS = range(500)


def test_a_seed_brings_the_same_faults_again() -> None:
    assert [make_plan(seed) for seed in SEEDS] == [make_plan(seed) for seed in SEEDS]
    assert len({make_plan(seed) for seed in SEEDS}) == len(SEEDS)


def test_what_ends_is_there_and_what_starts_is_not() -> None:
    for seed in SEEDS:
        plan, away, is_store_there = make_plan(seed), set[int](), True
        for step in plan.steps:
            if step.act in ENDS:
                assert step.router not in away
                away.add(step.router)
            elif step.act in ("start_router", "thaw_router"):
                away.remove(step.router)
            elif step.act in ("kill_store", "start_store"):
                assert is_store_there == (step.act == "kill_store")
                is_store_there = not is_store_there
            elif step.act in ("empty_store", "rewind_store"):
                assert is_store_there


def test_data_is_lost_only_where_the_round_says_so() -> None:
    losses = {"kept": set[str](), "emptied": {"empty_store"}, "gone back": {"rewind_store"}}
    found = {store: set[str]() for store in STORES}
    for seed in SEEDS:
        plan = make_plan(seed)
        found[plan.store] |= {step.act for step in plan.steps} & {"empty_store", "rewind_store"}
    assert found == losses


@pytest.mark.slow
def test_a_round_of_random_faults_breaks_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    totals: Counter[str] = Counter()
    clean = play_round(tmp_path / "round", 1, totals)
    assert clean, capsys.readouterr().out
    assert totals["faults"] > 0
    assert totals["done"] > 0
