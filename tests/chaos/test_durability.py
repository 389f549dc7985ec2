"""A store that cannot keep what an acknowledgement promises, for a while or from the start."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.conftest import LEASE_MS, SHORT
from tests.chaos.waiting import insist, still_answered, until_ready
from tests.e2e.conftest import MakeTenant, StartRouters
from tests.routers import RouterProcess, standing_still
from tests.servers import StoreServer, free_port, running, wait_until

pytestmark = pytest.mark.slow


async def test_store_without_its_replica_acknowledges_no_change(
    tmp_path: Path, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    (tmp_path / "primary").mkdir()
    (tmp_path / "replica").mkdir()
    with running(StoreServer(tmp_path / "primary", port=free_port())) as primary:
        follow = ["--replicaof", f"127.0.0.1 {primary.port}"]
        with running(StoreServer(tmp_path / "replica", port=free_port(), arguments=follow)) as replica:
            wait_until(lambda: replica.call("INFO")["master_link_status"] == "up", "the replica")
            promises = {"durability": "replica", "durability_timeout_ms": 300}
            (router,) = start_routers(1, primary.url, **SHORT, **promises)
            tenant = make_tenant([router])
            ana = await tenant.connect_agent("ana")
            pause = {"status": "pause", "key": "once"}
            with standing_still(replica.pid):
                # For longer than a lease, which is renewed all the same.
                for _ in range(2 * LEASE_MS // 300 + 1):
                    error = (await ana.reply(await ana.send("status.set", **pause)))["error"]
                    assert error["code"] == "unavailable"
                    # On a busy machine the store may be late to say that no replica had it.
                    assert "not acknowledged in 300 ms" in error["details"]["reason"]
                assert "the store is unavailable" in await until_ready(router, ready=False)
                assert await tenant.list_sessions() == []
                await still_answered(ana)
            chosen = await insist(ana, "status.set", **pause)
            assert chosen["agent"]["status"] == "pause"
            await until_ready(router)
            await still_answered(ana)
            await ana.close()
            await asyncio.to_thread(router.stop)


async def test_fsync_without_an_append_only_file_keeps_the_router_unready(
    own_store: StoreServer, tmp_path: Path, make_tenant: MakeTenant
) -> None:
    router = RouterProcess(own_store.url, tmp_path / "router.log", durability="fsync")
    router.launch()
    try:
        await asyncio.to_thread(wait_until, lambda: is_there(router), "the router")
        await until_ready(router, ready=False)
        assert "durability `fsync` needs (appendonly yes)" in (tmp_path / "router.log").read_text()
        tenant = make_tenant([router])
        answer = await tenant.post("department.put", department={"id": "sales", "name": "Sales"}, key="once")
        assert (answer.status, answer.body["code"]) == (503, "unavailable")
        assert "appendonly is disabled" in answer.body["details"]["reason"]

        own_store.call("CONFIG", "SET", "appendonly", "yes")
        await until_ready(router)
        answer = await tenant.post("department.put", department={"id": "sales", "name": "Sales"}, key="once")
        assert answer.status == 200
    finally:
        await asyncio.to_thread(router.stop)


def is_there(router: RouterProcess) -> bool:
    """Return whether a router answers, be it ready or not."""
    try:
        return router.get("/healthz")[0] == 200
    except OSError:
        return False
