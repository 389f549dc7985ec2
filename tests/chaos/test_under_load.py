"""The faults again, each while two companies work; the whole run is held against the invariants then."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.ending import comes_true
from tests.chaos.scene import Scene
from tests.chaos.waiting import until_ready
from tests.raw_client import LIMIT_S

# A busy machine takes its time.
pytestmark = pytest.mark.timeout(240)

WORK = 60


def nodes(scene: Scene) -> int:
    """Return how many routers the store believes in, for the first tenant."""
    return len(scene.store.call("KEYS", f"relevo:{{{scene.companies[0].tenant}}}:node:*"))


@pytest.mark.slow
@pytest.mark.fault("a router stands still past its lease and goes on")
async def test_a_router_that_is_frozen_past_its_lease_under_load(tmp_path: Path) -> None:
    async with Scene(tmp_path, seed=11) as scene:
        await scene.let_work(WORK)
        scene.freeze_router(0)
        assert await comes_true(lambda: nodes(scene) == 1, LIMIT_S)
        await scene.let_work(WORK)
        scene.thaw_router(0)
        await scene.let_work(WORK)
        await scene.heal()
        await scene.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("a router drains")
async def test_rolling_restart_under_load_breaks_no_invariant(tmp_path: Path) -> None:
    async with Scene(tmp_path, seed=12) as scene:
        await scene.let_work(WORK)
        for number in (0, 1):
            assert await scene.stop_router(number) == 0
            await scene.let_work(WORK)
            await scene.start_router(number)
        await scene.heal()
        await scene.check()


@pytest.mark.slow
@pytest.mark.fault("the store is killed and starts again")
async def test_a_store_that_is_killed_under_load(tmp_path: Path) -> None:
    async with Scene(tmp_path, seed=13) as scene:
        await scene.let_work(WORK)
        for _ in range(2):
            scene.kill_store()
            for router in scene.routers:
                await until_ready(router, False)
            await scene.start_store()
            await scene.let_work(WORK)
        await scene.heal()
        await scene.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("the store starts again empty")
async def test_a_store_that_starts_again_empty_under_load(tmp_path: Path) -> None:
    async with Scene(tmp_path, seed=14, store_arguments=()) as scene:
        await scene.let_work(WORK)
        scene.kill_store()
        scene.history.lost_since(0)
        await scene.start_store()
        await scene.let_work(WORK)
        await scene.heal()
        await scene.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("the store is flushed")
async def test_a_store_that_is_flushed_under_load(tmp_path: Path) -> None:
    async with Scene(tmp_path, seed=15) as scene:
        for _ in range(2):
            await scene.let_work(WORK)
            scene.empty_store()
        await scene.let_work(WORK)
        await scene.heal()
        await scene.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("the store loses its functions")
async def test_a_store_that_forgets_its_library_under_load(tmp_path: Path) -> None:
    async with Scene(tmp_path, seed=16) as scene:
        for _ in range(10):
            await scene.let_work(WORK // 5)
            scene.forget_functions()
        await scene.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("a router is cut off from the store in silence")
async def test_a_router_that_is_cut_off_from_the_store_under_load(tmp_path: Path) -> None:
    async with Scene(tmp_path, seed=17) as scene:
        await scene.let_work(WORK)
        scene.store_link(0).stall()
        await until_ready(scene.routers[0], False)
        assert await comes_true(lambda: nodes(scene) == 1, LIMIT_S)
        await scene.let_work(WORK)
        await scene.heal()
        await scene.let_work(WORK)
        await scene.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("a reply of the store is lost")
async def test_replies_of_the_store_that_are_lost_under_load(tmp_path: Path) -> None:
    async with Scene(tmp_path, seed=18) as scene:
        for number in range(20):
            scene.store_link(number % 2, "relevo-commands").drop_replies(after_bytes=number * 40)
            await scene.let_work(WORK // 10)
        await scene.heal()
        await scene.check()


@pytest.mark.slow
@pytest.mark.fault("the feed is cut", "the feed is thrown out by the store")
async def test_feeds_that_are_cut_under_load(tmp_path: Path) -> None:
    async with Scene(tmp_path, seed=19) as scene:
        for number in range(20):
            if number % 4:
                scene.store_link(number % 2, "relevo-feed").cut()
            else:
                # As the store does where too much waits: all at once, and without a word.
                scene.store.call("CLIENT", "KILL", "TYPE", "pubsub")
            await scene.let_work(WORK // 10)
        await scene.heal()
        await scene.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("the feed falls silent")
async def test_a_feed_that_falls_silent_under_load(tmp_path: Path) -> None:
    # Leases as they are by default: a router that hears nothing keeps its connections meanwhile.
    async with Scene(tmp_path, seed=20, node_lease_ms=6000) as scene:
        await scene.let_work(WORK)
        scene.store_link(0, "relevo-feed").stall()
        await scene.let_work(WORK)
        await until_ready(scene.routers[0], False)
        scene.store_link(0, "relevo-feed").heal()
        await until_ready(scene.routers[0])
        await scene.let_work(WORK)
        await scene.heal()
        await scene.check()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("the store's memory is full")
async def test_a_store_whose_memory_is_full_under_load(tmp_path: Path) -> None:
    async with Scene(tmp_path, seed=21, node_lease_ms=6000) as scene:
        await scene.let_work(WORK)
        scene.history.note_fault("the store's memory is full")
        scene.store.call("CONFIG", "SET", "maxmemory", 1)
        for router in scene.routers:
            await until_ready(router, False)
        scene.store.call("CONFIG", "SET", "maxmemory", 0)
        await asyncio.gather(*(until_ready(router) for router in scene.routers))
        await scene.let_work(WORK)
        await scene.heal()
        await scene.check()
