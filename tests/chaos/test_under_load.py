"""Each fault while two workloads run; the run and the store are held against the invariants afterwards."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.deployment import Deployment
from tests.chaos.failover_deployment import FailoverDeployment
from tests.chaos.proxy import Link
from tests.chaos.scenario import Run, Scenario
from tests.chaos.settling import comes_true
from tests.chaos.waiting import until_ready
from tests.raw_client import LIMIT_S

# A busy machine takes its time.
pytestmark = pytest.mark.slow

WORK = 60
SCENARIOS: list[Any] = []


def scenario(
    *faults: str, long: bool = True, kind: type[Deployment] = Deployment, **options: Any
) -> Callable[[Run], Run]:
    """Register what happens in a run, by the faults that it brings about."""

    def register(run: Run) -> Run:
        marks = [pytest.mark.fault(*faults)] * bool(faults) + [pytest.mark.long] * long
        case = Scenario(run, {"seed": 11 + len(SCENARIOS), **options}, kind)
        SCENARIOS.append(pytest.param(case, id=run.__name__, marks=marks))
        return run

    return register


def nodes(deployment: Deployment) -> int:
    """Return how many routers the store believes in, for the first tenant."""
    return len(deployment.store.call("KEYS", f"relevo:{{{deployment.workloads[0].tenant}}}:node:*"))


@scenario()
async def no_fault(deployment: Deployment) -> None:
    await deployment.let_work(400)


@scenario("a router is killed under load", long=False)
async def routers_are_killed(deployment: Deployment) -> None:
    await deployment.let_work(150)
    deployment.kill_router(0)
    await deployment.let_work(150)
    await deployment.start_router(0)
    deployment.kill_router(1)
    await deployment.let_work(150)


@scenario("every link is cut and healed", long=False)
async def links_are_cut_and_healed_at_random(deployment: Deployment) -> None:
    chance = random.Random(3)
    actors = [actor for workload in deployment.workloads for actor in workload.actors.values()]
    links = [deployment.store_link(router) for router in range(2)]
    links += [deployment.client_link(actor, router) for actor in actors for router in range(2)]
    down: list[Link] = []
    for link in chance.sample(links, len(links)):
        link.down()
        down.append(link)
        await deployment.let_work(10)
        if len(down) > chance.randrange(3):
            down.pop(chance.randrange(len(down))).heal()


@scenario("a router stands still past its lease and goes on", long=False)
async def a_router_is_frozen_past_its_lease(deployment: Deployment) -> None:
    await deployment.let_work(WORK)
    deployment.freeze_router(0)
    assert await comes_true(lambda: nodes(deployment) == 1, LIMIT_S)
    await deployment.let_work(WORK)
    deployment.thaw_router(0)
    await deployment.let_work(WORK)


@scenario("a router drains")
async def routers_restart_in_turn(deployment: Deployment) -> None:
    await deployment.let_work(WORK)
    for number in (0, 1):
        assert await deployment.stop_router(number) == 0
        await deployment.let_work(WORK)
        await deployment.start_router(number)


@scenario("the store is killed and starts again", long=False)
async def the_store_is_killed_twice(deployment: Deployment) -> None:
    await deployment.let_work(WORK)
    for _ in range(2):
        deployment.kill_store()
        for router in deployment.routers:
            await until_ready(router, False)
        await deployment.start_store()
        await deployment.let_work(WORK)


@scenario("the store starts again empty", store_arguments=())
async def the_store_starts_again_empty(deployment: Deployment) -> None:
    await deployment.let_work(WORK)
    deployment.kill_store()
    deployment.history.lost_since(0)
    await deployment.start_store()
    await deployment.let_work(WORK)


@scenario("the store is flushed")
async def the_store_is_flushed_twice(deployment: Deployment) -> None:
    for _ in range(2):
        await deployment.let_work(WORK)
        deployment.empty_store()
    await deployment.let_work(WORK)


@scenario("the store loses its functions")
async def the_store_loses_its_functions(deployment: Deployment) -> None:
    for _ in range(10):
        await deployment.let_work(WORK // 5)
        deployment.forget_functions()


@scenario("a router is cut off from the store in silence")
async def a_router_is_cut_off_from_the_store(deployment: Deployment) -> None:
    await deployment.let_work(WORK)
    deployment.store_link(0).stall()
    await until_ready(deployment.routers[0], False)
    assert await comes_true(lambda: nodes(deployment) == 1, LIMIT_S)
    await deployment.let_work(WORK)
    await deployment.heal()
    await deployment.let_work(WORK)


@scenario("a reply of the store is lost")
async def replies_of_the_store_are_lost(deployment: Deployment) -> None:
    for number in range(20):
        deployment.store_link(number % 2, "relevo-commands").drop_replies(after_bytes=number * 40)
        await deployment.let_work(WORK // 10)


@scenario("the feed is cut", "the feed is thrown out by the store", long=False)
async def feeds_are_cut(deployment: Deployment) -> None:
    for number in range(20):
        if number % 4:
            deployment.store_link(number % 2, "relevo-feed").cut()
        else:
            # As the store does where too much waits: all at once, and without a word.
            deployment.store.call("CLIENT", "KILL", "TYPE", "pubsub")
        await deployment.let_work(WORK // 10)


# Leases as they are by default: a router that hears nothing keeps its connections meanwhile.
@scenario("the feed falls silent", node_lease_ms=6000)
async def a_feed_falls_silent(deployment: Deployment) -> None:
    await deployment.let_work(WORK)
    deployment.store_link(0, "relevo-feed").stall()
    await deployment.let_work(WORK)
    await until_ready(deployment.routers[0], False)
    deployment.store_link(0, "relevo-feed").heal()
    await until_ready(deployment.routers[0])
    await deployment.let_work(WORK)


@scenario("the store's memory is full", node_lease_ms=6000)
async def the_stores_memory_is_full(deployment: Deployment) -> None:
    await deployment.let_work(WORK)
    deployment.history.note_fault("the store's memory is full")
    deployment.store.call("CONFIG", "SET", "maxmemory", 1)
    for router in deployment.routers:
        await until_ready(router, False)
    deployment.store.call("CONFIG", "SET", "maxmemory", 0)
    await asyncio.gather(*(until_ready(router) for router in deployment.routers))
    await deployment.let_work(WORK)


@scenario("another primary is promoted", kind=FailoverDeployment, durability="replica")
async def the_primary_is_killed(deployment: FailoverDeployment) -> None:
    await deployment.let_work(150)
    await deployment.kill_primary()
    await deployment.let_work(150)


@scenario("another primary is promoted", kind=FailoverDeployment, durability="memory")
async def the_primary_is_frozen(deployment: FailoverDeployment) -> None:
    await deployment.let_work(150)
    await deployment.freeze_primary()
    await deployment.let_work(150)


# When it goes on, one replica may still follow it, and confirm what the promoted one does not have.
@scenario("another primary is promoted", kind=FailoverDeployment, durability="replica", durability_replicas=2)
async def the_primary_is_frozen_with_replicas(deployment: FailoverDeployment) -> None:
    await the_primary_is_frozen(deployment)


@pytest.mark.parametrize("case", SCENARIOS)
async def test_fault_under_load_breaks_no_invariant(case: Scenario, tmp_path: Path) -> None:
    async with case.kind(tmp_path, **case.options) as deployment:
        await case.run(deployment)
        await deployment.heal()
        await deployment.check()
