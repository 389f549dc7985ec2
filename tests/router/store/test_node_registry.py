"""The nodes of a store say what they read; the schema and the libraries follow, with the real commands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from relevo.router.store import answers, node_registry, records
from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.errors import StoreUnavailableError, UnsupportedStoreError
from relevo.router.store.commands import StoreCommands
from relevo.router.store.lua.library import FOLDER
from relevo.router.store.node_registry import NODES_KEPT_MS, NodeRegistry
from tests.next_release import FIELD, NEXT_SCHEMA, make_next_release
from tests.router.conftest import using
from tests.router.store.stored_tenant import LIMITS, SALES, StoredTenant
from tests.servers import ClusterServers, StoreServer, running
from tests.stored_records import meta_of

NODES = "relevo:{~}:nodes"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StoreServer]:
    """A store of the test's own: what is tested is the store's, not a tenant's."""
    home = tmp_path / "valkey"
    home.mkdir()
    with running(StoreServer(home)) as started:
        yield started


@pytest.fixture
def next_library(tmp_path: Path) -> Path:
    """The folder of the next release's commands."""
    return make_next_release(tmp_path / "next") / "relevo/router/store/lua"


@asynccontextmanager
async def node_of(server: StoreServer, name: str, library: Path = FOLDER) -> AsyncIterator[StoreCommands]:
    """A node's commands, before its first lease."""
    async with using(server.url, library) as store:
        await store.open()
        yield StoreCommands(store, LIMITS, name)


@asynccontextmanager
async def as_the_next_release(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Read what the next release reads."""
    with monkeypatch.context() as patch:
        patch.setattr(records, "READABLE", frozenset({1, NEXT_SCHEMA}))
        yield


def age(server: StoreServer, node: str, by_ms: int = NODES_KEPT_MS + 1000) -> None:
    """Have a node renew its lease last so much earlier."""
    [member] = [one for one in server.call("ZRANGE", NODES, 0, -1) if one.startswith(node.encode() + b" ")]
    server.call("ZINCRBY", NODES, -by_ms, member)


def libraries(server: StoreServer) -> set[str]:
    return {words[1].decode() for words in server.call("FUNCTION", "LIST")}


def contents(server: StoreServer) -> dict[bytes, bytes]:
    """Return all that a store holds."""
    return {key: server.call("DUMP", key) for key in server.call("KEYS", "*")}


def holds_nodes(server: StoreServer) -> bool:
    """Return whether a shard is the one that holds the nodes' leases."""
    return NODES.encode() in server.call("KEYS", "relevo:*")


async def renew(*registries: NodeRegistry) -> None:
    """Renew leases, and look for libraries that no node needs."""
    for registry in registries:
        await registry.start()


def registry_of(commands: StoreCommands) -> NodeRegistry:
    return NodeRegistry(commands.store, commands, 1000)


@pytest.fixture
def _always_cleaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_registry, "CLEANING_INTERVAL_MS", 0)


async def test_a_renewal_says_what_a_node_is_and_reads(server: StoreServer) -> None:
    async with node_of(server, "n1") as commands:
        found = await commands.renew_node(NODES_KEPT_MS)
        [node] = answers.read_nodes(found.nodes)
        assert (node.id, node.library, node.newest, node.renewed_at) == (
            *("n1", commands.store.library),
            *(records.SCHEMA, found.now),
        )
        assert await commands.read_nodes() == [node]


@pytest.mark.usefixtures("_always_cleaning")
async def test_a_library_goes_once_no_node_of_its_release_has_a_lease(
    server: StoreServer, next_library: Path
) -> None:
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(node_of(server, "old"))
        new = await stack.enter_async_context(node_of(server, "new", next_library))
        registry = registry_of(new)
        await renew(registry_of(old), registry, registry)
        age(server, "old", NODES_KEPT_MS - 60_000)
        await renew(registry, registry)
        assert libraries(server) == {old.store.library, new.store.library}
        age(server, "old")
        with capture_logs() as logs:
            await renew(registry, registry)
        assert libraries(server) == {new.store.library}
        assert [line["library"] for line in logs if line["event"] == "library dropped"] == [old.store.library]


@pytest.mark.usefixtures("_always_cleaning")
async def test_the_library_of_a_node_that_starts_stays(server: StoreServer, next_library: Path) -> None:
    async with AsyncExitStack() as stack:
        registry = registry_of(await stack.enter_async_context(node_of(server, "old")))
        await renew(registry)
        starting = await stack.enter_async_context(node_of(server, "new", next_library))
        await renew(registry)
        # Before its lease, since it would load a library that is gone again.
        assert starting.store.library in libraries(server)
        await renew(registry_of(starting), registry)
        assert starting.store.library in libraries(server)


@pytest.mark.slow
@pytest.mark.usefixtures("_always_cleaning")
async def test_a_library_goes_from_every_shard_of_a_cluster(
    cluster: ClusterServers, next_library: Path
) -> None:
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(using(cluster.url, folder)) for folder in (FOLDER, next_library)
        ]
        for store in stores:
            await store.open()
        old, new = (StoreCommands(store, LIMITS, store.library) for store in stores)
        await renew(registry_of(old), registry_of(new))
        names = {old.store.library, new.store.library}
        assert all(libraries(server) >= names for server in cluster.nodes)
        age(next(server for server in cluster.nodes if holds_nodes(server)), old.node_id)
        registry = registry_of(new)
        await renew(registry, registry)
        assert all(libraries(server) & names == {new.store.library} for server in cluster.nodes)


@pytest.mark.usefixtures("_always_cleaning")
async def test_libraries_of_others_stay(server: StoreServer) -> None:
    text = "#!lua name=theirs\nredis.register_function('theirs', function() return 1 end)"
    server.call("FUNCTION", "LOAD", text)
    async with node_of(server, "n1") as commands:
        registry = registry_of(commands)
        await renew(registry, registry)
        assert libraries(server) == {"theirs", commands.store.library}


async def test_the_schema_grows_once_every_node_reads_it(
    server: StoreServer, next_library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(node_of(server, "old"))
        new = await stack.enter_async_context(node_of(server, "new", next_library))
        assert (await old.renew_node(NODES_KEPT_MS)).schema == 1
        async with as_the_next_release(monkeypatch):
            assert (await new.renew_node(NODES_KEPT_MS)).schema == 1
            age(server, "old", NODES_KEPT_MS - 60_000)
            assert (await new.renew_node(NODES_KEPT_MS)).schema == 1
            age(server, "old")
            assert (await new.renew_node(NODES_KEPT_MS)).schema == NEXT_SCHEMA


async def test_a_new_field_is_written_once_every_node_reads_it(
    server: StoreServer, next_library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(node_of(server, "old"))
        store = await stack.enter_async_context(using(server.url, next_library))
        await store.open()
        tenant = StoredTenant(store, "acme")
        await old.renew_node(NODES_KEPT_MS)
        async with as_the_next_release(monkeypatch):
            await tenant.commands.renew_node(NODES_KEPT_MS)
            await tenant.set_up()
            await tenant.open("s", SALES)
            kept = [
                msgspec.msgpack.decode(one) for one in server.call("LRANGE", "relevo:{acme}:session:s", 0, -1)
            ]
            assert [(record[0], FIELD in record) for record in kept] == [(1, False)]
            assert meta_of(server, "acme").schema == 1

            age(server, "old")
            await tenant.commands.renew_node(NODES_KEPT_MS)
            await tenant.run("session_note", "desk", session_id="s", text="hello")
            kept = [
                msgspec.msgpack.decode(one) for one in server.call("LRANGE", "relevo:{acme}:session:s", 0, -1)
            ]
            assert [(record[0], FIELD in record) for record in kept] == [(NEXT_SCHEMA, True)] * 2
            assert meta_of(server, "acme").schema == NEXT_SCHEMA
            assert [entry.kind for entry in await tenant.history("s")] == ["opened", "internal"]


async def test_a_store_of_a_newer_schema_is_refused_and_nothing_is_written(server: StoreServer) -> None:
    server.call("SET", "relevo:{~}:schema", NEXT_SCHEMA)
    before = contents(server)
    async with node_of(server, "old") as commands:
        registry = registry_of(commands)
        with capture_logs() as logs:
            await registry.start()
            await registry.start()
        [line] = [line for line in logs if line["event"] == "store refused"]
        assert "schema 2" in line["reason"]
        assert commands.refused == line["reason"]
        by: dict[str, Any] = {"by": {"id": "desk", "role": "service"}}
        with pytest.raises(StoreUnavailableError, match="schema 2"):
            await commands.run("acme", "department_put", {**by, "department": {"id": "a"}}, msgspec.Raw)
        reader = StoreCommands(commands.store, LIMITS, "reader")
        with pytest.raises(UnsupportedStoreError, match="schema 2"):
            await reader.adopt_schema()
        assert contents(server) == before


async def test_a_store_that_can_be_read_again_is_used_again(server: StoreServer) -> None:
    server.call("SET", "relevo:{~}:schema", NEXT_SCHEMA)
    async with node_of(server, "old") as commands:
        registry = registry_of(commands)
        await registry.start()
        server.call("FLUSHALL")
        with capture_logs() as logs:
            await registry.start()
        assert commands.refused is None
        assert "store accepted" in [line["event"] for line in logs]


async def test_a_server_that_shows_no_libraries_is_a_warning(
    server: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with node_of(server, "n1") as commands:

        async def refuse(_: StoreClient) -> None:
            raise StoreUnavailableError("NOPERM")

        monkeypatch.setattr(StoreClient, "libraries", refuse)
        with capture_logs() as logs:
            await renew(registry_of(commands))
        assert [line["event"] for line in logs] == ["library cleaning failed"]
