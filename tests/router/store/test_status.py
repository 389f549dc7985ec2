"""The command `relevo store status`: what it prints of a store, which it only reads."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from relevo.router import __version__, cli
from relevo.router.store import records
from relevo.router.store.commands import StoreCommands
from relevo.router.store.lua.library import FOLDER
from tests.router.conftest import using
from tests.router.store.stored_tenant import LIMITS
from tests.servers import StoreServer, closed_port, running

STATUS = ["store", "status", "--redis-url"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StoreServer]:
    """A store of the test's own."""
    with running(StoreServer(tmp_path)) as started:
        yield started


def add_tenant(server: StoreServer, tenant: str, schema: int) -> None:
    record = msgspec.msgpack.encode(records.MetaRecord(schema, 0, 0, 0, epoch="1", run="", ring=16))
    server.call("HSET", f"relevo:{{{tenant}}}:tenant", "m", record)


async def renew(server: StoreServer, *nodes: str) -> str:
    """Have nodes renew their leases; return the name of their library."""
    async with using(server.url, FOLDER) as store:
        await store.open()
        for node in nodes:
            await StoreCommands(store, LIMITS, node).renew_node(60_000)
        return store.library


async def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    # It runs a loop of its own.
    assert await asyncio.to_thread(cli.main, list(words)) == 0
    return capsys.readouterr().out


async def test_status_shows_schema_tenants_nodes_and_libraries(
    server: StoreServer, capsys: pytest.CaptureFixture[str]
) -> None:
    add_tenant(server, "acme", 1)
    library = await renew(server, "n1", "n2")
    server.call("ZINCRBY", "relevo:{~}:nodes", -60_000, f"n2 {__version__} {library} 1 1")
    lines = (await printed(capsys, *STATUS, server.url)).splitlines()
    assert lines[:4] == [
        f"schema     1; this release, {__version__}, reads 1",
        "tenants    1: 1 of schema 1",
        "migration  done",
        "nodes      1, and 1 that are gone",
    ]
    assert lines[4].startswith(f"  n1  {__version__}  schemas 1 to 1  {library}  renewed ")
    assert lines[5].startswith("  n2  ")
    assert lines[6:] == ["libraries  1", f"  {library}  on {server.socket_path}  of 2 nodes"]


async def test_status_counts_tenants_that_have_still_to_move(
    server: StoreServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for tenant, schema in (("a", 6), ("b", 6), ("c", 7)):
        add_tenant(server, tenant, schema)
    server.call("HSET", "relevo:{d}:tenant", "m", b"\xc1")
    server.call("SET", "relevo:{~}:schema", 7)
    status = json.loads(await printed(capsys, *STATUS, server.url, "--json"))
    assert (status["schema"], status["tenants"]) == (7, {"0": 1, "6": 2, "7": 1})
    assert "migration  3 tenants have still to move" in await printed(capsys, *STATUS, server.url)


async def test_status_writes_nothing(server: StoreServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert (await printed(capsys, *STATUS, server.url)).splitlines() == [
        f"schema     none yet; this release, {__version__}, reads 1",
        "tenants    0",
        "nodes      0, and 0 that are gone",
        "libraries  0",
    ]
    assert (server.call("DBSIZE"), server.call("FUNCTION", "LIST")) == (0, [])


def test_status_of_a_store_that_does_not_answer_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with closed_port() as port:
        assert cli.main([*STATUS, f"redis://127.0.0.1:{port}", "--store-timeout-ms", "100"]) == 2
    assert capsys.readouterr().err.startswith("relevo: the store cannot be read: ")
