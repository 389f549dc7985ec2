from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from .scripted import ScriptedRouter


@pytest.fixture
async def router() -> AsyncIterator[ScriptedRouter]:
    async with ScriptedRouter().listening() as listening:
        yield listening


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A loopback port at which nothing listens; `tests.servers` needs the router."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
