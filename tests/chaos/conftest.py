"""Stores and routers to be unkind to; each test has its own, which are not what they were afterwards."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.e2e.conftest import make_tenant, start_routers, store
from tests.servers import StoreServer, running

__all__ = ["make_tenant", "start_routers", "store"]

# As a deployment has them, but short: times that a test can wait for.
LEASE_MS = 1500
PRESENCE_GRACE_MS = 400
SESSION_GRACE_MS = 1200
SHORT = {
    "node_lease_ms": LEASE_MS,
    "presence_grace_ms": PRESENCE_GRACE_MS,
    "session_grace_ms": SESSION_GRACE_MS,
    "store_timeout_ms": 1000,
}
# Where the store is what fails, no lease may expire for it.
PATIENT = {"node_lease_ms": 30_000, "store_timeout_ms": 2000}


@pytest.fixture
def kept_store(tmp_path: Path) -> Iterator[StoreServer]:
    """A store whose data outlives a crash."""
    (tmp_path / "kept").mkdir()
    with running(
        StoreServer(tmp_path / "kept", arguments=["--appendonly", "yes", "--appendfsync", "always"])
    ) as server:
        yield server


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[StoreServer]:
    """A store that forgets everything when it ends."""
    (tmp_path / "own").mkdir()
    with running(StoreServer(tmp_path / "own")) as server:
        yield server


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is closed at the end of a test."""
    async with AsyncExitStack() as opened:
        yield opened
