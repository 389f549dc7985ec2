"""Connections that are gone, and that the store may still count because it could not be told. Pure."""

from __future__ import annotations

from collections import defaultdict


class Departures:
    """
    Remember them by tenant until the store can be told.

    Args:
        size_max: How many. Of a tenant with more the oldest are forgotten: the store counts them until this
            node's lease on the tenant ends.
    """

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._size = 0
        self._tenants: defaultdict[str, dict[tuple[str, str], None]] = defaultdict(dict)

    def __len__(self) -> int:
        return self._size

    def add(self, tenant: str, agent_id: str, connection_id: str) -> None:
        """Remember a connection of an agent."""
        gone = self._tenants[tenant]
        if (agent_id, connection_id) in gone:
            return
        gone[agent_id, connection_id] = None
        self._size += 1
        if self._size > self._size_max:
            del gone[next(iter(gone))]
            self._size -= 1

    def take(self, tenant: str) -> list[tuple[str, str]]:
        """Return those of a tenant, and forget them."""
        gone = list(self._tenants.pop(tenant, ()))
        self._size -= len(gone)
        return gone
