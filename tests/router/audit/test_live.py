"""An audit of a store that routers write to finds nothing that is not so, and delays no command for long."""

import asyncio
import random
from contextlib import suppress

import pytest

from relevo.router.audit import Audit
from relevo.router.audit.runner import READS_MAX
from relevo.router.audit.scan import Counts, violations
from relevo.router.store import answers
from relevo.router.store.commands import CommandRejectedError
from tests.router.audit.fixture import Fixture
from tests.router.store.stored_tenant import HELP, SALES, StoredTenant, to_agent

AGENTS = [f"agent-{number}" for number in range(12)]
SESSIONS = [f"session-{number}" for number in range(30)]
TARGETS = [*map(to_agent, AGENTS), SALES, HELP]
STATUSES = ["connected", "connected", "pre_pause", "pause"]


async def do_something(tenant: StoredTenant, chance: random.Random) -> None:
    """Do what an agent or an admin does, at random."""
    session_id, agent_id, target = chance.choice(SESSIONS), chance.choice(AGENTS), chance.choice(TARGETS)
    match chance.randrange(10):
        case 0:
            await tenant.open(session_id, target)
        case 1:
            await tenant.transfer(session_id, target, reason="because")
        case 2 | 3:
            await tenant.transfer(session_id, target)
        case 4:
            await tenant.accept(session_id, agent_id)
        case 5:
            await tenant.decline(session_id, agent_id)
        case 6:
            await tenant.close(session_id)
        case 7:
            await tenant.status(agent_id, chance.choice(STATUSES))
        case 8:
            await tenant.disconnect(agent_id, clean=True)
        case 9:
            await tenant.connect(agent_id, [chance.choice(["sales", "help"])], 3)


async def work(tenant: StoredTenant, seed: int, steps: int) -> None:
    """Do something again and again; what is refused is refused."""
    chance = random.Random(seed)
    for _ in range(steps):
        with suppress(CommandRejectedError):
            await do_something(tenant, chance)


@pytest.mark.slow
async def test_no_false_alarm_while_agents_work(fixture: Fixture) -> None:
    tenant = fixture.tenant
    await tenant.connect_new(*AGENTS, departments=["sales", "help"], capacity=3)
    working = [asyncio.create_task(work(tenant, seed, 500)) for seed in range(4)]
    looked = Counts()
    while not all(task.done() for task in working):
        found = violations(tenant.commands.store, tenant.commands, tenant.id, looked)
        assert [violation async for _, violation in found] == []
    await asyncio.gather(*working)
    assert looked.unsettled == 0
    assert looked.keys > 200
    assert await fixture.audit() == []


@pytest.mark.slow
async def test_a_repair_while_agents_work_puts_everything_right(fixture: Fixture) -> None:
    tenant = fixture.tenant
    await tenant.connect_new(*AGENTS, departments=["sales", "help"], capacity=3)
    working = [asyncio.create_task(work(tenant, seed, 300)) for seed in range(4)]
    chance = random.Random(9)
    while not all(task.done() for task in working):
        agent_id, session_id = chance.choice(AGENTS), chance.choice(SESSIONS)
        fixture.call("SREM", "agents", agent_id)
        fixture.call("ZADD", f"pending:{agent_id}", 1, session_id)
        fixture.call("ZREM", "state:pending", session_id)
        fixture.call("ZADD", "available:sales", 0, agent_id)
        fixture.call("SREM", "node:node", f"{agent_id} of-{agent_id}")
        await fixture.repair()
    await asyncio.gather(*working)
    await fixture.repair()
    assert await fixture.audit() == []


async def test_no_read_of_a_large_tenant_is_a_long_one(fixture: Fixture) -> None:
    await fixture.tenant.connect_new(
        *(f"agent-{number}" for number in range(300)), departments=["sales", "help"]
    )
    audit = Audit(["tenant", "agents", "departments", "members:sales", "available:sales"])
    longest = total = 0
    while reads := audit.reads():
        total, longest = total + len(reads), max(longest, len(reads))
        found = await fixture.tenant.commands.read_snapshot(fixture.tenant.id, reads)
        audit.take([answers.plain(value) for value in found.values], found.now)
    assert total > 3 * READS_MAX
    assert longest < 2 * READS_MAX
    assert list(audit.violations) == []
