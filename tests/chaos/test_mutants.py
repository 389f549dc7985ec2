"""The checker is worth something: it notices when a rule is taken out of the router, and says which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.deployment import Deployment
from tests.chaos.scenario import Scenario
from tests.chaos.violation import report
from tests.next_release import copy_sources, replace

LUA = "router/store/lua"


async def nothing_breaks(deployment: Deployment) -> None:
    """Nothing breaks."""
    await deployment.let_work(200)


async def replies_are_lost(deployment: Deployment) -> None:
    """What the store answers to a change is lost, again and again."""
    for _ in range(6):
        for router in range(2):
            deployment.store_link(router).drop_replies(to=b"_session_")
        await deployment.let_work(40)


async def a_router_dies(deployment: Deployment) -> None:
    """An actor with a session leaves for good, and a router is killed with all its clients."""
    await deployment.let_work(100)
    await deployment.end_work()
    dora = deployment.actor("dora")
    await dora.call("status.set", status="connected")
    customer = {"id": "customer", "name": "Customer"}
    target = {"kind": "agent", "id": "dora"}
    await deployment.actor("crm").call("session.open", session_id="last", customer=customer, target=target)
    await dora.disconnect_for_good()
    deployment.kill_router(0)
    await deployment.heal()


async def the_store_goes_back(deployment: Deployment) -> None:
    """The store loses its latest changes."""
    await deployment.let_work(60)
    deployment.save_store()
    await deployment.let_work(150)
    await deployment.rewind_store()
    await deployment.let_work(60)


WORK = Scenario(nothing_breaks)
TWO_TENANTS = Scenario(nothing_breaks, {"tenants": ("acme", "globex")})
# A lost event is noticed at the lease's renewal; here that comes too late.
LONG_LEASE = Scenario(nothing_breaks, {"node_lease_ms": 90_000})
LOST_REPLIES = Scenario(replies_are_lost)
DEATH = Scenario(a_router_dies)
RETURN = Scenario(the_store_goes_back, {"store_arguments": ()})
SCENARIOS = {
    "work": WORK,
    "two tenants": TWO_TENANTS,
    "a long lease": LONG_LEASE,
    "lost replies": LOST_REPLIES,
    "a death": DEATH,
    "a return": RETURN,
}


@dataclass(frozen=True)
class Mutant:
    """In `file`, `old` becomes `new`, and a run of this scenario breaks `invariant`, or else `or_else`."""

    what: str
    invariant: str
    file: str
    old: str
    new: str = ""
    scenario: Scenario = WORK
    or_else: str = ""


MUTANTS = [
    Mutant(
        "the key is ignored",
        "S3",
        f"{LUA}/lib/run.lua",
        "field and find_key(field)",
        "nil",
        LOST_REPLIES,
    ),
    Mutant(
        "a reply that was lost is answered with another one",
        "S3",
        f"{LUA}/lib/run.lua",
        "if not s or s.order ~= order then",
        "if true then",
    ),
    Mutant(
        "the fence is not checked",
        "S2",
        f"{LUA}/lib/sessions.lua",
        "if request.fence and request.fence ~= s.fence then conflict(s) end",
    ),
    Mutant("the fence does not grow", "S2", f"{LUA}/lib/sessions.lua", "s.fence + 1, now", "s.fence, now"),
    Mutant(
        "load does not grow with what is owned",
        "S6",
        f"{LUA}/lib/directory.lua",
        "a.load = a.load + 1",
        "a.load = a.load",
    ),
    Mutant(
        "a full agent is available",
        "S6",
        f"{LUA}/lib/directory.lua",
        "a.load < a.capacity",
        "a.load <= a.capacity",
    ),
    Mutant(
        "the old owner keeps the session",
        "S1",
        f"{LUA}/lib/sessions.lua",
        "if s.owner_id then leave_owner(s) end",
        # Not a queue, which would hand the same session out without end.
        "if s.state == 'queued' then leave_owner(s) end",
    ),
    Mutant(
        "the reason is not in the history",
        "S8",
        "router/store/records.py",
        "    if reason is not None:\n        entries.append",
        "    if reason is None:\n        entries.append",
    ),
    Mutant(
        "the sweep forgets the sessions of an agent that has gone",
        "S7",
        f"{LUA}/lib/presence.lua",
        "local ids = a and owned_by(a, SWEEP_MAX) or {}",
        "local ids = {}",
        DEATH,
    ),
    Mutant(
        "a dead router keeps its connections",
        "L2",
        f"{LUA}/lib/presence.lua",
        "remove_connection(agent_id, node_id, connection_id, at, false)",
        "",
        DEATH,
    ),
    Mutant(
        "the epoch outlives what was lost",
        "S9",
        f"{LUA}/lib/step.lua",
        "if meta.run ~= run_id or not meta.epoch then",
        "if not meta.epoch then",
        RETURN,
        # A number that is used twice is a hole for one reader, and two directories for another.
        "S10",
    ),
    Mutant(
        "an event is not published",
        "L2",
        f"{LUA}/lib/commit.lua",
        "call('SPUBLISH', P .. 'feed', event)",
        "",
        LONG_LEASE,
    ),
    Mutant(
        "an event is not kept",
        "S9",
        f"{LUA}/lib/commit.lua",
        "put(written, meta.seq % meta.ring, event)",
    ),
    Mutant(
        "a push is dropped",
        "L2",
        "router/tenant/recipients.py",
        '    if owner is not None and session.state == "pending":',
        "    if False and owner is not None:",
    ),
    Mutant(
        "a patch says that it starts earlier",
        "S9",
        "router/tenant/directory.py",
        "since=seq",
        "since=seq - 1",
    ),
    Mutant(
        "a client that resumes gets nothing",
        "S9",
        "router/tenant/fanout.py",
        "patch = replica.patch_since(epoch, seq)",
        "patch = replica.patch_since(replica.epoch, replica.position)",
    ),
    Mutant(
        "a tenant's events go to another tenant, too",
        "S11",
        "router/tenant/feed.py",
        "following.hub.deliver(event)",
        "[other.hub.deliver(event) for other in self._tenants.values()]",
        TWO_TENANTS,
    ),
]
# One of a store command, one of the counts, one of a router; the checker has tests for each invariant.
BRIEF = {"the key is ignored", "load does not grow with what is owned", "a patch says that it starts earlier"}


async def run(tmp_path: Path, scenario: Scenario, **options: Any) -> tuple[set[str], str]:
    """Run a scenario; return the invariants that it breaks, and the report."""
    deployment = Deployment(
        tmp_path, seed=7, **{"tenants": ("acme",), "pause_s": 0.05, **scenario.options, **options}
    )
    async with deployment:
        await scenario.run(deployment)
        found = await deployment.violations()
        return {violation.invariant for violation in found}, report(deployment.history, found)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
async def test_the_router_itself_breaks_nothing(scenario: Scenario, tmp_path: Path) -> None:
    broken, told = await run(tmp_path, scenario)
    assert not broken, told


@pytest.mark.slow
@pytest.mark.parametrize(
    "mutant",
    [pytest.param(one, id=one.what, marks=() if one.what in BRIEF else pytest.mark.long) for one in MUTANTS],
)
async def test_a_broken_rule_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    sources = copy_sources(tmp_path / "sources")
    replace(sources, mutant.file, mutant.old, mutant.new)

    broken, told = await run(tmp_path, mutant.scenario, sources=sources, settle_limit_s=4.0)

    assert broken & {mutant.invariant, mutant.or_else}, told
