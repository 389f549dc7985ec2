"""Derive a tenant's lists and rows again from its sessions and profiles, part by part."""

from __future__ import annotations

from collections import deque
from typing import Final

from relevo.router.audit.layout import name_of
from relevo.router.store.client.client import StoreClient
from relevo.router.store.commands import StoreCommands
from relevo.router.store.keys import prefix

NAMES_MAX: Final = 1000
"""Names of keys that are looked at for one piece of a scan."""
PARTS_MAX: Final = 100
"""Keys that are sent with one command; the store does as many as its bound of cost allows."""

ORDER: Final = (
    ("session",),
    ("owned", "pending", "queue", "state"),
    ("customer", "routed", "had"),
    ("connections", "node", "due", "keys"),
    ("members", "available"),
    ("tenant",),
    ("agents", "departments"),
)
"""Kinds of keys in the order in which they are rebuilt: what others are derived from comes first."""

_RANK: Final = {kind: rank for rank, kinds in enumerate(ORDER) for kind in kinds}


async def rebuild(store: StoreClient, commands: StoreCommands, tenant: str) -> int:
    """
    Rebuild a tenant while routers work, and begin another epoch, so that they read it; return how many keys.

    Args:
        store: Open.
        commands: Of that store.
        tenant: Whose data.

    Raises:
        StoreUnavailableError: The store does not answer; the tenant may be rebuilt in part.
        StoreDefectError: The command failed.
    """
    start = prefix(tenant)
    names = {name_of(name) async for page in store.scan(f"{start}*", NAMES_MAX) for name in page}
    kinds = {name[len(start) :]: name[len(start) :].partition(":")[0] for name in names}
    known = sorted(
        (name for name, kind in kinds.items() if kind in _RANK), key=lambda name: _RANK[kinds[name]]
    )
    # A list that is gone altogether has no key.
    known += [name for name in ("agents", "departments") if name not in known]
    parts = deque((name, "0") for name in [*known, "epoch"])
    while parts:
        batch = [parts.popleft() for _ in range(min(PARTS_MAX, len(parts)))]
        parts.extendleft(reversed(await commands.rebuild(tenant, batch)))
    return len(known)
