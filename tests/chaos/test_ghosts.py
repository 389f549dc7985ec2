"""The store counts the connections that are there, whatever it missed, lost or heard too late."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.ending import comes_true, read_store
from tests.chaos.scene import SETTLE_LIMIT_S, Scene


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_hello_with_a_lost_reply_leaves_no_ghost_connection(tmp_path: Path) -> None:
    async with Scene(tmp_path, seed=1, tenants=["acme"]) as scene:
        ana = scene.person("ana")
        await ana.go()
        scene.store_link(0).drop_replies(to=b"_connect\r\n")
        # The first hello is refused, after the store has taken note of the connection; the next is not.
        await ana.come(on=0)
        await scene.check()


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_rewound_store_counts_the_connections_of_now(tmp_path: Path) -> None:
    # A lease that outlives the restart: or the old connections would go with it.
    async with Scene(
        tmp_path, seed=1, tenants=["acme"], store_arguments=(), node_lease_ms=6000, settle_limit_s=30
    ) as scene:
        scene.save_store()
        await scene.person("ana").go_for_good()
        await scene.rewind_store()
        await scene.check()


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_connection_forgotten_by_the_store_is_registered_again(tmp_path: Path) -> None:
    async with Scene(tmp_path, seed=1, tenants=["acme"]) as scene:
        kept = read_store("acme", scene.store)
        [(node, connection)] = [
            (name, entry)
            for name, entries in kept.sets.items()
            for entry in entries
            if name.startswith("node:") and entry.startswith("ana ")
        ]
        lost = f"{node.removeprefix('node:')} {connection.removeprefix('ana ')}"
        scene.store.call("SREM", f"relevo:{{acme}}:{node}", connection)
        scene.store.call("SREM", "relevo:{acme}:connections:ana", lost)
        assert await comes_true(
            lambda: read_store("acme", scene.store).sets.get("connections:ana") == {lost}, SETTLE_LIMIT_S
        )
        await scene.check()
