"""An audit scans the keys, reads for the rules, and reports each violation once."""

from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from relevo.router.audit.scan import Counts, violations
from tests.router.audit.rules.reading import nothing


class FakeStore:
    """Names of keys in two pieces; every read finds nothing but that an unknown key exists."""

    def __init__(self, *pieces: Sequence[bytes]) -> None:
        self.pieces = pieces
        self.patterns: list[str] = []
        self.read: list[tuple[str, int]] = []

    async def scan(self, pattern: str, count: int) -> AsyncIterator[Sequence[bytes]]:
        self.patterns.append(pattern)
        for names in self.pieces:
            yield names

    async def read_snapshot(self, tenant: str, reads: Sequence[Any]) -> Any:
        self.read.append((tenant, len(reads)))
        found = [1 if read[0] == "EXISTS" else nothing(read) for read in reads]
        return SimpleNamespace(values=[msgspec.Raw(msgspec.msgpack.encode(value)) for value in found], now=0)


async def audit(store: FakeStore, tenant: str | None, counts: Counts) -> list[tuple[str, str]]:
    given = cast(Any, store)
    return sorted([(one, found.keys[0]) async for one, found in violations(given, given, tenant, counts)])


async def test_scan_of_all_tenants_checks_each_tenants_hash_too() -> None:
    store, counts = FakeStore([b"relevo:{acme}:odd", b"relevo:{globex}:odd", b"other"]), Counts()
    found = await audit(store, None, counts)
    assert found == [("acme", "odd"), ("acme", "tenant"), ("globex", "odd"), ("globex", "tenant")]
    assert (counts.tenants, counts.keys, counts.violations) == ({"acme", "globex"}, 4, 4)
    assert store.patterns == ["relevo:{*}:*"]


async def test_scan_that_names_a_key_twice_reports_it_once() -> None:
    store = FakeStore([b"relevo:{acme}:odd"], [b"relevo:{acme}:odd"])
    assert await audit(store, "acme", Counts()) == [("acme", "odd"), ("acme", "tenant")]
    assert store.patterns == ["relevo:{acme}:*"]
