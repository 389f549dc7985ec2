"""The store counts the connections that are there, whatever it missed, lost or heard too late."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.deployment import SETTLE_LIMIT_S, Deployment
from tests.chaos.settling import comes_true, read_store


@pytest.mark.slow
async def test_hello_with_a_lost_reply_leaves_no_ghost_connection(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=1, tenants=["acme"]) as deployment:
        ana = deployment.actor("ana")
        await ana.disconnect()
        deployment.store_link(0).drop_replies(to=b"_connect\r\n")
        # The first hello is refused, after the store has taken note of the connection; the next is not.
        await ana.connect(on=0)
        await deployment.check()


@pytest.mark.slow
async def test_rewound_store_counts_the_connections_of_now(tmp_path: Path) -> None:
    # A lease that outlives the restart: or the old connections would go with it.
    async with Deployment(
        tmp_path, seed=1, tenants=["acme"], store_arguments=(), node_lease_ms=6000, settle_limit_s=30
    ) as deployment:
        deployment.save_store()
        await deployment.actor("ana").disconnect_for_good()
        await deployment.rewind_store()
        await deployment.check()


@pytest.mark.slow
async def test_connection_forgotten_by_the_store_is_registered_again(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=1, tenants=["acme"]) as deployment:
        kept = read_store("acme", deployment.store)
        [(node, connection)] = [
            (name, entry)
            for name, entries in kept.sets.items()
            for entry in entries
            if name.startswith("node:") and entry.startswith("ana ")
        ]
        lost = f"{node.removeprefix('node:')} {connection.removeprefix('ana ')}"
        deployment.store.call("SREM", f"relevo:{{acme}}:{node}", connection)
        deployment.store.call("SREM", "relevo:{acme}:connections:ana", lost)
        assert await comes_true(
            lambda: read_store("acme", deployment.store).sets.get("connections:ana") == {lost}, SETTLE_LIMIT_S
        )
        await deployment.check()
