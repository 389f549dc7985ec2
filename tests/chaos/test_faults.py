"""Nothing is lost, doubled or untrue, whatever breaks while actors work."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos.deployment import Deployment
from tests.chaos.proxy import Link


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_work_without_a_fault_breaks_no_invariant(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=1) as deployment:
        await deployment.let_work(400)
        await deployment.check()


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.fault("a router is killed under load")
async def test_router_killed_under_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=2) as deployment:
        await deployment.let_work(150)
        deployment.kill_router(0)
        await deployment.let_work(150)
        await deployment.start_router(0)
        deployment.kill_router(1)
        await deployment.let_work(150)
        await deployment.heal()
        await deployment.check()


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.fault("every link is cut and healed")
async def test_links_cut_and_healed_at_random_leave_all_in_agreement(
    tmp_path: Path,
) -> None:
    async with Deployment(tmp_path, seed=3) as deployment:
        chance = random.Random(3)
        links = [deployment.store_link(router) for router in range(2)]
        links += [
            deployment.client_link(actor, router)
            for workload in deployment.workloads
            for actor in workload.actors.values()
            for router in range(2)
        ]
        down: list[Link] = []
        for link in chance.sample(links, len(links)):
            link.down()
            down.append(link)
            await deployment.let_work(10)
            if len(down) > chance.randrange(3):
                down.pop(chance.randrange(len(down))).heal()
        await deployment.heal()
        await deployment.check()
