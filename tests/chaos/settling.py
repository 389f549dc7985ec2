"""Wait until nothing happens any more in a tenant, and read how it is then."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from relevo_client import RelevoError

from tests.chaos.actors import Actor
from tests.chaos.final_state import FinalState, Screen
from tests.chaos.history import Message
from tests.chaos.violation import Violation
from tests.chaos.workload import DEPARTMENTS, Workload
from tests.servers import StoreServer
from tests.stateful.stored import DUMP, StoredState, prefix, stored_state

POLL_S = 0.02
STATES = ("in_progress", "pending", "queued", "closed")
_numbers = itertools.count(1)


async def settle(workload: Workload, store: StoreServer, limit_s: float) -> FinalState:
    """
    Return a tenant's end, once all work has ended and everything is healed.

    Args:
        workload: The tenant.
        store: Where it lives.
        limit_s: How long each thing that must come to pass is awaited; what does not is in the result.
    """
    end = time.monotonic() + limit_s
    while True:
        final, is_at_rest = await _look(workload, store, limit_s)
        # On a busy machine an agent may be thought gone while the others are looked at.
        if is_at_rest or final.unsettled:
            return final
        if time.monotonic() > end:
            final.unsettled.append(("the store", "a while without any event"))
            return final


async def _look(workload: Workload, store: StoreServer, limit_s: float) -> tuple[FinalState, bool]:
    """Wait for quiet and look at everything; return also whether nothing happened meanwhile."""
    unsettled: list[tuple[str, str]] = []

    async def expect(condition: Callable[[], bool], subject: str, what: str) -> None:
        if not await comes_true(condition, limit_s):
            unsettled.append((subject, what))

    here = [one for one in workload.actors.values() if not one.has_left]
    for actor, outcome in zip(
        here,
        await asyncio.gather(*(one.ensure_connected() for one in here), return_exceptions=True),
        strict=True,
    ):
        if isinstance(outcome, RelevoError):
            unsettled.append((actor.log.name, f"it could not come back: {outcome!r}"))
        elif isinstance(outcome, BaseException):
            raise outcome
    screens = [one for one in here if one.log.role != "service" and one.is_connected]
    await expect(
        lambda: _is_quiet(read_store(workload.tenant, store), len(screens)),
        "the store",
        f"{len(screens)} connections, and nothing due",
    )
    # The feed keeps one order: a client that sees a later change got all earlier ones.
    before = read_store(workload.tenant, store)
    name = f"Settled {next(_numbers)}"
    await workload.name_department(workload.actors["crm"], DEPARTMENTS[0], name)
    await asyncio.gather(
        *(
            expect(lambda one=one: _shows(one, name), one.log.name, f"department {name}")  # type: ignore[misc]
            for one in screens
        )
    )
    final = FinalState(workload.tenant, before, unsettled=unsettled)
    await _read_through_interface(workload.actors["adela"], final)
    final.screens = [_screen(one) for one in screens]
    final.kept = read_store(workload.tenant, store)
    return final, (final.kept.epoch, final.kept.seq) == (before.epoch, before.seq + 1)


async def comes_true(condition: Callable[[], bool], limit_s: float) -> bool:
    """Ask again and again whether something has come to pass; return whether it has within the limit."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(POLL_S)
    return True


def read_store(tenant: str, store: StoreServer) -> StoredState:
    """Return what a tenant's keys hold."""
    return stored_state(store.call("EVAL", DUMP, 0, prefix(tenant)))


async def audit(store: StoreServer) -> list[Violation]:
    """Return what `relevo audit` finds in the store."""
    process = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("relevo"), "audit", "--json", "--redis-url", store.url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaints = await process.communicate()
    lines = [json.loads(line) for line in output.splitlines()]
    found = [
        Violation(line["invariant"], f"{line['text']}: {line['keys']}", line["tenant"], "the store")
        for line in lines
        if "invariant" in line
    ]
    if (process.returncode == 0) != (not found):
        raise RuntimeError(f"the audit ended with {process.returncode}: {complaints.decode()}")
    return found


def _is_quiet(now: StoredState, connections: int) -> bool:
    counted = sum(len(those) for name, those in now.sets.items() if name.startswith("connections:"))
    return counted == connections and all(what.startswith("node ") for what in now.due)


def _shows(actor: Actor, name: str) -> bool:
    row = actor.client.directory.departments.get(DEPARTMENTS[0])
    return row is not None and row.name.startswith(name)


async def _read_through_interface(admin: Actor, final: FinalState) -> None:
    async def ask(type: str, **fields: Any) -> Any:
        return await admin.commands.command(type, fields, timeout=10)

    for state in STATES:
        cursor: dict[str, str] = {}
        while True:
            page = await ask("session.list", state=state, limit=500, **cursor)
            for session in page["sessions"]:
                final.sessions[session["id"]] = session
            if page["cursor"] is None:
                break
            cursor = {"cursor": page["cursor"]}
    for session_id in final.sessions:
        entries = final.histories[session_id] = []
        more = True
        while more:
            after = {"after": entries[-1]["seq"]} if entries else {}
            history = await ask("session.history", session_id=session_id, limit=500, **after)
            entries += history["entries"]
            more = history["more"]


def _screen(actor: Actor) -> Screen:
    client = actor.client
    sessions = [*client.inbox.in_progress.values(), *client.inbox.pending.values()]
    return Screen(
        actor.log.name,
        actor.log.agent_id,
        {session.id: (session.state, session.fence) for session in sessions},
        _rows(client.directory.agents),
        _rows(client.directory.departments),
    )


def _rows(rows: Mapping[str, Any]) -> dict[str, Message]:
    # As they travel: an array for a tuple, and what the client does not know beside what it does.
    return {row_id: _as_sent(json.loads(json.dumps(asdict(row)))) for row_id, row in rows.items()}


def _as_sent(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    fields = value | value.pop("extra", {})
    return {name: _as_sent(field) for name, field in fields.items()}
