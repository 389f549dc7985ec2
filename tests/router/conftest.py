"""Run on the loop that the router runs on; and tenants on a real store, for those that need one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest
import uvloop

from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.durability import Durability
from relevo.router.store.client.pipeline import PipelineLimits
from relevo.router.store.lua.library import FOLDER
from tests.router.store.stored_tenant import StoredTenant
from tests.servers import StoreServer, running

tenants = count()


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Name the one loop; the plugin asks for it for each asynchronous test."""
    return {"uvloop": uvloop.new_event_loop}


@asynccontextmanager
async def using(
    url: str, scripts: Path, limits: PipelineLimits | None = None, durability: Durability | None = None
) -> AsyncIterator[StoreClient]:
    """Make a store, and close it at the end."""
    store = StoreClient(url, scripts=scripts, limits=limits, durability=durability)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def hanging_up() -> AsyncIterator[tuple[str, asyncio.Queue[None]]]:
    """Serve callers by hanging up; yields the address, and a queue with an item for each call."""
    calls: asyncio.Queue[None] = asyncio.Queue()

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.put_nowait(None)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}", calls


@pytest.fixture(scope="module")
def shared_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """One Valkey for a file's tests, each with a tenant of its own."""
    with running(StoreServer(tmp_path_factory.mktemp("tenants"))) as server:
        yield server


@pytest.fixture
async def tenant(shared_valkey: StoreServer) -> AsyncIterator[StoredTenant]:
    """An open tenant with the real store commands."""
    async with using(shared_valkey.url, FOLDER) as opened:
        await opened.open()
        tenant = StoredTenant(opened, f"tenant{next(tenants)}")
        await tenant.set_up()
        yield tenant
