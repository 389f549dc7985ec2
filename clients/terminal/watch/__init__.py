"""
Show a tenant live in a terminal.

It is a client like any other, signed in as an admin, which the directory shows connected meanwhile.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import suppress
from typing import Final

from relevo_client import (
    Client,
    CommandTimeout,
    Connected,
    Disconnected,
    Event,
    EventsLost,
    RelevoError,
    SessionChanged,
    TokenSource,
)

from relevo.clients.terminal.watch.model import Connection, Watched
from relevo.clients.terminal.watch.view import Picture, Screen, picture, print_once
from relevo.router.auth.tokens import sign

WATCHER: Final = "watch"
WATCHER_NAME: Final = "relevo watch"
TOKEN_TTL_S: Final = 3600
FRAME_S: Final = 0.25
CONNECT_LIMIT_S: Final = 10.0


class WatchFailed(Exception):
    """There is nothing to watch, or not any more; the message says why."""


def token_source(secret: str, tenant: str) -> TokenSource:
    """
    Return a source of tokens for an admin named `watch`.

    Args:
        secret: The secret of the router's tokens.
        tenant: The tenant to watch.

    Raises:
        Unauthorized: No router would accept them; the reason says why.
    """

    def token() -> str:
        return sign(
            secret,
            tenant=tenant,
            sub=WATCHER,
            role="admin",
            name=WATCHER_NAME,
            ttl_s=TOKEN_TTL_S,
            now_ms=_now_ms(),
        )

    # A tenant that is none is better told here than at each connection.
    token()
    return token


def run(url: str, token: TokenSource, *, once: bool = False) -> None:
    """
    Show the tenant of a token until SIGINT or SIGTERM.

    Args:
        url: The router's websocket.
        token: An admin's token, or a source of fresh ones.
        once: Print one picture and return, instead of filling the terminal.

    Raises:
        WatchFailed: The router cannot be reached, or does not let this admin in or any further.
    """
    if not once and not sys.stdout.isatty():
        raise WatchFailed("the output is no terminal to keep drawing on: --once prints one picture")
    try:
        with asyncio.Runner() as runner:
            runner.run(_watch_until_stopped(url, token, once))
    except ValueError as error:
        raise WatchFailed(f"--url: {error}") from None
    except RelevoError as error:
        raise WatchFailed(str(error)) from None


async def _watch_until_stopped(url: str, token: TokenSource, once: bool) -> None:
    work = asyncio.create_task(_watch(url, token, once))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, work.cancel)
    with suppress(asyncio.CancelledError):
        await work


async def _watch(url: str, token: TokenSource, once: bool) -> None:
    async with Client(url, token, connect_timeout_s=CONNECT_LIMIT_S) as client:
        if client.welcome is None or client.welcome.role != "admin":
            raise WatchFailed("watching a tenant takes a token of the role admin")
        watcher = Watcher(client, client.welcome.tenant)
        await client.subscribe_directory()
        await client.watch_sessions()
        if once:
            await watcher.list_sessions()
            print_once(watcher.draw, sys.stdout)
            return
        follower = asyncio.create_task(watcher.follow())
        try:
            with Screen(watcher.draw, sys.stdout) as screen:
                while not follower.done():
                    screen.refresh()
                    # Ages grow without events, and many events a second are one picture.
                    await asyncio.wait([follower], timeout=FRAME_S)
            follower.result()
        finally:
            follower.cancel()


class Watcher:
    """
    Keep what is known of a tenant in step with its client.

    Args:
        client: An admin's, subscribed to the directory and watching the sessions.
        tenant: The tenant's id.
    """

    def __init__(self, client: Client, tenant: str) -> None:
        self._client = client
        self._watched = Watched(tenant)
        self._problem = ""
        self._lost_at = 0
        # The store's clock counts, and this machine's may differ.
        self._ahead_ms = 0
        self._note_clock()

    async def follow(self) -> None:
        """
        Take in what happens, until the client ends.

        Raises:
            ConnectionStopped: The router does not want this client back.
        """
        async for event in self._client:
            await self.take(event)

    async def list_sessions(self) -> None:
        """Learn of all open sessions."""
        self._watched.begin_listing()
        for state in ("in_progress", "pending", "queued"):
            async for session in self._client.sessions(state=state):
                self._watched.observe(session)
        self._watched.end_listing()

    def draw(self, width: int, height: int | None) -> Picture:
        """Return the picture as of now."""
        directory, now_ms = self._client.directory, _now_ms() + self._ahead_ms
        self._watched.agents = directory.agents_by_readiness()
        self._watched.departments = directory.departments_by_readiness()
        if self._client.connected and directory.live:
            self._lost_at = 0
            self._watched.connection = Connection(is_live=True)
        else:
            self._lost_at = self._lost_at or now_ms
            problem = self._problem or "connecting again"
            self._watched.connection = Connection(is_live=False, lost_at=self._lost_at, problem=problem)
        return picture(self._watched, now_ms, width, height)

    async def take(self, event: Event) -> None:
        """Take in one event."""
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
                self._watched.observe(session)
            case _:
                # The directory is read whole for each picture.
                pass

    async def _list_again(self) -> None:
        while self._client.connected:
            try:
                await self.list_sessions()
            except CommandTimeout as error:
                # What is known stays on the screen. A new connection lists anew; this one tries again.
                self._problem = str(error)
            else:
                return

    def _note_clock(self) -> None:
        if self._client.welcome is not None:
            self._ahead_ms = self._client.welcome.server_at - _now_ms()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
