"""The faults again, each while two workloads run; the whole run is held against the invariants then."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.deployment import Deployment
from tests.chaos.settling import comes_true
from tests.chaos.waiting import until_ready
from tests.raw_client import LIMIT_S

# A busy machine takes its time.
pytestmark = pytest.mark.timeout(240)

WORK = 60


def nodes(deployment: Deployment) -> int:
    """Return how many routers the store believes in, for the first tenant."""
    return len(deployment.store.call("KEYS", f"relevo:{{{deployment.workloads[0].tenant}}}:node:*"))


@pytest.mark.slow
@pytest.mark.fault("a router stands still past its lease and goes on")
async def test_a_router_that_is_frozen_past_its_lease_under_load(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=11) as deployment:
        await deployment.let_work(WORK)
        deployment.freeze_router(0)
        assert await comes_true(lambda: nodes(deployment) == 1, LIMIT_S)
        await deployment.let_work(WORK)
        deployment.thaw_router(0)
        await deployment.let_work(WORK)
        await deployment.heal()
        await deployment.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("a router drains")
async def test_rolling_restart_under_load_breaks_no_invariant(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=12) as deployment:
        await deployment.let_work(WORK)
        for number in (0, 1):
            assert await deployment.stop_router(number) == 0
            await deployment.let_work(WORK)
            await deployment.start_router(number)
        await deployment.heal()
        await deployment.check()


@pytest.mark.slow
@pytest.mark.fault("the store is killed and starts again")
async def test_a_store_that_is_killed_under_load(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=13) as deployment:
        await deployment.let_work(WORK)
        for _ in range(2):
            deployment.kill_store()
            for router in deployment.routers:
                await until_ready(router, False)
            await deployment.start_store()
            await deployment.let_work(WORK)
        await deployment.heal()
        await deployment.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("the store starts again empty")
async def test_a_store_that_starts_again_empty_under_load(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=14, store_arguments=()) as deployment:
        await deployment.let_work(WORK)
        deployment.kill_store()
        deployment.history.lost_since(0)
        await deployment.start_store()
        await deployment.let_work(WORK)
        await deployment.heal()
        await deployment.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("the store is flushed")
async def test_a_store_that_is_flushed_under_load(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=15) as deployment:
        for _ in range(2):
            await deployment.let_work(WORK)
            deployment.empty_store()
        await deployment.let_work(WORK)
        await deployment.heal()
        await deployment.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("the store loses its functions")
async def test_a_store_that_forgets_its_library_under_load(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=16) as deployment:
        for _ in range(10):
            await deployment.let_work(WORK // 5)
            deployment.forget_functions()
        await deployment.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("a router is cut off from the store in silence")
async def test_a_router_that_is_cut_off_from_the_store_under_load(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=17) as deployment:
        await deployment.let_work(WORK)
        deployment.store_link(0).stall()
        await until_ready(deployment.routers[0], False)
        assert await comes_true(lambda: nodes(deployment) == 1, LIMIT_S)
        await deployment.let_work(WORK)
        await deployment.heal()
        await deployment.let_work(WORK)
        await deployment.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("a reply of the store is lost")
async def test_replies_of_the_store_that_are_lost_under_load(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=18) as deployment:
        for number in range(20):
            deployment.store_link(number % 2, "relevo-commands").drop_replies(after_bytes=number * 40)
            await deployment.let_work(WORK // 10)
        await deployment.heal()
        await deployment.check()


@pytest.mark.slow
@pytest.mark.fault("the feed is cut", "the feed is thrown out by the store")
async def test_feeds_that_are_cut_under_load(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=19) as deployment:
        for number in range(20):
            if number % 4:
                deployment.store_link(number % 2, "relevo-feed").cut()
            else:
                # As the store does where too much waits: all at once, and without a word.
                deployment.store.call("CLIENT", "KILL", "TYPE", "pubsub")
            await deployment.let_work(WORK // 10)
        await deployment.heal()
        await deployment.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("the feed falls silent")
async def test_a_feed_that_falls_silent_under_load(tmp_path: Path) -> None:
    # Leases as they are by default: a router that hears nothing keeps its connections meanwhile.
    async with Deployment(tmp_path, seed=20, node_lease_ms=6000) as deployment:
        await deployment.let_work(WORK)
        deployment.store_link(0, "relevo-feed").stall()
        await deployment.let_work(WORK)
        await until_ready(deployment.routers[0], False)
        deployment.store_link(0, "relevo-feed").heal()
        await until_ready(deployment.routers[0])
        await deployment.let_work(WORK)
        await deployment.heal()
        await deployment.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("the store's memory is full")
async def test_a_store_whose_memory_is_full_under_load(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=21, node_lease_ms=6000) as deployment:
        await deployment.let_work(WORK)
        deployment.history.note_fault("the store's memory is full")
        deployment.store.call("CONFIG", "SET", "maxmemory", 1)
        for router in deployment.routers:
            await until_ready(router, False)
        deployment.store.call("CONFIG", "SET", "maxmemory", 0)
        await asyncio.gather(*(until_ready(router) for router in deployment.routers))
        await deployment.let_work(WORK)
        await deployment.heal()
        await deployment.check()
