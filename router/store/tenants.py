"""The tenants of a store: in which schema each is, of whatever release, and how far its migration is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from relevo.router.store import records
from relevo.router.store.client.client import StoreClient
from relevo.router.store.keys import parse_key, prefix

NAMES_MAX: Final = 1000
"""Names of keys that are looked at for one piece of a scan."""


class TenantStatus(msgspec.Struct):
    """
    A tenant.

    Attributes:
        schema: The schema in which it is written; 0 where that cannot be read.
        migrating: How many parts of it have still to be rewritten in that schema (`MetaExtra`).
        migrated: How many records were looked at for that, so far.
    """

    id: str
    schema: int
    migrating: int = 0
    migrated: int = 0

    def is_behind(self, schema: int) -> bool:
        """Return whether it has still to move to the store's schema, or to end its move."""
        return self.schema < schema or self.migrating > 0


async def read_tenants(store: StoreClient) -> AsyncIterator[TenantStatus]:
    """
    Yield the tenants of a store; one perhaps twice.

    Raises:
        StoreUnavailableError: A server that holds data does not reply.
        StoreDefectError: A read failed.
    """
    async for keys in store.scan(f"{prefix('*')}tenant", NAMES_MAX):
        for tenant, _ in filter(None, map(parse_key, keys)):
            packed = await store.read(tenant, b"HGET", f"{prefix(tenant)}tenant".encode(), b"m")
            yield _status_of(tenant, packed if isinstance(packed, bytes) else b"")


def _status_of(tenant: str, packed: bytes) -> TenantStatus:
    try:
        match msgspec.msgpack.decode(packed):
            case [int(schema), *_] if schema in records.READABLE:
                extra = records.decode_meta(packed).extra or records.MetaExtra()
                return TenantStatus(tenant, schema, extra.migrating, extra.migrated)
            case [int(schema), *_]:
                return TenantStatus(tenant, schema)
    except msgspec.DecodeError:
        pass
    return TenantStatus(tenant, 0)
