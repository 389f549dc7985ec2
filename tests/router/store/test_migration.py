"""A tenant's records move to a newer schema in steps, idle ones too, once every node reads it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from relevo.router import cli
from relevo.router.store import node_registry, records
from relevo.router.store.lua.library import FOLDER
from relevo.router.store.node_registry import NODES_KEPT_MS, NodeRegistry
from tests.next_release import FIELD, NEXT_SCHEMA, make_next_release
from tests.router.conftest import using
from tests.router.store.stored_tenant import SALES, StoredTenant, to_agent
from tests.servers import StoreServer, running
from tests.stored_records import key_of, meta_of

STEP_MAX = 64
"""Records that one step rewrites (SWEEP_MAX of `lua/lib/step.lua`)."""
AGENTS, NOTES, CLOSED = 150, 150, 70
NODES = "relevo:{~}:nodes"
STATUS = ["store", "status", "--redis-url"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StoreServer]:
    """A store of the test's own: its schema grows."""
    home = tmp_path / "valkey"
    home.mkdir()
    with running(StoreServer(home)) as started:
        yield started


async def fill(tenant: StoredTenant) -> None:
    """Have records of each kind, more than a step rewrites of each but departments."""
    await tenant.set_up()
    for number in range(AGENTS):
        agent = {"id": f"a{number}", "name": "A", "role": "agent", "departments": [], "capacity": 1}
        await tenant.run("agent_put", "boss", agent=agent)
    await tenant.connect_new("ana", capacity=10)
    for session_id, target in (("long", to_agent("ana")), ("waiting", to_agent("a1")), ("queued", SALES)):
        await tenant.open(session_id, target)
    for number in range(NOTES):
        await tenant.run("session_note", "boss", session_id="long", text=str(number))
    for number in range(CLOSED):
        await tenant.open(f"closed{number}", to_agent("ana"))
        await tenant.close(f"closed{number}")


@asynccontextmanager
async def upgraded(
    server: StoreServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StoredTenant]:
    """Yield a tenant that the release before filled and that the next one, now alone, has not yet touched."""
    library = make_next_release(folder / "next") / "relevo/router/store/lua"
    async with AsyncExitStack() as stack:
        old, new = [
            await stack.enter_async_context(using(server.url, scripts)) for scripts in (FOLDER, library)
        ]
        await old.open()
        await new.open()
        before, after = StoredTenant(old, "acme"), StoredTenant(new, "acme")
        await before.commands.renew_node(NODES_KEPT_MS)
        await before.commands.adopt_schema()
        await fill(before)
        [member] = server.call("ZRANGE", NODES, 0, -1)
        server.call("ZINCRBY", NODES, -NODES_KEPT_MS - 1000, member)
        monkeypatch.setattr(records, "READABLE", frozenset({records.SCHEMA, NEXT_SCHEMA}))
        assert (await after.commands.renew_node(NODES_KEPT_MS)).schema == NEXT_SCHEMA
        after.now = before.now
        yield after


def due(server: StoreServer) -> list[bytes]:
    found: list[bytes] = server.call("ZRANGE", "relevo:{acme}:due", 0, -1)
    return found


def schemas(server: StoreServer) -> list[int]:
    """Return the schema of each agent's and department's record, and of each record of a session's log."""
    rows = server.call("HGETALL", key_of("acme"))
    kept = [packed for name, packed in rows.items() if name[:1] in b"ad"]
    for name in server.call("KEYS", "relevo:{acme}:session:*"):
        kept += server.call("LRANGE", name, 0, -1)
    return [msgspec.msgpack.decode(packed)[0] for packed in kept]


async def test_migration_rewrites_every_idle_record_in_steps_of_a_bounded_size(
    server: StoreServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with upgraded(server, tmp_path, monkeypatch) as tenant:
        before, more = schemas(server).count(NEXT_SCHEMA), True
        assert before == 0
        steps = []
        while more:
            more = await tenant.commands.migrate("acme")
            now = schemas(server).count(NEXT_SCHEMA)
            steps.append(now - before)
            before = now
        assert set(schemas(server)) == {NEXT_SCHEMA}
        assert max(steps) <= STEP_MAX + 64  # The server's scan gives whole buckets.
        assert len(steps) > len(schemas(server)) / (STEP_MAX + 64)
        assert meta_of(server, "acme").extra is None
        assert not any(one.startswith(b"migrate") for one in due(server))
        log = server.call("LRANGE", "relevo:{acme}:session:long", 0, -1)
        assert all(FIELD.encode() in packed for packed in log)
        assert [entry.text for entry in await tenant.history("long")][1:] == [str(n) for n in range(NOTES)]


async def test_a_session_that_moves_while_its_tenant_migrates_is_rewritten_whole(
    server: StoreServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with upgraded(server, tmp_path, monkeypatch) as tenant:
        while not any(one.startswith(b"migrate closed:") for one in due(server)):
            await tenant.commands.migrate("acme")
        last = f"closed{CLOSED - 1}"
        first = server.call("LINDEX", f"relevo:{{acme}}:session:{last}", 0)
        assert msgspec.msgpack.decode(first)[0] == records.SCHEMA
        # From a list that is still to come into one that is done.
        await tenant.open(last, to_agent("ana"))
        while await tenant.commands.migrate("acme"):
            pass
        assert set(schemas(server)) == {NEXT_SCHEMA}


@pytest.mark.limit("MIGRATION_STEPS_MAX", "MIGRATING_SHOWN_MAX")
async def test_unserved_tenant_migrates_a_few_steps_after_each_renewal(
    server: StoreServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(node_registry, "MIGRATION_STEPS_MAX", 2)
    async with upgraded(server, tmp_path, monkeypatch) as tenant:
        registry = NodeRegistry(tenant.commands.store, tenant.commands, 1000)
        await registry.start()
        capsys.readouterr()
        assert (
            await asyncio.to_thread(cli.main, ["store", "status", "--redis-url", server.url, "--json"]) == 0
        )
        [migrating] = json.loads(capsys.readouterr().out)["migrating"]
        assert (migrating["id"], migrating["migrating"] > 0) == ("acme", True)
        assert 0 < migrating["migrated"] < len(schemas(server))
        assert records.SCHEMA in schemas(server)
        while records.SCHEMA in schemas(server):
            await registry.start()
        assert await asyncio.to_thread(cli.main, [*STATUS, server.url]) == 0
        assert "migration  done" in capsys.readouterr().out
