"""Build one router process, run it, and drain it at SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any, Final, Literal

import structlog
import uvicorn
import uvloop

from relevo.router.api.metrics import NodeMetrics
from relevo.router.api.readiness import Readiness
from relevo.router.api.rest import admin_application, application
from relevo.router.api.siblings import Siblings, WorkerPlace
from relevo.router.config import SETTINGS, Settings, SettingsError
from relevo.router.node import Node
from relevo.router.observe.logging import set_level
from relevo.router.open_files import Shares, count_open, raise_limit, shares
from relevo.router.settings_sources import SettingsSources
from relevo.router.transport.http_guard import HTTP_CONNECTIONS_MAX, http_class
from relevo.router.transport.websocket import WebSocket, websocket_class

log = structlog.get_logger(__name__)

COLLECT_AFTER = 100_000
"""New objects, less those freed, after which Python looks for circles among them."""

TICK_S = 1.0
"""How often uvicorn renews the Date header; it looks ten times as often whether it is to stop."""


ADMIN_CONNECTIONS_MAX: Final = 16
"""Connections to the admin port, which only operators' programs reach."""


class _Server(uvicorn.Server):
    """
    uvicorn's server, which on the first signal sends the clients away before it stops.

    Args:
        config: What it serves.
        node: Whose clients are sent away.
        admin: What it serves on the admin port, and the listening socket; None without that port.
        drain_delay_ms: For how long it serves on, unready, before it sends the clients away.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        node: Node,
        admin: tuple[uvicorn.Config, socket.socket] | None = None,
        drain_delay_ms: int = 0,
    ) -> None:
        super().__init__(config)
        self._node = node
        self._drain_delay_ms = drain_delay_ms
        self._admin = admin
        self._loop = asyncio.get_running_loop()
        self._leaving: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, on the admin port too."""
        await super().startup(sockets)
        if self._admin is not None:
            config, listener = self._admin
            config.load()
            # With this server's state: its ticks set the Date header, its stop ends these connections.
            protocol = partial(config.http_protocol_class, config, self.server_state, self.lifespan.state)  # type: ignore[call-arg]
            self.servers.append(await self._loop.create_server(protocol, sock=listener))

    async def main_loop(self) -> None:
        """Tick until the server is to stop."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._stopping.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal, stop at the second; called by the signal's handler, outside the loop."""
        if self._node.connections.is_leaving:
            super().handle_exit(sig, frame)
            self._loop.call_soon_threadsafe(self._stopping.set)
        else:
            self._node.connections.is_leaving = True
            self._loop.call_soon_threadsafe(self._drain, sig)

    def _drain(self, sig: int) -> None:
        self._leaving = self._loop.create_task(self._leave(signal.Signals(sig).name))

    async def _leave(self, signal_name: str) -> None:
        connections = self._node.connections
        try:
            if self._drain_delay_ms > 0:
                log.info("drain delayed", signal=signal_name, delay_ms=self._drain_delay_ms)
                await asyncio.sleep(self._drain_delay_ms / 1000)
            log.info("drain started", signal=signal_name, connections=len(connections))
            await connections.drain()
        finally:
            self.should_exit = True
            self._stopping.set()


def _config(
    app: Callable[..., Any], settings: Settings, ws: type[WebSocket] | Literal["none"], http_max: int
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=http_class(settings, http_max),
        ws=ws,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=4096,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, settings.drain_ms // 1000),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )


async def serve(
    settings: Settings,
    store_url: str,
    sockets: list[socket.socket],
    admin_socket: socket.socket | None = None,
    place: WorkerPlace | None = None,
    sources: SettingsSources | None = None,
) -> None:
    """
    Serve until a signal says otherwise.

    Args:
        settings: The settings.
        store_url: Where the store is.
        sockets: Listening sockets.
        admin_socket: That of the admin port; None without that port.
        place: Where this process stands among the workers of its port; None for the only one.
        sources: Where SIGHUP reads the settings again; None where it cannot.

    Raises:
        StoreEvictsError: The store would remove data that this node has acknowledged.
    """
    if settings.has_weak_secret:
        log.warning("weak secret accepted", advice="give each secret of tokens 32 random bytes or more")
    node = Node(settings, store_url)
    await node.start()
    siblings = None if place is None else Siblings(place)
    try:
        app = application(
            node, has_admin=admin_socket is not None, pages=None if siblings is None else siblings.pages
        )
        if siblings is not None:
            await siblings.offer(NodeMetrics(node, Readiness(node)).page)
        room = _room(settings)
        node.connections.limit_to(room.websockets)
        config = _config(app, settings, websocket_class(node.connections, settings), room.http)
        admin = (
            None
            if admin_socket is None
            else (_config(admin_application(node), settings, "none", ADMIN_CONNECTIONS_MAX), admin_socket)
        )
        if sources is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _reload, node, sources)
        # Circles are rare here, and looking for them costs a tenth of a transfer's time among all that lives,
        # and in a storm nearly a tenth of a reconnect's among what lives for a moment.
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER)
        await _Server(config, node, admin, settings.drain_delay_ms).serve(sockets)
    finally:
        if siblings is not None:
            siblings.stop()
        await node.stop()


def _room(settings: Settings) -> Shares:
    """Return how many connections there may be with the files that this process may open, and say so."""
    limit = raise_limit()
    room = shares(limit, count_open(), settings.connections_max, HTTP_CONNECTIONS_MAX)
    told = log.warning if room.websockets < settings.connections_max else log.info
    told("open files counted", limit=limit, websockets_max=room.websockets, http_connections_max=room.http)
    return room


RELOADED: Final = frozenset(
    {
        "log_level",
        "jwt_secret",
        "jwt_secret_old",
        "jwt_public_key_file",
        "jwt_public_key_file_old",
        "jwks",
        "redis_url",
        "redis_password",
    }
)
"""The settings that SIGHUP takes over; of the store, how to log in."""


def _reload(node: Node, sources: SettingsSources) -> None:
    """Read secrets, keys and the log level again; what cannot be used leaves all as it was."""
    try:
        settings = sources.read().settings
        taken = {name: getattr(settings, name) for name in RELOADED}
        node.take_settings(replace(node.settings, **taken))
    except (SettingsError, ValueError) as error:
        log.error("settings reload failed", reason=str(error))
        return
    set_level(settings.log_level)
    # A port that the system chose is not the one that the settings name.
    waiting = [
        each.variable
        for each in SETTINGS
        if each.name not in RELOADED and getattr(settings, each.name) != getattr(node.settings, each.name)
    ]
    log.info("settings reloaded", **({"restart_needed_for": waiting} if waiting else {}))


def run(
    settings: Settings,
    store_url: str,
    sockets: list[socket.socket],
    admin_socket: socket.socket | None = None,
    place: WorkerPlace | None = None,
    sources: SettingsSources | None = None,
) -> None:
    """Run `serve` on uvloop in this process; returns when it was told to stop."""
    if sources is not None:
        # Until it serves there is nothing to read again, and no reason to end.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, store_url, sockets, admin_socket, place, sources))
