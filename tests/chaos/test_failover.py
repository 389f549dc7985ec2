"""A replica takes the primary's place, and the old primary goes on alone for a while or is gone."""

import asyncio
from pathlib import Path

import pytest

from relevo.router.store.client.durability import Durability, DurabilityLevel
from relevo.router.store.client.errors import StoreUnavailableError
from relevo.router.store.lua.library import FOLDER
from tests.chaos.conftest import PATIENT
from tests.chaos.durability import (
    MEMORY,
    REPLICA,
    DurabilityCase,
    FaultOutcome,
    cut_the_primary_off,
    kill_the_primary,
)
from tests.chaos.network_namespace import NEEDS, can_create_networks
from tests.chaos.waiting import insist, still_answered
from tests.e2e.conftest import MakeTenant, StartRouters
from tests.e2e.tenant import to_agent
from tests.e2e.test_presence import observe
from tests.router.conftest import using
from tests.router.store.client.test_topology import tenant_on
from tests.router.store.stored_tenant import StoredTenant
from tests.servers import (
    ClusterServers,
    StoreServer,
    redis_binary,
    valkey_binary,
    wait_until,
)
from tests.stored_records import events_of, key_of

# Sentinels take their time, and on a busy machine more of it.
pytestmark = pytest.mark.slow

needs_redis = pytest.mark.skipif(
    redis_binary() is None, reason="no redis-server on PATH: apt install redis-server"
)
needs_networks = pytest.mark.skipif(not can_create_networks(), reason=NEEDS)


def expect_a_new_run(outcome: FaultOutcome) -> None:
    """Hold the last primary's events against what a promotion must begin: an epoch of its own, from 1."""
    before, after = outcome.epochs
    assert after != before
    assert {event.epoch for event in outcome.events} == {after}
    assert [event.seq for event in outcome.events] == list(range(1, len(outcome.events) + 1))


def expect_no_more_than_was_asked(outcome: FaultOutcome) -> None:
    """Fail if a transfer was made without a command, or one was made twice."""
    assert outcome.audit.doubled == []
    assert outcome.audit.unasked == 0


@pytest.mark.fault("another primary is promoted")
@pytest.mark.parametrize(
    ("case", "binary"),
    [
        pytest.param(MEMORY, valkey_binary(), id="memory"),
        pytest.param(REPLICA, valkey_binary(), id="replica"),
        pytest.param(REPLICA, redis_binary(), id="replica-redis", marks=[needs_redis, pytest.mark.long]),
    ],
)
async def test_killed_primary_is_replaced_under_a_new_epoch(
    tmp_path: Path, case: DurabilityCase, binary: str
) -> None:
    outcome = await kill_the_primary(tmp_path, case, binary)
    expect_a_new_run(outcome)
    expect_no_more_than_was_asked(outcome)
    if case is REPLICA:
        assert outcome.audit.lost == []
    # By default what no replica had yet when the primary died may be gone, and nothing later.
    assert all(acknowledgement.at <= outcome.ended_at for acknowledgement in outcome.audit.lost)


@pytest.mark.network
@needs_networks
@pytest.mark.fault("an old primary is cut off with a router")
async def test_partitioned_primary_loses_nothing_that_replicas_acknowledged(
    tmp_path: Path,
) -> None:
    outcome = await cut_the_primary_off(tmp_path, REPLICA)
    assert outcome.audit.lost == []
    expect_a_new_run(outcome)
    expect_no_more_than_was_asked(outcome)


@pytest.mark.long
@pytest.mark.network
@needs_networks
@pytest.mark.fault("an old primary is cut off with a router")
async def test_partitioned_primary_by_default_loses_what_it_did_alone(
    tmp_path: Path,
) -> None:
    outcome = await cut_the_primary_off(tmp_path, MEMORY)
    lost = outcome.audit.lost
    assert lost
    assert {acknowledgement.session_id.partition("-")[0] for acknowledgement in lost} == {"loop0"}
    assert all(acknowledgement.at >= outcome.began_at for acknowledgement in lost)
    expect_a_new_run(outcome)
    expect_no_more_than_was_asked(outcome)


async def expect_promises_of_shards(
    cluster: ClusterServers, replicated: StoreServer, replica: StoreServer
) -> None:
    """Hold a shard that has a replica, and another one that has none, against what was promised."""
    promise = Durability(DurabilityLevel.REPLICA, timeout_ms=500)
    async with using(cluster.url, FOLDER, durability=promise) as store:
        kept = StoredTenant(store, tenant_on(cluster, replicated, "kept"))
        await kept.set_up()
        assert replica.call("SCARD", f"relevo:{{{kept.id}}}:departments") == 2
        with pytest.raises(StoreUnavailableError, match="not acknowledged in 500 ms"):
            await StoredTenant(store, tenant_on(cluster, cluster.nodes[1], "alone")).set_up()


@pytest.mark.origin("after a failover publishes succeeded and reached no subscriber")
@pytest.mark.fault("another primary is promoted")
async def test_killed_shard_goes_on_with_its_replica_under_a_new_epoch(
    tmp_path: Path, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    cluster = ClusterServers(tmp_path / "cluster").start()
    try:
        primary = cluster.nodes[0]
        replica = cluster.add_replica(primary)
        replica.call("READONLY")
        await expect_promises_of_shards(cluster, primary, replica)
        pair = start_routers(2, cluster.url, **PATIENT)
        tenant = make_tenant(pair, tenant_id=tenant_on(cluster, primary, "shard"))
        observers = [await observe(tenant, on=on) for on in (0, 1)]
        ana = await tenant.connect_agent("ana", on=0)
        bob = await tenant.connect_agent("bob", on=1)
        await tenant.open_session("chat-1", agent="ana")
        before, _ = observers[0].dialog.position
        kept = (key_of(tenant.id), "m")
        await asyncio.to_thread(
            wait_until, lambda: replica.call("HGET", *kept) == primary.call("HGET", *kept), "the replica"
        )

        primary.kill()
        wanted = {"session_id": "chat-1", "target": to_agent("bob"), "key": "once"}
        first = await insist(ana, "session.transfer", **wanted)
        assert await insist(ana, "session.transfer", **wanted) == first
        assert first["session"]["hops"] == 1
        await tenant.settle(*observers)
        for observer in observers:
            assert observer.dialog.position[0] != before
            assert observer.dialog.agents["bob"]["load"] == 1
        published = events_of(replica, tenant.id)
        assert {event.epoch for event in published} == {observers[0].dialog.position[0]}
        assert [event.seq for event in published] == list(range(1, len(published) + 1))
        await still_answered(bob)
        await tenant.disconnect_all()
        for router in pair:
            await asyncio.to_thread(router.stop)
    finally:
        cluster.stop()
