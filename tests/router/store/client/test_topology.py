import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from relevo.router.observe.supervisor import Supervisor
from relevo.router.store.client import topology as topology_module
from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.connection import Server, slot_of
from relevo.router.store.client.errors import StoreUnavailableError
from relevo.router.store.client.pipeline import PipelineLimits
from relevo.router.store.client.pubsub import PubSub
from relevo.router.store.client.topology import SentinelTopology, open_topology
from relevo.router.store.client.url import parse_url
from tests.router.conftest import using
from tests.router.store.client.test_pipeline import run_until_available
from tests.servers import (
    ClusterServers,
    SentinelServer,
    StoreServer,
    closed_port,
    free_port,
    redis_binary,
    running,
    valkey_binary,
    wait_until,
)

SENTINELS = [
    pytest.param(valkey_binary(), id="valkey"),
    pytest.param(
        redis_binary(),
        id="redis",
        marks=pytest.mark.skipif(
            redis_binary() is None, reason="no redis-server on PATH: apt install redis-server"
        ),
    ),
]


@pytest.fixture
async def sharded(cluster: ClusterServers, scripts: Path) -> AsyncIterator[StoreClient]:
    """A store on the cluster."""
    async with using(cluster.url, scripts, PipelineLimits(timeout_ms=1000, backoff_ms=5)) as store:
        await store.open()
        yield store


def slot(tenant: str) -> int:
    return slot_of(f"relevo:{{{tenant}}}:".encode())


def tenant_on(cluster: ClusterServers, node: StoreServer, stem: str) -> str:
    """Return a tenant whose slot a node serves."""
    names = (f"{stem}-{number}" for number in range(1000))
    return next(name for name in names if cluster.owner(slot(name)) is node)


def other_node(cluster: ClusterServers, node: StoreServer) -> StoreServer:
    return next(other for other in cluster.nodes if other is not node)


@pytest.mark.slow
async def test_tenants_of_a_cluster_live_on_all_shards(cluster: ClusterServers, sharded: StoreClient) -> None:
    tenants = [tenant_on(cluster, node, "spread") for node in cluster.nodes]
    await asyncio.gather(*(sharded.run(tenant, "append", b"here") for tenant in tenants))
    for tenant, node in zip(tenants, cluster.nodes, strict=True):
        assert node.call("LRANGE", f"relevo:{{{tenant}}}:log", 0, -1) == [b"here"]
        assert sharded.run_id(tenant) == node.call("INFO")["master_replid"]
    assert sharded.stats.redirects == 0


@pytest.mark.slow
async def test_tenant_is_followed_to_where_its_slot_moved(
    cluster: ClusterServers, sharded: StoreClient
) -> None:
    home = cluster.nodes[0]
    tenant = tenant_on(cluster, home, "moving")
    target = other_node(cluster, home)
    await sharded.run(tenant, "append", b"before")
    cluster.move_slot(slot(tenant), target)
    answers = await asyncio.gather(*(sharded.run(tenant, "append", b"after") for _ in range(20)))
    assert answers == [b"after"] * 20
    assert sharded.stats.redirects >= 1
    assert target.call("LRANGE", f"relevo:{{{tenant}}}:log", 0, -1) == [b"before", *[b"after"] * 20]
    redirects = sharded.stats.redirects
    await sharded.run(tenant, "append", b"later")
    assert sharded.stats.redirects == redirects


@pytest.mark.slow
async def test_tenant_with_a_half_moved_slot_is_never_in_two_places(
    cluster: ClusterServers, sharded: StoreClient
) -> None:
    home = cluster.nodes[1]
    tenant = tenant_on(cluster, home, "halfway")
    target = other_node(cluster, home)
    await sharded.run(tenant, "append", b"before")
    cluster.start_moving(slot(tenant), target)
    with pytest.raises(StoreUnavailableError, match="TRYAGAIN"):
        await sharded.run(tenant, "append", b"meanwhile")
    cluster.finish_moving(slot(tenant), target)
    assert await sharded.run(tenant, "append", b"after") == b"after"
    assert target.call("LRANGE", f"relevo:{{{tenant}}}:log", 0, -1) == [b"before", b"after"]


@pytest.mark.slow
async def test_cluster_is_found_by_one_reachable_node(cluster: ClusterServers, scripts: Path) -> None:
    reachable = cluster.nodes[2].port
    with closed_port() as port:
        async with using(f"redis+cluster://127.0.0.1:{port},127.0.0.1:{reachable}", scripts) as store:
            tenant = tenant_on(cluster, cluster.nodes[0], "found")
            assert await store.run(tenant, "append", b"found") == b"found"


async def test_cluster_without_a_reachable_node_is_unavailable(scripts: Path) -> None:
    with closed_port() as port:
        async with using(f"redis+cluster://127.0.0.1:{port}", scripts) as store:
            with pytest.raises(StoreUnavailableError, match="no node of the cluster"):
                await store.run("acme", "append", b"")


async def test_look_up_without_a_reply_is_unavailable_in_time(scripts: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"redis+sentinel://127.0.0.1:{silent.getsockname()[1]}/main"
        async with using(url, scripts, PipelineLimits(timeout_ms=100)) as store:
            async with asyncio.timeout(30):
                with pytest.raises(StoreUnavailableError):
                    await store.run("acme", "append", b"")


async def test_sentinel_with_the_highest_epoch_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    topology = open_topology(parse_url("redis+sentinel://a,b,c/main"), 1.0)
    answers = {"a": (3, Server("old", 1)), "b": (4, Server("new", 2)), "c": (3, Server("old", 1))}

    async def ask(self: SentinelTopology, sentinel: Server) -> tuple[int, Server]:
        return answers[sentinel.host]

    monkeypatch.setattr(SentinelTopology, "_ask", ask)
    seen = set()
    for _ in range(20):
        topology._looked_at = float("-inf")
        await topology.look()
        seen.add(await topology.locate("acme"))
    # Two of three suffice; whenever the newest is among them it wins.
    assert Server("new", 2) in seen


@pytest.fixture
def failover(
    tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[StoreServer, StoreServer, SentinelServer]]:
    """A primary with a replica, and a sentinel that watches them."""
    binary: str = request.param
    servers: list[StoreServer] = []
    for name in ("primary", "replica", "sentinel"):
        (tmp_path / name).mkdir()
    try:
        primary = StoreServer(tmp_path / "primary", binary=binary, port=free_port())
        follow = ["--replicaof", f"127.0.0.1 {primary.port}"]
        replica = StoreServer(tmp_path / "replica", binary=binary, port=free_port(), arguments=follow)
        for server in (primary, replica):
            servers.append(server.start())
        wait_until(lambda: replica.call("INFO")["master_link_status"] == "up", "the replica")
        sentinel = SentinelServer(tmp_path / "sentinel", binary, primary.port)
        servers.append(sentinel.start())
        wait_until(lambda: sentinel.call("SENTINEL", "REPLICAS", "main"), "the sentinel to see the replica")
        yield primary, replica, sentinel
    finally:
        for server in servers:
            server.stop()


@pytest.mark.slow
@pytest.mark.parametrize("failover", SENTINELS, indirect=True)
async def test_failover_by_sentinel_is_followed_as_another_run(
    failover: tuple[StoreServer, StoreServer, SentinelServer], scripts: Path
) -> None:
    primary, replica, sentinel = failover
    limits = PipelineLimits(timeout_ms=1000, backoff_ms=10, backoff_max_ms=50)
    async with using(f"redis+sentinel://127.0.0.1:{sentinel.port}/main", scripts, limits) as store:
        await store.open()
        assert await store.run("acme", "incr", b"") == b"1"
        wait_until(lambda: replica.call("GET", "relevo:{acme}:n") == b"1", "the replica to have it")
        before = await store.run("acme", "run_id", b"")
        primary.kill()
        with pytest.raises(StoreUnavailableError):
            await store.run("acme", "incr", b"")
        assert await run_until_available(store, "incr", limit_s=20) == b"2"
        assert await store.run("acme", "run_id", b"") != before
        assert store.topology.servers != {Server("127.0.0.1", primary.port)}


@pytest.mark.slow
async def test_new_primary_is_found_though_the_old_one_still_replies(
    tcp_valkey: StoreServer, tmp_path: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology_module, "REFRESH_INTERVAL_S", 0.05)
    for name in ("another", "sentinel"):
        (tmp_path / name).mkdir()
    with (
        running(StoreServer(tmp_path / "another", port=free_port())) as another,
        running(SentinelServer(tmp_path / "sentinel", valkey_binary(), tcp_valkey.port)) as sentinel,
    ):
        async with using(f"redis+sentinel://127.0.0.1:{sentinel.port}/main", scripts) as store:
            received: asyncio.Queue[bytes] = asyncio.Queue()
            feeds = PubSub(
                store,
                "node",
                lambda tenant, event: received.put_nowait(event),
                lambda tenant: None,
                lambda tenant: None,
                Supervisor(),
                tick_s=0.05,
                silence_max=1000,
            )
            feeds.add("acme")
            await store.run("acme", "append", b"old")
            sentinel.call("SENTINEL", "REMOVE", "main")
            sentinel.call("SENTINEL", "MONITOR", "main", "127.0.0.1", another.port, 1)
            async with asyncio.timeout(30):
                while not another.call("EXISTS", "relevo:{acme}:log"):
                    await store.run("acme", "append", b"new")
                while received.empty():
                    await store.run("acme", "publish", b"news")
            await feeds.close()
            assert tcp_valkey.call("LINDEX", "relevo:{acme}:log", 0) == b"old"


def write_certificates(folder: Path) -> None:
    """Write a certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "store")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "store.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "store.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@pytest.mark.skipif(redis_binary() is None, reason="no redis-server on PATH: apt install redis-server")
@pytest.mark.slow
async def test_store_behind_tls_is_used_if_its_certificate_is_trusted(tmp_path: Path, scripts: Path) -> None:
    write_certificates(tmp_path)
    port = free_port()
    arguments = [
        *("--tls-port", str(port), "--tls-auth-clients", "no"),
        *("--tls-cert-file", str(tmp_path / "store.crt"), "--tls-key-file", str(tmp_path / "store.key")),
    ]
    with running(StoreServer(tmp_path, binary=redis_binary(), arguments=arguments)):
        async with using(f"rediss://127.0.0.1:{port}?ssl_ca_certs={tmp_path}/store.crt", scripts) as trusting:
            assert await trusting.run("acme", "incr", b"") == b"1"
        async with using(f"rediss://127.0.0.1:{port}", scripts, PipelineLimits(timeout_ms=1500)) as wary:
            with pytest.raises(StoreUnavailableError, match="certificate"):
                await wary.run("acme", "incr", b"")


@pytest.mark.skipif(redis_binary() is None, reason="no redis-server on PATH: apt install redis-server")
async def test_redis_runs_the_commands_as_a_valkey_does(tmp_path: Path, scripts: Path) -> None:
    with running(StoreServer(tmp_path, binary=redis_binary())) as server:
        async with using(server.url, scripts) as store:
            await store.open()
            assert await store.run("acme", "incr", b"") == b"1"
