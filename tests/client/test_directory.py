from __future__ import annotations

import random

from relevo_client.decode import decode
from relevo_client.directory import Directory, Patch, Snapshot
from relevo_client.events import DirectoryChanged

from .wire import Map, agent_row, department_row, patch_map, snapshot_map


def replace(directory: Directory, snapshot: Map) -> DirectoryChanged:
    return directory.replace(decode(Snapshot, snapshot))


def apply(directory: Directory, patch: Map) -> DirectoryChanged | None:
    return directory.apply(decode(Patch, patch))


def test_snapshot_replaces_everything() -> None:
    directory = Directory()
    replace(directory, snapshot_map(seq=1, agents=[agent_row("ana"), agent_row("bo")]))

    changed = replace(directory, snapshot_map(seq=7, epoch="e2", agents=[agent_row("cy")]))

    assert list(directory.agents) == ["cy"]
    assert (directory.epoch, directory.seq, directory.live) == ("e2", 7, True)
    assert changed.snapshot


def test_patch_that_continues_is_applied() -> None:
    directory = Directory()
    replace(directory, snapshot_map(seq=4, agents=[agent_row("ana"), agent_row("bo")]))

    changed = apply(directory, patch_map(4, 6, agents=[agent_row("ana", load=2)], agents_removed=["bo"]))

    assert changed is not None
    assert changed.agents_removed == ("bo",)
    assert directory.agents["ana"].load == 2
    assert "bo" not in directory.agents
    assert directory.position == ("e1", 6)


def test_row_that_is_removed_and_put_again_in_one_patch_is_there() -> None:
    directory = Directory()
    replace(directory, snapshot_map(seq=1))

    apply(
        directory,
        patch_map(1, 3, departments=[department_row("sales", name="New")], departments_removed=["sales"]),
    )

    assert directory.departments["sales"].name == "New"


def test_patch_with_a_gap_changes_nothing_and_ends_liveness() -> None:
    for patch in (patch_map(5, 6), patch_map(3, 5), patch_map(4, 5, epoch="e2")):
        directory = Directory()
        replace(directory, snapshot_map(seq=4))

        assert apply(directory, patch | {"agents": [agent_row("ana", load=9)]}) is None

        assert directory.agents["ana"].load == 0
        assert directory.position == ("e1", 4)
        assert not directory.live


def test_empty_directory_takes_no_patch() -> None:
    assert apply(Directory(), patch_map(0, 1)) is None


def test_agents_by_readiness_puts_the_least_loaded_first() -> None:
    directory = Directory()
    rows = [
        agent_row("gone", status="disconnected", available=False),
        agent_row("paused", status="pause", available=False),
        agent_row("pausing", status="pre_pause", available=False, load=1),
        agent_row("full", load=10, available=False),
        agent_row("half", load=5),
        agent_row("small", load=1, capacity=2, name="Aa"),
        agent_row("idle"),
        agent_row("none", load=0, capacity=0, available=False),
    ]
    random.Random(1).shuffle(rows)
    replace(directory, snapshot_map(agents=rows))

    order = [agent.id for agent in directory.agents_by_readiness()]

    assert order == ["idle", "small", "half", "full", "none", "pausing", "paused", "gone"]


def test_departments_with_an_available_agent_come_first() -> None:
    directory = Directory()
    rows = [department_row("a", available=0), department_row("c"), department_row("b")]
    replace(directory, snapshot_map(departments=rows))

    assert [row.id for row in directory.departments_by_readiness()] == ["b", "c", "a"]
