"""The tenants that a scan of a store finds: their schemas, and how far their migration is."""

import msgspec
import pytest

from relevo.router.store import records
from relevo.router.store.lua.library import FOLDER
from relevo.router.store.tenants import TenantStatus, read_tenants
from tests.router.conftest import using
from tests.servers import StoreServer


def meta(schema: int, extra: records.MetaExtra | None = None) -> bytes:
    """Return a tenant's meta record."""
    record = records.MetaRecord(schema, 0, 0, 0, epoch="1", run="", ring=16, extra=extra)
    return msgspec.msgpack.encode(record)


@pytest.mark.parametrize(
    ("packed", "status"),
    [
        (meta(records.SCHEMA), TenantStatus("acme", records.SCHEMA)),
        (
            meta(records.SCHEMA, records.MetaExtra(migrating=2, migrated=64)),
            TenantStatus("acme", records.SCHEMA, 2, 64),
        ),
        (meta(records.SCHEMA + 7), TenantStatus("acme", records.SCHEMA + 7)),
        (b"\xc1", TenantStatus("acme", 0)),
        (msgspec.msgpack.encode({"no": "record"}), TenantStatus("acme", 0)),
        (b"", TenantStatus("acme", 0)),
    ],
    ids=["of this release", "in migration", "newer", "no MessagePack", "no record", "missing"],
)
async def test_a_tenant_is_read_whatever_its_record_is(
    valkey: StoreServer, packed: bytes, status: TenantStatus
) -> None:
    valkey.call("HSET", "relevo:{acme}:tenant", *(("m", packed) if packed else ("aana", b"")))
    async with using(valkey.url, FOLDER) as store:
        await store.open()
        assert [tenant async for tenant in read_tenants(store)] == [status]


@pytest.mark.parametrize(
    ("status", "is_behind"),
    [
        (TenantStatus("acme", 1), True),
        (TenantStatus("acme", 2), False),
        (TenantStatus("acme", 2, migrating=1), True),
        (TenantStatus("acme", 3), False),
    ],
)
def test_a_tenant_is_behind_until_its_migration_has_ended(status: TenantStatus, is_behind: bool) -> None:
    assert status.is_behind(2) == is_behind
