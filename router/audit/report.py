"""Audit a store, mend it if asked to, and print what was found and done."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from relevo.router.audit.repair import mend
from relevo.router.audit.scan import Counts, violations
from relevo.router.audit.violation import INVARIANTS, Violation
from relevo.router.config import Settings
from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError, UnsupportedStoreError
from relevo.router.store.client.pipeline import PipelineLimits
from relevo.router.store.client.topology import prefix
from relevo.router.store.commands import VerbLimits, Verbs

AUDITOR: Final = "audit"
PASSES_MAX: Final = 3
"""How often a repair looks for what its last mending has brought up."""


class AuditFailed(Exception):
    """The store cannot be read; the message says why."""


def run(
    settings: Settings,
    store_url: str,
    *,
    tenant: str | None = None,
    repair: bool = False,
    as_json: bool = False,
) -> bool:
    """
    Audit a store, print what is wrong and a summary, and return whether all was judged and nothing is wrong.

    Args:
        settings: The settings.
        store_url: Where the store is.
        tenant: Whose data; None for everybody's.
        repair: Whether to mend what is derived, and to look again: what counts is what is left.
        as_json: Whether each line is a JSON object.

    Raises:
        AuditFailed: The store cannot be read.
    """
    try:
        return asyncio.run(_run(settings, store_url, tenant, repair, as_json))
    except (StoreUnavailableError, UnsupportedStoreError, StoreDefectError, ValueError) as error:
        raise AuditFailed(f"the store cannot be read: {error}") from None


async def _run(settings: Settings, store_url: str, tenant: str | None, repair: bool, as_json: bool) -> bool:
    limits = PipelineLimits(timeout_ms=settings.store_timeout_ms, queue_max=settings.store_queue_max)
    store = StoreClient(store_url, limits=limits)
    try:
        await store.open()
        verbs = Verbs(store, VerbLimits.of(settings), AUDITOR)
        if repair:
            await _repair(store, verbs, tenant, as_json)
        counts = Counts()
        async for whose, violation in violations(store, verbs, tenant, counts):
            _print(_line(whose, violation, as_json))
        _print(_summary(counts, as_json))
        return counts.violations == 0 and counts.unsettled == 0
    finally:
        await store.close()


async def _repair(store: StoreClient, verbs: Verbs, tenant: str | None, as_json: bool) -> None:
    """Mend, as often as mending brings up more that can be mended, and print what was done."""
    told: set[tuple[str, Violation]] = set()
    for _ in range(PASSES_MAX):
        found: dict[str, list[Violation]] = {}
        async for whose, violation in violations(store, verbs, tenant, Counts()):
            if (whose, violation) not in told:
                found.setdefault(whose, []).append(violation)
        for whose, those in found.items():
            for violation, done in (await mend(verbs, whose, those)).items():
                told.add((whose, violation))
                _print(_line(whose, violation, as_json, done))
        if not any(violation.mend for those in found.values() for violation in those):
            return


def _line(tenant: str, violation: Violation, as_json: bool, done: str | None = None) -> str:
    keys = [prefix(tenant) + key for key in violation.keys]
    if not as_json:
        line = f"{violation.invariant}: {violation.text} ({' '.join(keys)})"
        return line if done is None else f"{line}\n    {done}"
    return _json(
        tenant=tenant,
        invariant=violation.invariant,
        meaning=INVARIANTS[violation.invariant],
        text=violation.text,
        keys=keys,
        **({} if done is None else {"repair": done}),
    )


def _summary(counts: Counts, as_json: bool) -> str:
    if as_json:
        return _json(
            tenants=len(counts.tenants),
            keys=counts.keys,
            violations=counts.violations,
            unsettled=counts.unsettled,
        )
    found = f"{counts.violations} violations"
    if counts.unsettled:
        found += f", and {counts.unsettled} things changed too fast to be judged"
    elif not counts.violations:
        found = "clean"
    return f"{found}: {len(counts.tenants)} tenants, {counts.keys} keys"


def _json(**fields: Any) -> str:
    return msgspec.json.encode(fields).decode()


def _print(line: str) -> None:
    # At once: whoever watches a large store's audit sees what is found as it is found.
    print(line, flush=True)
