"""
Show a tenant live in a terminal.

It is a client like any other, signed in as a back end: an observer, which the directory does not show.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from relevo_client import (
    Client,
    CommandTimeoutError,
    Connected,
    Disconnected,
    Event,
    EventsLost,
    RelevoError,
    SessionChanged,
    TokenSource,
)

from relevo.clients.terminal.watch.model import Connection, TenantView
from relevo.clients.terminal.watch.view import Frame, Screen, print_once, render

WATCHER: Final = "watch"
TOKEN_TTL_S: Final = 3600
FRAME_S: Final = 0.25
CONNECT_LIMIT_S: Final = 10.0


class WatchError(Exception):
    """The tenant cannot be watched, or no longer; the message says why."""


def token_source(sign: Callable[..., str], tenant: str) -> TokenSource:
    """
    Return a source of tokens for a back end named `watch`.

    Args:
        sign: Returns a token of its claims: tenant, sub, role, ttl_s, now_ms.
        tenant: The tenant to watch.

    Raises:
        Exception: That of ``sign``, for a tenant that no router would accept.
    """

    def token() -> str:
        return sign(
            tenant=tenant,
            sub=WATCHER,
            role="service",
            ttl_s=TOKEN_TTL_S,
            now_ms=_now_ms(),
        )

    # A malformed tenant fails here rather than at each connection.
    token()
    return token


def run(url: str, token: TokenSource, *, once: bool = False) -> None:
    """
    Show the tenant of a token until SIGINT or SIGTERM.

    Args:
        url: The router's websocket.
        token: A back end's or an admin's token, or a source of fresh ones.
        once: Print one frame and return, instead of filling the terminal.

    Raises:
        WatchError: The router cannot be reached, or refuses this token.
    """
    if not once and not sys.stdout.isatty():
        raise WatchError("the output is no terminal to keep drawing on: --once prints one frame")
    try:
        with asyncio.Runner() as runner:
            runner.run(_watch_until_stopped(url, token, once))
    except ValueError as error:
        raise WatchError(f"--url: {error}") from None
    except RelevoError as error:
        raise WatchError(str(error)) from None


async def _watch_until_stopped(url: str, token: TokenSource, once: bool) -> None:
    work = asyncio.create_task(_watch(url, token, once))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, work.cancel)
    with suppress(asyncio.CancelledError):
        await work


async def _watch(url: str, token: TokenSource, once: bool) -> None:
    async with Client(url, token, connect_timeout=CONNECT_LIMIT_S) as client:
        if client.welcome is None or client.welcome.role == "agent":
            raise WatchError("watching a tenant takes a token of the role service or admin")
        watcher = Watcher(client, client.welcome.tenant)
        await client.directory.subscribe()
        await client.sessions.watch()
        if once:
            await watcher.list_sessions()
            print_once(watcher.draw, sys.stdout)
            return
        follower = asyncio.create_task(watcher.follow())
        try:
            with Screen(watcher.draw, sys.stdout) as screen:
                while not follower.done():
                    screen.refresh()
                    # Ages grow without events, and many events a second are drawn once.
                    await asyncio.wait([follower], timeout=FRAME_S)
            follower.result()
        finally:
            follower.cancel()


class Watcher:
    """
    Keep a tenant's view in step with its client.

    Args:
        client: A back end's or an admin's, subscribed to the directory and watching the sessions.
        tenant: The tenant's id.
    """

    def __init__(self, client: Client, tenant: str) -> None:
        self._client = client
        self._tenant = TenantView(tenant)
        self._problem = ""
        self._lost_at = 0
        # Times are the store's; this machine's clock may differ.
        self._ahead_ms = 0
        self._note_clock()

    async def follow(self) -> None:
        """
        Apply events until the client ends.

        Raises:
            ConnectionStoppedError: The router closed the connection for good.
        """
        async for event in self._client:
            await self.take(event)

    async def list_sessions(self) -> None:
        """List all open sessions."""
        self._tenant.begin_listing()
        async for session in self._client.sessions.list():
            self._tenant.observe(session)
        self._tenant.end_listing()

    def draw(self, width: int, height: int | None) -> Frame:
        """Return the frame to draw now."""
        directory, now_ms = self._client.directory, _now_ms() + self._ahead_ms
        self._tenant.agents = directory.agents_by_readiness()
        self._tenant.departments = directory.departments_by_readiness()
        if self._client.state == "connected" and directory.live:
            self._lost_at = 0
            self._tenant.connection = Connection(is_live=True)
        else:
            self._lost_at = self._lost_at or now_ms
            problem = self._problem or "connecting again"
            self._tenant.connection = Connection(is_live=False, lost_at=self._lost_at, problem=problem)
        return render(self._tenant, now_ms, width, height)

    async def take(self, event: Event) -> None:
        """Apply one event."""
        match event:
            case Connected():
                self._problem = ""
                self._note_clock()
                await self._list_again()
            case EventsLost():
                await self._list_again()
            case Disconnected(close_code, reason):
                self._problem = (
                    f"connection closed with {close_code} {reason}".rstrip() + ", connecting again"
                )
            case SessionChanged(session):
                self._tenant.observe(session)
            case _:
                # The directory is read whole for each frame.
                pass

    async def _list_again(self) -> None:
        while self._client.state == "connected":
            try:
                await self.list_sessions()
            except CommandTimeoutError as error:
                # The view stays on the screen. A new connection lists again by itself; this one retries.
                self._problem = str(error)
            else:
                return

    def _note_clock(self) -> None:
        if self._client.welcome is not None:
            self._ahead_ms = self._client.welcome.server_at - _now_ms()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
