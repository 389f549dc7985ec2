"""Audit a store: find its tenants' keys, and read for the rules what they want to know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from relevo.router.audit.runner import Audit
from relevo.router.audit.violation import Violation
from relevo.router.store import answers
from relevo.router.store.client.client import StoreClient
from relevo.router.store.commands import StoreCommands
from relevo.router.store.keys import parse_key, prefix

NAMES_MAX: Final = 1000
"""Names of keys that are looked at for one piece of a scan."""


@dataclass
class Counts:
    """What an audit has looked at so far."""

    tenants: set[str] = field(default_factory=set)
    keys: int = 0
    violations: int = 0
    unsettled: int = 0


async def violations(
    store: StoreClient, commands: StoreCommands, tenant: str | None, counts: Counts
) -> AsyncIterator[tuple[str, Violation]]:
    """
    Yield the violations of all tenants, or of one, each with its tenant.

    Every rule sees what was so at one instant, so that routers may write meanwhile; what is added behind the
    scan's back is not looked at.

    Args:
        store: Open.
        commands: Of that store.
        tenant: Whose keys; None for all tenants'.
        counts: Where to count what was looked at.

    Raises:
        StoreUnavailableError: The store does not answer.
        StoreDefectError: It answers what it should not.
    """
    told: set[tuple[str, Violation]] = set()
    async for names in store.scan(f"{prefix(tenant or '*')}*", NAMES_MAX):
        by_tenant: dict[str, list[str]] = {}
        for whose, name in filter(None, map(parse_key, names)):
            by_tenant.setdefault(whose, []).append(name)
        for one, keys in by_tenant.items():
            if one not in counts.tenants:
                counts.tenants.add(one)
                keys = ["tenant", *(key for key in keys if key != "tenant")]
            counts.keys += len(keys)
            audit = Audit(keys)
            await _read_for(audit, commands, one)
            counts.unsettled += audit.unsettled
            for violation in audit.violations:
                if (one, violation) not in told:
                    told.add((one, violation))
                    counts.violations += 1
                    yield one, violation


async def _read_for(audit: Audit, commands: StoreCommands, tenant: str) -> None:
    while reads := audit.reads():
        found = await commands.read_snapshot(tenant, reads)
        audit.take([answers.plain(value) for value in found.values], found.now)
