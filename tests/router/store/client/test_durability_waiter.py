"""What a durable answer waits for, on real servers with real replicas and disks."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from relevo.router.store.client import durability_waiter
from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.connection import ConnectOptions, Server
from relevo.router.store.client.durability import Durability, DurabilityLevel
from relevo.router.store.client.durability_waiter import DurabilityWaiter
from relevo.router.store.client.errors import StoreUnavailableError, UnsupportedStoreError
from relevo.router.store.client.pipeline import PipelineLimits
from relevo.router.store.client.stats import Stats
from relevo.router.store.lua.library import FOLDER
from tests.chaos.proxy import Proxy
from tests.router.conftest import using
from tests.router.store.client.test_pipeline import calls_of, expect_unavailable
from tests.router.store.stored_tenant import StoredTenant
from tests.routers import standing_still
from tests.servers import StoreServer, free_port, redis_binary, running, wait_until

ON_REPLICA = Durability(DurabilityLevel.REPLICA, replicas=1, timeout_ms=1500)
ON_DISK = Durability(DurabilityLevel.FSYNC, timeout_ms=2000)
tenants = count()


@contextmanager
def following(primary: StoreServer, folder: Path, binary: str | None = None) -> Iterator[StoreServer]:
    """Run a replica, and yield it once it follows."""
    folder.mkdir()
    arguments = ["--replicaof", f"127.0.0.1 {primary.port}"]
    with running(StoreServer(folder, binary=binary, port=free_port(), arguments=arguments)) as server:
        wait_until(lambda: server.call("INFO")["master_link_status"] == "up", "the replica")
        # A primary that has sent its data sends on what came later only after the replica's next word.
        wait_until(lambda: primary.call("INCR", "seen") and primary.call("WAIT", 1, 100) == 1, "its word")
        yield server


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """One Valkey for all tests that need a replica, each with a tenant of its own."""
    arguments = ["--enable-debug-command", "yes"]
    with running(
        StoreServer(tmp_path_factory.mktemp("primary"), port=free_port(), arguments=arguments)
    ) as server:
        yield server


@pytest.fixture(scope="module")
def replica(primary: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """Its replica."""
    with following(primary, tmp_path_factory.mktemp("replicas") / "replica") as server:
        yield server


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store be late to say that a wait was in vain, as it is on a busy machine."""
    monkeypatch.setattr(durability_waiter, "REPLY_MARGIN_S", 10.0)


@pytest.fixture
def tenant() -> str:
    """A tenant of this test's own."""
    return f"tenant{next(tenants)}"


@contextmanager
def on_disk(folder: Path, appendfsync: str, binary: str | None = None) -> Iterator[StoreServer]:
    """Run a server with an append-only file."""
    folder.mkdir()
    arguments = ["--appendonly", "yes", "--appendfsync", appendfsync]
    with running(StoreServer(folder, binary=binary, arguments=arguments)) as server:
        yield server


async def append(store: StoreClient, tenant: str, entry: bytes = b".") -> bytes:
    """Append an entry, durably."""
    return await store.run(tenant, "append", entry, durable=True)


async def append_all(store: StoreClient, tenant: str, number: int) -> list[bytes | BaseException]:
    """Append that many entries, all at the same time."""
    work = [append(store, tenant, b"%d" % entry) for entry in range(number)]
    return await asyncio.gather(*work, return_exceptions=True)


def log_of(server: StoreServer, tenant: str) -> list[bytes]:
    """Return what was appended, as the server has it."""
    entries: list[bytes] = server.call("LRANGE", f"relevo:{{{tenant}}}:log", 0, -1)
    return entries


def is_waited_for(server: StoreServer) -> bool:
    """Tell whether a client waits for the server's replicas or disk."""
    return bool(server.call("INFO")["blocked_clients"])


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop go on until a server says that something is so; it has no way to say when."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_one_wait_covers_all_commands_of_a_batch(
    primary: StoreServer, replica: StoreServer, scripts: Path, tenant: str
) -> None:
    async with using(
        primary.url, scripts, PipelineLimits(batch_per_tenant_max=400), durability=ON_REPLICA
    ) as store:
        waits = calls_of(primary, "wait")
        assert await append_all(store, tenant, 400) == [b"%d" % entry for entry in range(400)]
        assert store.stats.batches == 1
        assert calls_of(primary, "wait") - waits == 1
        assert len(log_of(replica, tenant)) == 400


async def test_batches_replied_during_a_wait_share_the_next_group_commit(
    primary: StoreServer, replica: StoreServer, scripts: Path, tenant: str
) -> None:
    durability = Durability(DurabilityLevel.REPLICA, timeout_ms=10_000)
    async with using(primary.url, scripts, durability=durability) as store:
        await append(store, tenant)
        waits, batches = calls_of(primary, "wait"), store.stats.batches
        held: list[asyncio.Task[bytes]] = []
        with standing_still(replica.pid):
            for _ in range(20):
                held.append(asyncio.create_task(append(store, tenant)))
                await until(lambda: len(log_of(primary, tenant)) == 1 + len(held))
        await asyncio.gather(*held)
        assert store.stats.batches - batches == 20
        assert calls_of(primary, "wait") - waits == 2


async def test_command_that_is_not_durable_does_not_wait(
    primary: StoreServer, replica: StoreServer, scripts: Path, tenant: str
) -> None:
    durability = Durability(DurabilityLevel.REPLICA, timeout_ms=10_000)
    async with using(primary.url, scripts, durability=durability) as store:
        await append(store, tenant)
        waits = calls_of(primary, "wait")
        with standing_still(replica.pid):
            held = asyncio.create_task(append(store, tenant, b"held"))
            await until(lambda: is_waited_for(primary))
            # Behind the one that is held, and yet before it.
            assert await store.run(tenant, "append", b"free") == b"free"
            assert not held.done()
        assert await held == b"held"
        assert calls_of(primary, "wait") - waits == 1


async def test_level_memory_sends_no_wait(primary: StoreServer, scripts: Path, tenant: str) -> None:
    async with using(primary.url, scripts) as store:
        waits, connects = calls_of(primary, "wait"), primary.call("INFO")["total_connections_received"]
        await append_all(store, tenant, 20)
        assert calls_of(primary, "wait") == waits
        assert primary.call("INFO")["total_connections_received"] - connects == 1


@pytest.mark.slow
async def test_replica_that_falls_behind_makes_a_change_unavailable(
    primary: StoreServer, replica: StoreServer, scripts: Path, tenant: str
) -> None:
    async with using(primary.url, scripts, durability=ON_REPLICA) as store:
        await append(store, tenant)
        missing = r"not acknowledged in 1500 ms by 127.*: 0 of 1 replicas had it"
        with standing_still(replica.pid), pytest.raises(StoreUnavailableError, match=missing):
            await append(store, tenant, b"doubtful")
        assert store.stats.unacknowledged == 1
        assert await append(store, tenant, b"sure") == b"sure"


@pytest.mark.slow
async def test_reply_to_a_repeated_key_is_as_durable_as_the_first(
    primary: StoreServer, replica: StoreServer, tenant: str
) -> None:
    async with (
        using(primary.url, FOLDER, durability=ON_REPLICA) as one,
        using(primary.url, FOLDER, durability=ON_REPLICA) as another,
    ):
        await StoredTenant(one, tenant).set_up()
        put = {"department": {"id": "night", "name": "Night"}, "key": "k", "print": "0" * 32}
        with standing_still(replica.pid):
            for store in (one, another, one):
                with pytest.raises(StoreUnavailableError, match="0 of 1 replicas had it"):
                    await StoredTenant(store, tenant).run("department_put", "boss", **put)
        assert "department" in await StoredTenant(another, tenant).run("department_put", "boss", **put)
        assert replica.call("SISMEMBER", f"relevo:{{{tenant}}}:departments", "night") == 1


@pytest.mark.slow
async def test_too_few_replicas_are_named_by_check(
    tcp_valkey: StoreServer, scripts: Path, tenant: str, tmp_path: Path
) -> None:
    async with using(tcp_valkey.url, scripts, durability=ON_REPLICA) as store:
        with pytest.raises(
            StoreUnavailableError, match="0 of the 1 replicas that durability `replica` needs follow it"
        ):
            await store.open()
        with pytest.raises(StoreUnavailableError, match="0 of 1 replicas had it"):
            await append(store, tenant)
        with following(tcp_valkey, tmp_path / "replica"):
            await store.check()
            await append(store, tenant)


@pytest.mark.parametrize("appendfsync", ["always", pytest.param("everysec", marks=pytest.mark.slow)])
async def test_change_is_acknowledged_once_it_is_on_the_disk(
    tmp_path: Path, scripts: Path, tenant: str, appendfsync: str
) -> None:
    with on_disk(tmp_path / "disk", appendfsync) as server:
        async with using(server.url, scripts, durability=ON_DISK) as store:
            await store.open()
            assert await append_all(store, tenant, 15) == [b"%d" % entry for entry in range(15)]
            assert calls_of(server, "waitaof") == 1


async def test_change_that_does_not_reach_the_disk_is_unavailable(
    tmp_path: Path, scripts: Path, tenant: str
) -> None:
    with on_disk(tmp_path / "disk", "no") as server:
        async with using(
            server.url, scripts, durability=Durability(DurabilityLevel.FSYNC, timeout_ms=50)
        ) as store:
            with pytest.raises(StoreUnavailableError, match="it was not on the disk"):
                await append(store, tenant)


async def test_store_without_an_append_only_file_is_named_by_open(
    primary: StoreServer, scripts: Path, tenant: str
) -> None:
    async with using(primary.url, scripts, durability=ON_DISK) as store:
        with pytest.raises(StoreUnavailableError, match=r"keeps no append-only file.*\(appendonly yes\)"):
            await store.open()
        with pytest.raises(StoreUnavailableError, match="appendonly is disabled"):
            await append(store, tenant)
        assert await store.run(tenant, "append", b"in memory") == b"in memory"


@pytest.mark.skipif(redis_binary() is None, reason="no redis-server on PATH: apt install redis-server")
async def test_redis_without_waitaof_is_named_by_open(tmp_path: Path, scripts: Path, tenant: str) -> None:
    with on_disk(tmp_path / "disk", "always", redis_binary()) as server:
        version = server.call("INFO")["redis_version"]
        async with using(server.url, scripts, durability=ON_DISK) as store:
            if tuple(map(int, version.split(".")[:2])) >= (7, 2):
                await store.open()
                assert await append(store, tenant) == b"."
            else:
                with pytest.raises(
                    UnsupportedStoreError, match=rf"Redis {version}; Redis 7\.2 .*durability `fsync`"
                ):
                    await store.open()
                with pytest.raises(StoreUnavailableError, match="unknown command 'WAITAOF'"):
                    await append(store, tenant)


@pytest.mark.skipif(redis_binary() is None, reason="no redis-server on PATH: apt install redis-server")
@pytest.mark.slow
async def test_redis_waits_for_its_replicas_as_a_valkey_does(
    tmp_path: Path, scripts: Path, tenant: str
) -> None:
    folder = tmp_path / "primary"
    folder.mkdir()
    with (
        running(StoreServer(folder, binary=redis_binary(), port=free_port())) as server,
        following(server, tmp_path / "replica", redis_binary()) as follower,
    ):
        async with using(server.url, scripts, durability=ON_REPLICA) as store:
            await store.open()
            assert await append(store, tenant, b"here") == b"here"
            assert log_of(follower, tenant) == [b"here"]
            with standing_still(follower.pid), pytest.raises(StoreUnavailableError, match="0 of 1"):
                await append(store, tenant)


@pytest.mark.slow
async def test_wait_without_a_reply_makes_changes_unavailable(
    primary: StoreServer, replica: StoreServer, scripts: Path, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durability_waiter, "REPLY_MARGIN_S", 0.1)
    proxy = Proxy(primary.port)
    await proxy.open()
    try:
        async with using(proxy.url, scripts, durability=ON_REPLICA) as store:
            proxy.link("relevo-durability").stall()
            await expect_unavailable(append(store, tenant))
            proxy.heal()
            assert await append(store, tenant) == b"."
    finally:
        await proxy.close()


async def test_reply_of_another_run_is_not_acknowledged(
    primary: StoreServer, replica: StoreServer, tenant: str
) -> None:
    doubted: list[Server] = []
    durability_waiter = DurabilityWaiter(
        Server("127.0.0.1", primary.port), ConnectOptions(), ON_REPLICA, Stats(), doubted.append
    )
    lost, kept, later = (asyncio.get_running_loop().create_future() for _ in range(3))
    prefix = f"relevo:{{{tenant}}}:".encode()
    try:
        durability_waiter.hold([(lost, b"lost")], prefix, "the run before")
        with pytest.raises(StoreUnavailableError, match="another run"):
            await lost
        durability_waiter.hold([(kept, b"kept")], prefix, primary.call("INFO")["master_replid"])
        assert await kept == b"kept"
        primary.call("DEBUG", "CHANGE-REPL-ID")
        durability_waiter.hold([(later, b"later")], prefix, primary.call("INFO")["master_replid"])
        assert await later == b"later"
        assert doubted == []
    finally:
        await durability_waiter.close()


@pytest.mark.slow
async def test_restarted_store_is_waited_for_over_a_new_connection(
    tcp_valkey: StoreServer, tmp_path: Path, scripts: Path, tenant: str
) -> None:
    limits = PipelineLimits(backoff_ms=5, backoff_max_ms=20)
    async with using(tcp_valkey.url, scripts, limits, durability=ON_REPLICA) as store:
        with following(tcp_valkey, tmp_path / "before"):
            await append(store, tenant)
        tcp_valkey.kill()
        tcp_valkey.start()
        with following(tcp_valkey, tmp_path / "after"):
            # The next poll of the sockets reports the cut.
            await asyncio.sleep(0.01)
            await append(store, tenant)


@pytest.mark.slow
async def test_held_replies_count_as_waiting(
    primary: StoreServer, replica: StoreServer, scripts: Path, tenant: str
) -> None:
    async with using(primary.url, scripts, PipelineLimits(queue_max=5), durability=ON_REPLICA) as store:
        await append(store, tenant)
        with standing_still(replica.pid):
            held = []
            for number in range(5):
                held.append(asyncio.create_task(append(store, tenant)))
                await until(lambda count=number + 2: len(log_of(primary, tenant)) == count)  # type: ignore[misc]
            # The answer to the fifth may be on its way still.
            answers = await append_all(store, tenant, 2)
            assert any("commands are waiting" in str(answer) for answer in answers)
            assert all(
                isinstance(answer, StoreUnavailableError)
                for answer in await asyncio.gather(*held, return_exceptions=True)
            )
        assert await append(store, tenant) == b"."


async def test_close_fails_what_is_held(
    primary: StoreServer, replica: StoreServer, scripts: Path, tenant: str
) -> None:
    durability = Durability(DurabilityLevel.REPLICA, timeout_ms=120_000)
    async with using(primary.url, scripts, durability=durability) as store:
        await append(store, tenant)
        with standing_still(replica.pid):
            held = asyncio.create_task(expect_unavailable(append(store, tenant)))
            await until(lambda: is_waited_for(primary))
            await store.close()
            await held


async def test_defect_in_a_round_is_reported_and_the_next_goes_on(
    primary: StoreServer, replica: StoreServer, scripts: Path, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    async with using(primary.url, scripts, durability=ON_REPLICA) as store:
        with monkeypatch.context() as broken:
            broken.setattr(Durability, "shortfall", lambda durability, reply: 1 / 0)
            with pytest.raises(StoreUnavailableError, match="interrupted"):
                await append(store, tenant)
        assert await append(store, tenant) == b"."
        assert len(reported) == 1
