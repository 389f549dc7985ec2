"""Audit a store, rebuild it if asked to, and print what was found and done."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from relevo.router.audit.rebuild import rebuild
from relevo.router.audit.scan import Counts, violations
from relevo.router.audit.violation import INVARIANTS, Violation
from relevo.router.config import Settings
from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError, UnsupportedStoreError
from relevo.router.store.client.pipeline import PipelineLimits
from relevo.router.store.commands import CommandLimits, StoreCommands
from relevo.router.store.keys import prefix

AUDITOR: Final = "audit"


class AuditError(Exception):
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
    Audit a store, print what is wrong and a summary, and return whether all was checked and nothing is wrong.

    Args:
        settings: The settings.
        store_url: Where the store is.
        tenant: Whose data; None for all tenants'.
        repair: Whether to rebuild each tenant in which something is wrong, and to look again: what counts is
            what is left.
        as_json: Whether each line is a JSON object.

    Raises:
        AuditError: The store cannot be read.
    """
    try:
        return asyncio.run(_run(settings, store_url, tenant, repair, as_json))
    except (StoreUnavailableError, UnsupportedStoreError, StoreDefectError, ValueError) as error:
        raise AuditError(f"the store cannot be read: {error}") from None


async def _run(settings: Settings, store_url: str, tenant: str | None, repair: bool, as_json: bool) -> bool:
    limits = PipelineLimits(timeout_ms=settings.store_timeout_ms)
    store = StoreClient(store_url, limits=limits)
    try:
        commands = StoreCommands(store, CommandLimits.of(settings), AUDITOR)
        # Before the check, which loads this release's functions.
        await commands.adopt_schema()
        await store.open()
        if repair:
            await _repair(store, commands, tenant, as_json)
        counts = Counts()
        async for whose, violation in violations(store, commands, tenant, counts):
            _print(_line(whose, violation, as_json))
        _print(_summary(counts, as_json))
        return counts.violations == 0 and counts.unsettled == 0
    finally:
        await store.close()


async def _repair(store: StoreClient, commands: StoreCommands, tenant: str | None, as_json: bool) -> None:
    """Rebuild the tenants in which something is wrong, and print what it was."""
    damaged: dict[str, None] = {}
    async for whose, violation in violations(store, commands, tenant, Counts()):
        damaged[whose] = None
        _print(_line(whose, violation, as_json))
    for whose in damaged:
        keys = await rebuild(store, commands, whose)
        if as_json:
            _print(_json(tenant=whose, rebuilt_keys=keys))
        else:
            _print(f"rebuilt {keys} keys of {whose} from its sessions and profiles; what is left:")


def _line(tenant: str, violation: Violation, as_json: bool) -> str:
    keys = [prefix(tenant) + key for key in violation.keys]
    if not as_json:
        return f"{violation.invariant}: {violation.text} ({' '.join(keys)})"
    return _json(
        tenant=tenant,
        invariant=violation.invariant,
        meaning=INVARIANTS[violation.invariant],
        text=violation.text,
        keys=keys,
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
        found += f", and {counts.unsettled} things changed too fast to be checked"
    elif not counts.violations:
        found = "clean"
    return f"{found}: {len(counts.tenants)} tenants, {counts.keys} keys"


def _json(**fields: Any) -> str:
    return msgspec.json.encode(fields).decode()


def _print(line: str) -> None:
    # Flushed: an audit of a large store shows each finding as it is found.
    print(line, flush=True)
