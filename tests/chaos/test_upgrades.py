"""Two releases side by side on one store: an upgrade and a roll-back under load lose and double nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from relevo.router.store import records
from tests.chaos.deployment import Deployment
from tests.chaos.history import Message
from tests.chaos.settling import comes_true
from tests.next_release import EXTRA, FIELD, NEXT_SCHEMA, make_next_release
from tests.raw_client import make_token
from tests.routers import SECRET, RouterProcess
from tests.stored_records import meta_of

KEPT_MS = 4000
LIMIT_S = 30.0
SALES = {"kind": "department", "id": "sales"}
SIDE = "side"
"""A tenant without other work, so that each answer is known."""
REGISTRY = "relevo.router.store.node_registry"
SETTINGS: dict[str, Any] = {
    # A client that moves to another router is back long before.
    "presence_grace_ms": 20_000,
    "session_grace_ms": 30_000,
    f"{REGISTRY}.NODES_KEPT_MS": KEPT_MS,
    f"{REGISTRY}.CLEANING_INTERVAL_MS": 500,
}


async def post(router: RouterProcess, command: str, key: str | None, **fields: Any) -> tuple[int, Message]:
    """Give a back end's command over HTTP; in a thread, as the proxies to the store run on this loop."""
    token = make_token(SECRET, tenant=SIDE, sub="crm", role="service")
    headers = {"authorization": f"Bearer {token}"} | ({"idempotency-key": key} if key else {})
    content = json.dumps(fields).encode()
    status, _, body = await asyncio.to_thread(router.request, "POST", f"/api/v1/{command}", content, headers)
    return status, json.loads(body)


def statuses(deployment: Deployment, agent_id: str) -> Iterator[tuple[str, int]]:
    """Yield each status in which any dialog showed an agent, with the time since when it has it."""
    for client in deployment.history.clients:
        for moment in client.moments:
            rows = moment.content.get("agents") if moment.what == "received" else None
            yield from (
                (row["status"], row["status_since_at"]) for row in rows or () if row["id"] == agent_id
            )


def extra_of(packed: bytes) -> object:
    """Return the extra fields of a session's record."""
    return msgspec.msgpack.decode(packed)[records.SessionRecord.__struct_fields__.index("extra")]


def libraries(deployment: Deployment) -> int:
    return len(deployment.store.call("FUNCTION", "LIST"))


@pytest.mark.slow
@pytest.mark.fault("two releases run side by side, in a rolling upgrade and a roll-back")
async def test_upgrade_and_roll_back_under_load_lose_and_double_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_release = make_next_release(tmp_path / "next")
    async with Deployment(tmp_path, seed=11, tenants=("acme",), **SETTINGS) as deployment:

        async def replace_router(number: int, sources: Path | None) -> None:
            await deployment.stop_router(number)
            router = deployment.routers[number]
            router.variables = {} if sources is None else {"PYTHONPATH": str(sources)}
            await deployment.start_router(number)

        deployment.begin_work()
        [workload] = deployment.workloads
        # She only sits there, so that nothing but a router could change how she is shown.
        ida = workload.add("ida", "agent", departments=[], capacity=1)
        await ida.connect()
        put = await post(
            deployment.routers[0], "department.put", "put", department={"id": "sales", "name": "Sales"}
        )
        assert put[0] == 200
        opened = await post(
            deployment.routers[0],
            "session.open",
            "open",
            session_id="both",
            customer={"id": "c", "name": "C"},
            target=SALES,
        )
        assert opened[0] == 200
        await deployment.let_work(80)

        await replace_router(0, next_release)
        await deployment.let_work(80)
        answers = [
            await post(
                deployment.routers[number], "session.note", key.replace(" ", "-"), session_id="both", text=key
            )
            for number, key in ((0, "new first"), (1, "new first"), (1, "old first"), (0, "old first"))
        ]
        await replace_router(0, None)
        await deployment.let_work(80)
        assert meta_of(deployment.store, "acme").schema == records.SCHEMA

        await replace_router(0, next_release)
        await deployment.let_work(80)
        await replace_router(1, next_release)
        monkeypatch.setattr(records, "READABLE", frozenset({records.SCHEMA, NEXT_SCHEMA}))
        assert await comes_true(lambda: meta_of(deployment.store, "acme").schema == NEXT_SCHEMA, LIMIT_S)
        assert await comes_true(lambda: libraries(deployment) == 1, LIMIT_S)
        await deployment.let_work(80)
        last = await post(deployment.routers[0], "session.note", "last", session_id="both", text="last")
        assert last[0] == 200
        packed = deployment.store.call("LINDEX", f"relevo:{{{SIDE}}}:session:both", -1)
        assert FIELD.encode() in packed
        # The release between, which does not know the field, carried it on.
        assert extra_of(packed) == {EXTRA: 2}

        assert [status for status, _ in answers] == [200] * 4
        assert (answers[0], answers[2]) == (answers[1], answers[3])
        _, history = await post(deployment.routers[1], "session.history", None, session_id="both", limit=100)
        texts = [entry["text"] for entry in history["entries"] if entry["kind"] == "internal"]
        assert [text for text in texts if text in ("new first", "old first", "last")] == [
            "new first",
            "old first",
            "last",
        ]
        # The audit is of the release that the store is of by now.
        monkeypatch.setenv("PYTHONPATH", str(next_release))
        await deployment.check()
        # Since the same time, too: a dialog need not show what changes back within its window.
        [(status, _)] = set(statuses(deployment, "ida"))
        assert status == "connected"


@pytest.mark.slow
async def test_a_router_on_a_store_of_a_newer_schema_says_so_and_is_not_ready(tmp_path: Path) -> None:
    async with Deployment(tmp_path, seed=12, routers=1, tenants=()) as deployment:
        [router] = deployment.routers
        await deployment.stop_router(0)
        deployment.store.call("SET", "relevo:{~}:schema", NEXT_SCHEMA)
        deployment.launch_router(0)

        def refuses() -> bool:
            try:
                status, text = router.get("/readyz")
            except OSError:
                return False
            return status == 503 and f"schema {NEXT_SCHEMA}" in text

        assert await comes_true(refuses, LIMIT_S)
        assert "store refused" in (tmp_path / "router0.log").read_text()
