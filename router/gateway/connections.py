"""Accept, count and drain this process's connections."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress

from relevo.router.gateway.endpoint import ClientEndpoint, Services
from relevo.router.transport.address_rate import AddressRate
from relevo.router.transport.client_address import Addresses
from relevo.router.transport.interface import Socket

CLOSE_WAIT_S = 6.0
"""How long a drain waits for closes to be answered; a client has five seconds for that."""


class Connections:
    """
    The transport's acceptor: decide on each handshake, keep the endpoints; made inside a running loop.

    Args:
        services: The node's parts that the endpoints use.

    Attributes:
        is_draining: Whether no new websocket is accepted, and those that are open are to leave.
        is_leaving: Whether this node asks balancers for no more clients: from the first signal on.
    """

    def __init__(self, services: Services) -> None:
        settings = services.settings
        self.is_draining = self.is_leaving = False
        self._services = services
        self._connections_max = settings.connections_max
        self._drain_ms = settings.drain_ms
        self._addresses = Addresses(settings.trusted_proxies, settings.connections_per_address_max)
        self._connects = AddressRate(settings.connect_rate)
        self._loop = asyncio.get_running_loop()
        self._endpoints: dict[str, ClientEndpoint] = {}
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._endpoints)

    def limit_to(self, connections_max: int) -> None:
        """Accept at most so many websockets, where that is fewer than the settings say."""
        self._connections_max = min(self._connections_max, connections_max)

    def locate(self, peer: str | None, forwarded: Sequence[str]) -> str:
        """Return the address that a connection comes from."""
        return self._addresses.of(peer, forwarded)

    def refuse(self, address: str) -> tuple[int, str] | None:
        """Return why no new websocket is accepted from there, as HTTP status and text, or None."""
        refusal = self._refusal(address)
        if refusal is not None:
            self._services.counts.refused[refusal[1]] += 1
        return refusal

    def _refusal(self, address: str) -> tuple[int, str] | None:
        if self.is_draining:
            return 503, "draining"
        if len(self._endpoints) >= self._connections_max:
            return 503, "too many connections"
        if not self._addresses.has_room(address):
            return 429, "too many connections from this address"
        now_s = self._loop.time()
        if self._services.sign_ins.wait_s(address, now_s) > 0:
            return 429, "too many refused tokens from this address"
        if self._connects.take(address, now_s) > 0:
            return 429, "too many new connections from this address"
        return None

    def accept(self, socket: Socket) -> ClientEndpoint:
        """Return the endpoint of a new websocket."""
        counts = self._services.counts
        counts.accepted += 1
        endpoint = ClientEndpoint(self._services, self, socket, self._name_connection())
        self._endpoints[endpoint.connection_id] = endpoint
        self._addresses.enter(socket.remote)
        self._emptied.clear()
        return endpoint

    def _name_connection(self) -> str:
        """Return a connection's id: the time, by which the store finds an agent's oldest, and a number."""
        return f"{self._services.clock.now_ms():x}-{self._services.counts.accepted:x}"

    def lost(self, endpoint: ClientEndpoint, code: int, by_peer: bool) -> None:
        """Drop an endpoint whose websocket is gone, and count which side closed it."""
        services, principal = self._services, endpoint.principal
        self._endpoints.pop(endpoint.connection_id, None)
        self._addresses.leave(endpoint.address)
        # A client may close with any of thousands of codes: they are not told apart.
        services.counts.closes["client" if by_peer else str(code)] += 1
        if not self._endpoints:
            self._emptied.set()
        if principal is not None:
            # Its buckets are kept from now on: a client that reconnects finds them as it left them.
            services.rates.shared(principal, asyncio.get_running_loop().time())
            services.registry.leave(principal.tenant, endpoint.connection_id)

    @property
    def leave_in_ms(self) -> int | None:
        """When a client that is welcomed now is to leave: spread over `drain_ms`; None unless draining."""
        return random.randint(0, self._drain_ms) if self.is_draining else None

    async def drain(self) -> None:
        """Have the clients leave, spread over `drain_ms`, and wait until they are gone."""
        self.is_draining = self.is_leaving = True
        for endpoint in list(self._endpoints.values()):
            endpoint.drain(random.randint(0, self._drain_ms))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._drain_ms / 1000 + CLOSE_WAIT_S):
                await self._emptied.wait()
