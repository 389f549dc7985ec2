"""Stores of one server, and small commands to run on them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.errors import StoreUnavailableError
from relevo.router.store.client.pipeline import PipelineLimits
from tests.chaos.proxy import Proxy
from tests.router.conftest import using
from tests.servers import ClusterServers, StoreServer, free_port, running

COMMANDS = {
    "ready": "return 'ready'",
    "incr": "return tostring(redis.call('INCR', KEYS[1] .. 'n'))",
    "append": "redis.call('RPUSH', KEYS[1] .. 'log', ARGV[2]); return ARGV[2]",
    "run_id": "return ARGV[1]",
    "shared": "return greeting .. ARGV[2]",
    "publish": "redis.call('SPUBLISH', KEYS[1] .. 'feed', ARGV[2]); return 'published'",
    "broken": "return undefined_function()",
    "number": "return 7",
    "forever": "while true do end",
}
LIBRARY = """
local greeting = 'hello '
local function store_command(name, body) redis.register_function(LIBRARY .. '_' .. name, body) end
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A folder of small commands."""
    folder = tmp_path / "scripts"
    for part in ("lib", "commands"):
        (folder / part).mkdir(parents=True)
    (folder / "lib/run.lua").write_text(LIBRARY)
    for name, body in COMMANDS.items():
        (folder / f"commands/{name}.lua").write_text(
            f"store_command('{name}', function(KEYS, ARGV) {body} end)"
        )
    return folder


@pytest.fixture
def limits() -> PipelineLimits:
    """Time-outs that a test can wait for."""
    return PipelineLimits(timeout_ms=500, backoff_ms=5, backoff_max_ms=20)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[StoreServer]:
    """One Valkey on a unix socket, whose data outlives a crash."""
    home = tmp_path / "valkey"
    home.mkdir()
    arguments = ["--appendonly", "yes", "--appendfsync", "always", "--enable-debug-command", "yes"]
    with running(StoreServer(home, arguments=arguments)) as server:
        yield server


async def open_store(store: StoreClient) -> None:
    """Open a store; a busy machine may need more than one of its short time-outs."""
    while True:
        with suppress(StoreUnavailableError):
            return await store.open()


@pytest.fixture
async def store(valkey: StoreServer, scripts: Path, limits: PipelineLimits) -> AsyncIterator[StoreClient]:
    """A store on that Valkey."""
    async with using(valkey.url, scripts, limits) as opened:
        await open_store(opened)
        yield opened


@pytest.fixture
def tcp_valkey(tmp_path: Path) -> Iterator[StoreServer]:
    """One Valkey on a loopback port."""
    home = tmp_path / "tcp"
    home.mkdir()
    with running(StoreServer(home, port=free_port())) as server:
        yield server


@pytest.fixture
async def proxy(tcp_valkey: StoreServer) -> AsyncIterator[Proxy]:
    """A proxy before that Valkey, which can cut and stall."""
    opened = Proxy(tcp_valkey.port)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def proxied(proxy: Proxy, scripts: Path, limits: PipelineLimits) -> AsyncIterator[StoreClient]:
    """A store that reaches its Valkey through the proxy."""
    async with using(proxy.url, scripts, limits) as opened:
        await open_store(opened)
        yield opened


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterServers]:
    """Three shards, shared by the tests that need them; each takes tenants and slots of its own."""
    servers = ClusterServers(tmp_path_factory.mktemp("cluster")).start()
    yield servers
    servers.stop()
