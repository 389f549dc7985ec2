"""
The nodes of a store: each renews a lease on the store and says its release, its library and what it reads.

From that follow the schema in which all of them write (``lua/commands/renew_node.lua``), and which function
libraries no node needs any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from relevo.router.observe.incidents import incident
from relevo.router.store import answers
from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.connection import Server
from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError, UnsupportedStoreError
from relevo.router.store.commands import CommandRejectedError, StoreCommands
from relevo.router.store.tenants import read_tenants

log = structlog.get_logger(__name__)

MIGRATION_STEPS_MAX: Final = 100
"""Steps of tenants' migrations that a node does after one renewal of its lease."""

NODES_KEPT_MS = 600_000
"""
For how long a node counts after its last renewal: no library of its release is dropped, and no schema is
written that it does not read, so that its release can be started again.
"""

CLEANING_INTERVAL_MS: Final = 60_000
"""How often each node looks for libraries that no node needs."""


class NodeRegistry:
    """
    Keep this node's lease on the store.

    Args:
        store: The store.
        commands: Of that store; they learn the schema to write, and whether the store must not be used.
        renew_ms: How often the lease is renewed.
    """

    def __init__(self, store: StoreClient, commands: StoreCommands, renew_ms: int) -> None:
        self._store = store
        self._commands = commands
        self._renew_s = renew_ms / 1000
        self._cleaned_at_ms = 0
        self._migrated_to = 0
        self._unused: set[tuple[Server, str]] = set()

    async def start(self) -> None:
        """Take the lease, if the store can be reached."""
        await self._renew()

    async def keep(self) -> None:
        """Renew the lease again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._renew_s)
            await self._renew()

    async def _renew(self) -> None:
        refused_before = self._commands.refused
        try:
            found = await self._commands.renew_node(NODES_KEPT_MS)
        except UnsupportedStoreError as error:
            if refused_before is None:
                log.error("store refused", reason=str(error))
        except StoreUnavailableError as error:
            log.log(self._commands.consequence_level, "node lease renewal failed", reason=str(error))
        except StoreDefectError as error:
            incident(log, "node lease renewal failed", error)
        else:
            if refused_before is not None:
                log.info("store accepted", schema=found.schema)
            if found.schema != self._migrated_to:
                await self._migrate_tenants(found.schema)
            if found.now - self._cleaned_at_ms >= CLEANING_INTERVAL_MS:
                self._cleaned_at_ms = found.now
                await self._drop_libraries(answers.read_nodes(found.nodes))

    async def _migrate_tenants(self, schema: int) -> None:
        """Have tenants rewrite their records, at most so many steps, since no node may serve them."""
        steps = MIGRATION_STEPS_MAX
        try:
            async for tenant in read_tenants(self._store):
                more = tenant.schema > 0 and tenant.is_behind(schema)
                while more:
                    if steps == 0:
                        return
                    steps -= 1
                    more = await self._commands.migrate(tenant.id)
            if steps < MIGRATION_STEPS_MAX:
                log.info("migration done", schema=schema)
            self._migrated_to = schema
        except (StoreUnavailableError, StoreDefectError, CommandRejectedError) as error:
            log.warning("migration interrupted", reason=str(error))

    async def _drop_libraries(self, nodes: Iterable[answers.NodeRecord]) -> None:
        """
        Drop the function libraries of releases of which no node is or was there.

        One goes if it was not in use at the last look either: a node that starts loads its library before it
        has its lease.
        """
        in_use = {node.library for node in nodes}
        try:
            found = await self._store.libraries()
            unused = {
                (server, name) for server, names in found.items() for name in names if name not in in_use
            }
            for server, name in unused & self._unused:
                if await self._store.drop_library(server, name):
                    log.info("library dropped", library=name, server=str(server))
            self._unused = unused
        except (StoreUnavailableError, StoreDefectError) as error:
            log.warning("library cleaning failed", reason=str(error))
