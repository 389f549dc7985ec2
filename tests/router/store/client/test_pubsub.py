import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from relevo.router.observe.supervisor import Supervisor
from relevo.router.store.client import pubsub
from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.pipeline import PipelineLimits
from relevo.router.store.client.pubsub import PubSub, SubscriberConnection
from tests.chaos.proxy import Proxy
from tests.router.conftest import hanging_up, using
from tests.router.store.client.test_topology import other_node, slot, tenant_on
from tests.servers import ClusterServers, StoreServer

# Ticks of silence, of 20 ms each: more than other work on this machine keeps a heartbeat waiting ...
PATIENT = 100
# ... and few, for tests in which silence is what happens.
IMPATIENT = 10


class RecordingPubSub:
    """PubSub whose calls are kept in order."""

    def __init__(self, store: StoreClient, silence_max: int) -> None:
        self.calls: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        self.supervisor = Supervisor()
        self.subscriptions = PubSub(
            store,
            "node-1",
            lambda tenant, payload: self.calls.put_nowait(("event", tenant, payload.decode())),
            lambda tenant: self.calls.put_nowait(("subscribed", tenant)),
            lambda tenant: self.calls.put_nowait(("lost", tenant)),
            self.supervisor,
            tick_s=0.02,
            silence_max=silence_max,
        )

    def healthy(self) -> bool:
        return self.subscriptions.healthy

    async def expect(self, *call: str) -> None:
        """Wait for the next call of a handler, and compare it."""
        async with asyncio.timeout(30):
            assert await self.calls.get() == call

    async def follow(self, *tenants: str) -> None:
        """Add tenants, and wait until all are confirmed."""
        for tenant in tenants:
            self.subscriptions.add(tenant)
        for _ in tenants:
            async with asyncio.timeout(30):
                assert (await self.calls.get())[0] == "subscribed"


@asynccontextmanager
async def following(store: StoreClient, silence_max: int = PATIENT) -> AsyncIterator[RecordingPubSub]:
    follower = RecordingPubSub(store, silence_max)
    yield follower
    await follower.subscriptions.close()


async def until(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    """Let the loop go on until a condition holds."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in a server or inside a task
            await asyncio.sleep(0.002)


def feed_connections(server: StoreServer) -> int:
    clients: bytes = server.call("CLIENT", "LIST")
    return clients.count(b" name=relevo-feed ")


async def test_placing_that_fails_is_restarted_and_places_the_tenant(
    store: StoreClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [LookupError("a defect")]
    subscribe = SubscriberConnection.subscribe

    def subscribe_or_fail(connection: SubscriberConnection, tenant: str) -> None:
        if failures:
            raise failures.pop()
        subscribe(connection, tenant)

    monkeypatch.setattr(SubscriberConnection, "subscribe", subscribe_or_fail)
    async with following(store) as follower:
        await follower.follow("acme")
        assert follower.supervisor.restarts == {"feed subscription": 1}


async def test_published_events_arrive_in_order(store: StoreClient) -> None:
    async with following(store) as follower:
        await follower.follow("acme")
        for number in range(20):
            await store.run("acme", "publish", b"%d" % number)
        for number in range(20):
            await follower.expect("event", "acme", str(number))
        assert follower.healthy()


async def test_tenants_receive_their_own_feed_over_one_connection(
    store: StoreClient, valkey: StoreServer
) -> None:
    async with following(store) as follower:
        await follower.follow("acme", "bolt", "core")
        await store.run("bolt", "publish", b"for bolt")
        await follower.expect("event", "bolt", "for bolt")
        assert feed_connections(valkey) == 1
        assert follower.subscriptions.confirmed == 3


async def test_last_removed_tenant_closes_the_connection(store: StoreClient, valkey: StoreServer) -> None:
    async with following(store) as follower:
        await follower.follow("acme", "bolt")
        follower.subscriptions.remove("acme")
        await store.run("acme", "publish", b"not received")
        await store.run("bolt", "publish", b"received")
        await follower.expect("event", "bolt", "received")
        follower.subscriptions.remove("bolt")
        await until(lambda: not feed_connections(valkey))
        assert follower.healthy()
        await follower.follow("acme")
        await store.run("acme", "publish", b"again")
        await follower.expect("event", "acme", "again")


async def test_tenant_removed_and_added_at_once_receives_events(store: StoreClient) -> None:
    async with following(store) as follower:
        await follower.follow("acme", "bolt")
        follower.subscriptions.remove("acme")
        follower.subscriptions.add("acme")
        await follower.expect("subscribed", "acme")
        await store.run("acme", "publish", b"once")
        await follower.expect("event", "acme", "once")


async def test_heartbeat_goes_on_when_its_tenant_is_removed(store: StoreClient, valkey: StoreServer) -> None:
    async with following(store, silence_max=40) as follower:
        await follower.follow("acme", "bolt")
        follower.subscriptions.remove("acme")
        await until(lambda: b"relevo:{bolt}:probe:node-1" in valkey.call("PUBSUB", "SHARDCHANNELS"))
        assert b"relevo:{acme}:probe:node-1" not in valkey.call("PUBSUB", "SHARDCHANNELS")
        published = store.stats.plain_commands
        # More probes than the silence that is tolerated.
        await until(lambda: store.stats.plain_commands > published + 45)
        assert follower.healthy()
        assert follower.calls.empty()


async def test_killed_connection_is_replaced_and_reported(store: StoreClient, valkey: StoreServer) -> None:
    async with following(store) as follower:
        await follower.follow("acme")
        valkey.call("CLIENT", "KILL", "TYPE", "pubsub")
        await follower.expect("lost", "acme")
        assert not follower.healthy()
        await follower.expect("subscribed", "acme")
        assert follower.healthy()
        assert store.stats.subscriptions_lost == 1
        await store.run("acme", "publish", b"after")
        await follower.expect("event", "acme", "after")


@pytest.mark.slow
async def test_restarted_store_is_subscribed_again(store: StoreClient, valkey: StoreServer) -> None:
    async with following(store) as follower:
        await follower.follow("acme")
        valkey.kill()
        await follower.expect("lost", "acme")
        assert not follower.healthy()
        valkey.start()
        await follower.expect("subscribed", "acme")
        assert follower.healthy()


@pytest.mark.slow
async def test_silent_subscription_is_reported_and_replaced(proxied: StoreClient, proxy: Proxy) -> None:
    async with following(proxied, IMPATIENT) as follower:
        await follower.follow("acme")
        proxy.link("relevo-feed").stall()
        await follower.expect("lost", "acme")
        assert not follower.healthy()
        assert await proxied.run("acme", "incr", b"") == b"1"
        assert not follower.healthy()
        proxy.heal()
        await follower.expect("subscribed", "acme")
        assert follower.healthy()


@pytest.mark.slow
async def test_heartbeats_that_cannot_be_published_count_as_silence(
    proxied: StoreClient, proxy: Proxy
) -> None:
    async with following(proxied, IMPATIENT) as follower:
        await follower.follow("acme")
        proxy.link("relevo-commands").stall()
        await follower.expect("lost", "acme")
        proxy.heal()
        await follower.expect("subscribed", "acme")


async def test_backoff_from_a_server_that_hangs_up_has_a_bound(
    scripts: Path, limits: PipelineLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pubsub, "BACKOFF_S", 0.005)
    monkeypatch.setattr(pubsub, "BACKOFF_MAX_S", 0.02)
    async with (
        hanging_up() as (address, calls),
        using(f"redis://{address}", scripts, limits) as store,
        following(store) as follower,
    ):
        follower.subscriptions.add("acme")
        # Were each wait twice the one before, this many would take minutes.
        async with asyncio.timeout(20):
            for _ in range(40):
                await calls.get()


async def test_unconfirmed_tenant_is_a_fault_after_a_while(proxied: StoreClient, proxy: Proxy) -> None:
    async with following(proxied, IMPATIENT) as follower:
        assert follower.healthy()
        proxy.link("relevo-feed").stall()
        follower.subscriptions.add("acme")
        assert follower.healthy()
        await until(lambda: not follower.healthy())
        follower.subscriptions.remove("acme")
        assert follower.healthy()


async def test_failing_handler_is_reported_and_the_feed_goes_on(store: StoreClient) -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    async with following(store) as follower:
        await follower.follow("acme")
        follower.subscriptions.on_event = lambda tenant, payload: 1 / 0  # type: ignore[assignment]
        await store.run("acme", "publish", b"too much")
        await follower.expect("lost", "acme")
        await follower.expect("subscribed", "acme")
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]


@pytest.fixture
async def sharded(cluster: ClusterServers, scripts: Path) -> AsyncIterator[StoreClient]:
    async with using(cluster.url, scripts, PipelineLimits(timeout_ms=1000, backoff_ms=5)) as store:
        yield store


@pytest.mark.slow
async def test_feeds_on_all_shards_are_received(cluster: ClusterServers, sharded: StoreClient) -> None:
    tenants = [tenant_on(cluster, node, "shard") for node in cluster.nodes]
    async with following(sharded, silence_max=50) as follower:
        await follower.follow(*tenants)
        for tenant in tenants:
            await sharded.run(tenant, "publish", b"hello")
            await follower.expect("event", tenant, "hello")
        assert [feed_connections(node) for node in cluster.nodes] == [1, 1, 1]
        published = sharded.stats.plain_commands
        await until(lambda: sharded.stats.plain_commands > published + 160)
        assert follower.healthy()


@pytest.mark.slow
async def test_feed_is_followed_to_where_its_slot_moved(
    cluster: ClusterServers, sharded: StoreClient
) -> None:
    home = cluster.nodes[2]
    tenant, stays = tenant_on(cluster, home, "feed-moves"), tenant_on(cluster, home, "feed-stays")
    target = other_node(cluster, home)
    # As silent as a busy machine makes it, it is not dead yet; one without any heartbeat is.
    async with following(sharded, silence_max=50) as follower:
        await follower.follow(tenant, stays)
        await sharded.run(tenant, "publish", b"before")
        await follower.expect("event", tenant, "before")
        cluster.move_slot(slot(tenant), target)
        await follower.expect("lost", tenant)
        await follower.expect("subscribed", tenant)
        await sharded.run(tenant, "publish", b"after")
        await follower.expect("event", tenant, "after")
        await sharded.run(stays, "publish", b"still here")
        await follower.expect("event", stays, "still here")
        assert follower.healthy()
        # A connection that another one has replaced would receive nothing of it, and be silent soon.
        published = sharded.stats.plain_commands
        await until(lambda: sharded.stats.plain_commands > published + 160)
        assert follower.healthy()
        assert follower.calls.empty()


@pytest.mark.slow
async def test_feed_whose_slot_moved_unnoticed_is_found(
    cluster: ClusterServers, sharded: StoreClient
) -> None:
    home = cluster.nodes[0]
    tenant = tenant_on(cluster, home, "feed-late")
    await sharded.run(tenant, "incr", b"")
    cluster.move_slot(slot(tenant), other_node(cluster, home))
    async with following(sharded) as follower:
        await follower.follow(tenant)
        await sharded.run(tenant, "publish", b"found")
        await follower.expect("event", tenant, "found")


@pytest.mark.limit("FAILURES_MAX")
async def test_failures_of_servers_that_never_return_are_bounded(store: StoreClient) -> None:
    async with following(store) as follower:
        for port in range(pubsub.FAILURES_MAX + 50):
            gone = SimpleNamespace(server=("127.0.0.1", port))
            follower.subscriptions.ended(gone, True)  # type: ignore[arg-type]
        assert len(follower.subscriptions._failures) <= pubsub.FAILURES_MAX + 1
