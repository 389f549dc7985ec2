"""One command on its way to a server."""

import asyncio
from typing import Any


class Call:
    """
    One command on its way, from ``submit`` to the reply; it may move to another server's pipeline unsent.

    Args:
        future: Gets the reply, or the error.
        name: Of the store command, or of the plain command, for errors.
        head: The packed command up to the run id; of a plain command all of it.
        request: What follows the run id of a store command; None for a plain command.
        deadline: Loop time after which the caller waits no longer for the server's reply.
        tenant: Whose data; empty for what concerns one server.
        durable: Whether the reply is held until it is durable.
        urgent: Whether it is the router's own and does not queue behind what the tenant sends.
        weight: As how many commands it counts in its tenant's share of a batch.

    Attributes:
        asking: Whether to precede it with ``ASKING``.
        loads: How often it was sent again after the function library was loaded.
        redirects: How often it was redirected.
    """

    __slots__ = (
        *("asking", "deadline", "durable", "flow", "future", "head", "loads", "name", "redirects", "request"),
        *("tenant", "weight"),
    )

    def __init__(
        self,
        future: asyncio.Future[Any],
        name: str,
        head: bytes,
        request: bytes | None,
        deadline: float,
        tenant: str = "",
        durable: bool = False,
        urgent: bool = False,
        weight: int = 1,
    ) -> None:
        self.future = future
        self.name = name
        self.head = head
        self.request = request
        self.deadline = deadline
        self.tenant = tenant
        self.durable = durable
        self.weight = weight
        self.flow = "" if urgent else tenant
        self.asking = False
        self.loads = 0
        self.redirects = 0

    def fail(self, error: Exception) -> None:
        """Give the caller an error, unless the call is done or cancelled."""
        if not self.future.done():
            self.future.set_exception(error)
