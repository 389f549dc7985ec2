"""Actors of a chaos run: each sends commands with a shipped client, and everything is recorded."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

from relevo_client import (
    AsyncCommands,
    AsyncHttpClient,
    Backoff,
    ClientClosedError,
    ConnectionStoppedError,
    RelevoError,
)
from relevo_client.pending import MUTATING

from tests.chaos.history import Call, ClientLog, History
from tests.chaos.proxy import Proxy
from tests.chaos.recorded_client import RecordedClient
from tests.raw_client import make_token
from tests.routers import SECRET

SHORT_BACKOFF = Backoff(0.02, 0.2)
# How long a command is tried before its outcome counts as unknown.
COMMAND_TIMEOUT_S = 5.0
# A run that heals at all heals long before.
WELCOME_LIMIT_S = 30.0


class Actor:
    """
    One agent, admin or back end with one websocket client, behind a proxy for each router.

    Args:
        history: The record of the run.
        log: Its log there.
        ports: The routers' ports.
        seed: Of what it does by chance.
        claims: Of its token.
    """

    def __init__(
        self, history: History, log: ClientLog, ports: Sequence[int], seed: str, **claims: Any
    ) -> None:
        self.log = log
        self.proxies = [Proxy(port, log.heard.extend) for port in ports]
        self.chance = random.Random(seed)
        # An actor that has left for good is not waited for.
        self.has_left = False
        self.is_connected = False
        # One client at a time.
        self._lock = asyncio.Lock()
        self._history = history
        self._claims = claims
        self._keys = 0
        self._client: RecordedClient | None = None

    @property
    def client(self) -> RecordedClient:
        """Its websocket client."""
        assert self._client is not None
        return self._client

    @property
    def commands(self) -> AsyncCommands:
        """What takes its commands."""
        return self.client

    @property
    def token(self) -> str:
        """A token of its own."""
        log = self.log
        return make_token(SECRET, tenant=log.tenant, sub=log.agent_id, role=log.role, **self._claims)

    async def connect(self, *, on: int | None = None) -> None:
        """
        Connect, and open the dialog if the role has one; an admin watches the sessions, too.

        Args:
            on: The router to try first; by chance where absent.
        """
        async with self._lock:
            await self._connect(on)

    async def _connect(self, on: int | None) -> None:
        await self._open_proxies()
        first = self.chance.randrange(len(self.proxies)) if on is None else on
        proxies = [*self.proxies[first:], *self.proxies[:first]]
        self._client = RecordedClient(
            self._history,
            self.log,
            [f"ws://127.0.0.1:{proxy.port}/ws" for proxy in proxies],
            lambda: self.token,
            format=self.chance.choice(["json", "msgpack"]),
            command_timeout=COMMAND_TIMEOUT_S,
            connect_timeout=WELCOME_LIMIT_S,
            proxy=None,
            reconnect=SHORT_BACKOFF,
            retry=SHORT_BACKOFF,
        )
        await self._client.start()
        self.is_connected = True
        if self.log.role != "service":
            await self._client.directory.subscribe(timeout=WELCOME_LIMIT_S)
        if self.log.role == "admin":
            await self._client.sessions.watch(timeout=WELCOME_LIMIT_S)

    async def ensure_connected(self) -> None:
        """Connect and open the dialog, unless both hold already."""
        async with self._lock:
            if self.has_left:
                return
            if not self.is_connected:
                await self._connect(None)
            elif self.log.role != "service" and not self.client.directory.live:
                await self.client.directory.subscribe(timeout=WELCOME_LIMIT_S)

    async def disconnect(self) -> None:
        """Close the connection with code 1000."""
        async with self._lock:
            await self._disconnect()

    async def reconnect(self) -> None:
        """Close the connection with code 1000, and connect with a new client."""
        async with self._lock:
            await self._disconnect()
            await self._connect(None)

    async def reopen_dialog(self) -> None:
        """Close the dialog and open it again."""
        async with self._lock:
            await self.client.directory.unsubscribe()
            await self.client.directory.subscribe()

    async def _disconnect(self) -> None:
        self.is_connected = False
        if self._client is not None:
            await self._client.close()

    async def disconnect_for_good(self) -> None:
        """Disconnect, not to connect again."""
        self.has_left = True
        await self.disconnect()

    async def close(self) -> None:
        """Disconnect, and close the proxies."""
        await self.disconnect()
        for proxy in self.proxies:
            await proxy.close()

    async def call(
        self, type: str, *, key: str | None = None, timeout_s: float | None = None, **fields: Any
    ) -> Call:
        """
        Give a command and wait for its end; what became of it stands in the call.

        Args:
            type: The command.
            key: An earlier one's key, to give it once more; a new one where absent.
            timeout_s: When its outcome counts as unknown.
            fields: Its fields.
        """
        if key is None and type in MUTATING:
            self._keys += 1
            key = f"{self.log.name}-{self._keys}"
        log, history = self.log, self._history
        call = Call(history.now, log.tenant, log.name, log.agent_id, log.role, type, dict(fields), key)
        history.calls.append(call)
        # Without an own time-out the client's holds.
        options: dict[str, Any] = {} if timeout_s is None else {"timeout_s": timeout_s}
        try:
            call.result = await self.commands.command(type, fields, key=key, **options)
        except RelevoError as error:
            # Only a router's final word says that nothing was done.
            if not error.retryable and not isinstance(error, ClientClosedError | ConnectionStoppedError):
                call.error = error.code
        finally:
            call.ended = history.now + 1
        return call

    async def _open_proxies(self) -> None:
        for proxy in self.proxies:
            if not proxy.port:
                await proxy.open()


class HttpBackEnd(Actor):
    """A back end that sends its commands over HTTP, to one router."""

    _http: AsyncHttpClient | None = None

    @property
    def commands(self) -> AsyncCommands:
        assert self._http is not None
        return self._http

    async def _connect(self, on: int | None) -> None:
        await self._open_proxies()
        proxy = self.proxies[self.chance.randrange(len(self.proxies)) if on is None else on]
        self._http = AsyncHttpClient(
            f"http://127.0.0.1:{proxy.port}",
            lambda: self.token,
            command_timeout=COMMAND_TIMEOUT_S,
            request_timeout=COMMAND_TIMEOUT_S / 2,
            retry=SHORT_BACKOFF,
        )
        self.is_connected = True

    async def ensure_connected(self) -> None:
        async with self._lock:
            if not self.is_connected:
                await self._connect(None)

    async def _disconnect(self) -> None:
        self.is_connected = False
        if self._http is not None:
            await self._http.close()
