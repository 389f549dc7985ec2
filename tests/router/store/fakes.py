"""A store client without a store, for tests of what stands on it."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

import msgspec

from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.outages import Outages


@dataclass(frozen=True)
class Submitted:
    """One store command as it was submitted; the fields of its request are packed."""

    tenant: str
    command: str
    request: dict[str, msgspec.Raw]
    durable: bool
    urgent: bool


class FakeStoreClient(StoreClient):
    """
    Keep the commands that are submitted, and give each the next reply.

    Attributes:
        submitted: The commands, in order.
        replies: What they get: bytes as the server would return them, anything else packed, or an error. A
            command without a reply stays pending.
        pending: The futures of commands without a reply.
    """

    def __init__(self) -> None:
        # Nothing of the real one is needed: it has neither servers nor functions.
        self.outages = Outages()
        self.submitted: list[Submitted] = []
        self.replies: deque[Any] = deque()
        self.pending: list[asyncio.Future[bytes]] = []

    def run(
        self,
        tenant: str,
        command: str,
        request: bytes,
        *,
        durable: bool = False,
        urgent: bool = False,
        weight: int = 1,
    ) -> asyncio.Future[bytes]:
        """Keep the command, and reply."""
        *_, packed = msgspec.msgpack.decode(request, type=list[msgspec.Raw])
        fields = msgspec.msgpack.decode(packed, type=dict[str, msgspec.Raw])
        self.submitted.append(Submitted(tenant, command, fields, durable, urgent))
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if not self.replies:
            self.pending.append(future)
            return future
        reply = self.replies.popleft()
        if isinstance(reply, Exception):
            future.set_exception(reply)
        else:
            future.set_result(reply if isinstance(reply, bytes) else msgspec.msgpack.encode(reply))
        return future

    async def close(self) -> None:
        """Cancel what is pending."""
        for future in self.pending:
            future.cancel()
