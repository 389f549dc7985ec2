"""`relevo store status`: which nodes use a store, in which schema, with which libraries; only reads it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from relevo.router import __version__
from relevo.router.config import Settings
from relevo.router.store import records
from relevo.router.store.answers import NodeRecord
from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.pipeline import PipelineLimits
from relevo.router.store.commands import CommandLimits, StoreCommands
from relevo.router.store.tenants import TenantStatus, read_tenants

MIGRATING_SHOWN_MAX: Final = 20
"""Tenants whose migration is shown each."""


class LibraryStatus(msgspec.Struct):
    """A function library on a server, and how many nodes that are or were there a while ago use it."""

    server: str
    name: str
    nodes: int


class StoreStatus(msgspec.Struct):
    """
    What a store holds, and the nodes that use it.

    Attributes:
        now: The store's time, in milliseconds since the Unix epoch.
        schema: The schema in which every node writes; None where no node was ever there.
        tenants: How many tenants there are of each schema; 0 for those whose schema cannot be read.
        migrating: Those that are rewriting records in their schema.
        nodes: The nodes that hold a lease, or did a while ago.
        libraries: The function libraries of all releases.
    """

    now: int
    schema: int | None
    tenants: dict[int, int]
    migrating: list[TenantStatus]
    nodes: list[NodeRecord]
    libraries: list[LibraryStatus]

    def lines(self, lease_ms: int) -> Iterator[str]:
        """
        Yield the status as text.

        Args:
            lease_ms: For how long a node counts as there after its last renewal.
        """
        reads = " and ".join(map(str, sorted(records.READABLE)))
        schema = "none yet" if self.schema is None else str(self.schema)
        yield f"schema     {schema}; this release, {__version__}, reads {reads}"
        parts = [f"{count} of schema {schema or 'unknown'}" for schema, count in sorted(self.tenants.items())]
        yield f"tenants    {sum(self.tenants.values())}{': ' if parts else ''}{', '.join(parts)}"
        if self.schema is not None:
            left = sum(count for schema, count in self.tenants.items() if schema < self.schema)
            parts = [f"{left} tenants have still to move"] if left else []
            parts += [f"{len(self.migrating)} rewrite their records"] if self.migrating else []
            yield f"migration  {', '.join(parts) or 'done'}"
        for tenant in self.migrating[:MIGRATING_SHOWN_MAX]:
            yield f"  {tenant.id}  {tenant.migrated} records looked at, {tenant.migrating} parts left"
        alive = [node for node in self.nodes if self.now - node.renewed_at <= lease_ms]
        yield f"nodes      {len(alive)}, and {len(self.nodes) - len(alive)} that are gone"
        for node in sorted(self.nodes, key=lambda node: -node.renewed_at):
            seconds = max(self.now - node.renewed_at, 0) // 1000
            schemas = f"schemas {node.oldest} to {node.newest}"
            yield f"  {node.id}  {node.release}  {schemas}  {node.library}  renewed {seconds} s ago"
        yield f"libraries  {len(self.libraries)}"
        for library in self.libraries:
            yield f"  {library.name}  on {library.server}  of {library.nodes} nodes"


def run(settings: Settings, store_url: str, *, as_json: bool) -> None:
    """
    Print a store's status.

    Args:
        settings: The settings.
        store_url: Where the store is.
        as_json: Whether it is one JSON object.

    Raises:
        StoreUnavailableError: The store does not answer.
        StoreDefectError: It answers what it should not.
    """
    status = asyncio.run(_read(settings, store_url))
    if as_json:
        print(msgspec.json.encode(status).decode())
    else:
        print("\n".join(status.lines(settings.node_lease_ms)))


async def _read(settings: Settings, store_url: str) -> StoreStatus:
    store = StoreClient(store_url, limits=PipelineLimits(timeout_ms=settings.store_timeout_ms))
    try:
        commands = StoreCommands(store, CommandLimits.of(settings), "status")
        schema, nodes = await commands.read_schema(), await commands.read_nodes()
        users = Counter(node.library for node in nodes)
        tenants = {tenant.id: tenant async for tenant in read_tenants(store)}
        return StoreStatus(
            now=await store.time_ms(),
            schema=schema,
            tenants=dict(Counter(tenant.schema for tenant in tenants.values())),
            migrating=[tenant for tenant in tenants.values() if tenant.migrating],
            nodes=nodes,
            libraries=[
                LibraryStatus(str(server), name, users[name])
                for server, names in (await store.libraries()).items()
                for name in names
            ],
        )
    finally:
        await store.close()
