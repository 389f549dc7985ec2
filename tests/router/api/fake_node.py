"""A node of fakes behind the HTTP application, and requests without a server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import httpx2

from relevo.router.api.rest import application
from relevo.router.node import Node
from relevo.router.store.client.errors import StoreUnavailableError
from relevo.router.store.client.stats import Stats
from tests.router.gateway.fakes import FakeServices


class FakeConnections(list[Any]):
    """As many as a test says; an address is what the header says."""

    def locate(self, peer: str | None, forwarded: Sequence[str]) -> str:
        return ",".join(forwarded)


class FakeNode:
    """What the HTTP application needs of a node; made inside a running loop."""

    def __init__(self, **changed: Any) -> None:
        parts = FakeServices(**changed)
        services = parts.services
        self.settings = parts.settings
        self.verifier = parts.verifier
        self.store_commands = parts.store
        self.counts = parts.counts
        self.limiters = services.limiters
        self.rates = services.rates
        self.store = SimpleNamespace(stats=Stats(), check=self._check_store)
        self.feed = SimpleNamespace(waiting=0, events=3, gaps=2, reloads=1)
        self.registry = parts.registry
        self.sign_ins = services.sign_ins
        self.connections = FakeConnections()
        self.supervisor = SimpleNamespace(restarts={})
        self.unready: str | None = None
        self.store_fault: str | None = None

    async def _check_store(self) -> None:
        if self.store_fault is not None:
            raise StoreUnavailableError(self.store_fault)

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()
    ) -> httpx2.Response:
        """Return the answer to one request; without an admin port."""
        return await self.request_of(application(cast(Node, self)), method, path, body, headers)

    async def request_of(
        self, app: Any, method: str, path: str, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()
    ) -> httpx2.Response:
        """Return the answer of an application of this node to one request."""
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://relevo.test") as client:
            return await client.request(method, path, content=body, headers=list(headers))

    async def post(self, command: str, body: Any = None, *headers: tuple[str, str]) -> httpx2.Response:
        """Send a command as ana, with a token unless a header has one."""
        if not any(name == "authorization" for name, _ in headers):
            headers = (("authorization", "Bearer ana"), *headers)
        payload = b"" if body is None else json.dumps(body).encode()
        return await self.request("POST", f"/api/v1/{command}", payload, headers)
