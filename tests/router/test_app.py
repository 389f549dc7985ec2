"""One process: drained at the first signal, stopped at the second."""

import asyncio
import gc
import signal
from typing import Any

import pytest
import uvicorn

from relevo.router import app
from relevo.router.config import Settings
from relevo.router.open_files import Shares


class FakeConnections:
    """The connections of a node, which a test lets go."""

    def __init__(self) -> None:
        self.is_draining = self.is_leaving = False
        self.gone = asyncio.Event()

    def __len__(self) -> int:
        return 3

    def limit_to(self, connections_max: int) -> None:
        self.connections_max = connections_max

    async def drain(self) -> None:
        self.is_draining = True
        await self.gone.wait()


class FakeNode:
    def __init__(self) -> None:
        self.connections = FakeConnections()


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    # The server does not look by itself whether it is to stop.
    monkeypatch.setattr(app, "TICK_S", 3600.0)
    return FakeNode()


async def started(node: Any, drain_delay_ms: int = 0) -> tuple[uvicorn.Server, asyncio.Task[None]]:
    """Return a server and its main loop, which waits for its next tick."""
    server = app._Server(uvicorn.Config(app=lambda: None, log_config=None), node, None, drain_delay_ms)
    running = asyncio.create_task(server.main_loop())
    await asyncio.sleep(0)
    return server, running


async def test_server_at_the_first_signal_drains_before_it_exits(node: FakeNode) -> None:
    server, running = await started(node)
    server.handle_exit(signal.SIGTERM, None)
    assert (node.connections.is_leaving, server.should_exit) == (True, False)
    node.connections.gone.set()
    async with asyncio.timeout(30):
        await running
    assert server.should_exit


async def test_server_with_a_delay_serves_on_and_then_drains(node: FakeNode) -> None:
    node.connections.gone.set()
    server, running = await started(node, drain_delay_ms=20)
    server.handle_exit(signal.SIGTERM, None)
    await asyncio.sleep(0)
    assert (node.connections.is_leaving, node.connections.is_draining) == (True, False)
    async with asyncio.timeout(30):
        await running
    assert (node.connections.is_draining, server.should_exit) == (True, True)


async def test_server_at_the_second_signal_exits_at_once(node: FakeNode) -> None:
    server, running = await started(node)
    for _ in range(2):
        server.handle_exit(signal.SIGINT, None)
    async with asyncio.timeout(30):
        await running
    assert server.should_exit


async def test_serve_stops_its_node_and_says_that_a_secret_is_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class Node:
        connections = FakeConnections()

        def __init__(self, *_: object) -> None:
            told.append("made")

        async def start(self) -> None:
            told.append("started")

        async def stop(self) -> None:
            told.append("stopped")

    async def fail(*_: object) -> None:
        raise OSError("the port is taken")

    monkeypatch.setattr(app, "Node", Node)
    monkeypatch.setattr(app, "application", lambda node, **_: node)
    monkeypatch.setattr(app, "websocket_class", lambda *_: "none")
    monkeypatch.setattr(app, "_room", lambda settings: Shares(1, 1))
    monkeypatch.setattr(app._Server, "serve", fail)
    monkeypatch.setattr(app._Server, "__init__", lambda *_: None)
    monkeypatch.setattr(app.log, "warning", lambda event, **_: told.append(event))
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(gc, "set_threshold", lambda *_: None)
    with pytest.raises(OSError, match="taken"):
        await app.serve(Settings(jwt_secret="short"), "redis://127.0.0.1:1", [])
    assert told == ["weak secret accepted", "made", "started", "stopped"]


@pytest.mark.limit("ADMIN_CONNECTIONS_MAX")
async def test_admin_port_has_a_bound_of_its_own() -> None:
    config = app._config(lambda: None, Settings(), "none", app.ADMIN_CONNECTIONS_MAX)
    config.load()
    served: Any = config.http_protocol_class
    assert served._open_max == app.ADMIN_CONNECTIONS_MAX
