"""Clients that stop reading, that are gone without a word, or that all come back at once."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from relevo.router.tenant.fanout import SNAPSHOT_BYTES_MAX
from tests.chaos.conftest import PATIENT
from tests.chaos.network_namespace import network_namespace
from tests.chaos.proxied_routers import on_stores, proxied_routers, serving
from tests.chaos.proxy import Proxy
from tests.chaos.waiting import still_answered
from tests.e2e.conftest import MakeTenant, StartRouters
from tests.e2e.tenant import Tenant
from tests.e2e.test_dialogs import directory_reads
from tests.e2e.test_presence import observe, statuses_shown
from tests.raw_client import Message, RawClient, connect_agent
from tests.servers import Host, StoreServer

HARD_BYTES = 131_072
# Small windows, so that there are many patches, and room for little; commands are not limited.
NARROW = {
    "node_lease_ms": 30_000,
    "store_timeout_ms": 10_000,
    "message_rate": 10**6,
    "agent_message_rate": 0,
    "tenant_message_rate": 0,
    "outbox_hard_bytes": HARD_BYTES,
    "relevo.router.tenant.window.WINDOW_S_MIN": 0.001,
    "relevo.router.tenant.window.WINDOW_S_MAX": 0.005,
}
# Rows of about a kilobyte, all of them changed again and again.
AGENTS = 50
DEPARTMENTS = [f"department-{number}-{'x' * 45}" for number in range(10)]
ROUNDS = 150
NOTE_CHARACTERS = 4000
NOTES_MAX = 20_000
BATCH_ITEMS = 15

STORM_CLIENTS = 150


# Clients that stop reading.


async def connect_narrow(tenant: Tenant, agent_id: str) -> RawClient:
    """Connect a client with little room to receive, which reads only while a test does."""
    receiver = socket.socket()
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    receiver.connect(("127.0.0.1", tenant.routers[0].port))
    client = await tenant.connect_without_hello(sock=receiver, max_queue=1)
    assert (await client.say_hello(tenant.token(agent_id)))["type"] == "welcome"
    return client


async def in_batches(client: RawClient, commands: list[Message]) -> None:
    """Send commands, as many at a time as one message holds, and read all the replies."""
    numbered = [{"id": f"batch-{number}", **command} for number, command in enumerate(commands)]
    for start in range(0, len(numbered), BATCH_ITEMS):
        await client.send_as_is(numbered[start : start + BATCH_ITEMS])
    for command in numbered:
        assert "result" in await client.reply(command["id"])


async def change_every_agent(admin: RawClient, rounds: int) -> None:
    """Change every row of the directory, again and again."""
    for capacity in range(1, rounds + 1):
        profile = {"name": "n" * 120, "role": "agent", "departments": DEPARTMENTS, "capacity": capacity}
        await in_batches(
            admin,
            [{"type": "agent.put", "agent": {"id": f"agent-{n}", **profile}} for n in range(AGENTS)],
        )


async def ask_until_done(client: RawClient, work: "asyncio.Future[None]") -> int:
    """Have a client's commands answered while others are at work; return how many were."""
    answered = 0
    while not work.done():
        await client.command("session.get", session_id="of-the-witness")
        answered += 1
    await work
    return answered


@asynccontextmanager
async def reading(client: RawClient) -> AsyncIterator[None]:
    """Have a client read whatever comes."""
    task = asyncio.create_task(client.read_on())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.slow
@pytest.mark.fault("a client stops reading")
async def test_stalled_client_gets_merged_patches_then_4001_alone(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    (router,) = start_routers(1, own_store.url, **NARROW)
    tenant = make_tenant([router])
    adela = await tenant.connect_admin()
    for department_id in DEPARTMENTS:
        await tenant.put_department(department_id)
    await change_every_agent(adela, 1)
    witness = await tenant.connect_agent("witness")
    await tenant.open_session("of-the-witness", agent="witness")
    reader, stalled = await tenant.connect_agent("reader"), await connect_narrow(tenant, "stalled")
    for client in (reader, stalled):
        await client.open_dialog()

    # While one of two does not read.
    async with reading(reader):
        work = asyncio.ensure_future(change_every_agent(adela, ROUNDS))
        assert await ask_until_done(witness, work) > 0
        await tenant.settle()
    told = reader.dialog.patches
    # All of it would not have fit.
    assert sum(len(json.dumps(patch)) for patch in told) > 32 * HARD_BYTES

    # It reads again: few patches bring it to where the others are, without a gap or a new beginning.
    async with reading(reader):
        await tenant.settle(stalled)
    await tenant.settle(reader)
    await stalled.sees_department("settled", name=reader.dialog.departments["settled"]["name"])
    assert stalled.dialog.rows == reader.dialog.rows
    assert stalled.dialog.snapshots == 1
    assert len(stalled.dialog.patches) < len(told)

    # What belongs to its sessions is not merged, and there is an end to what is kept for it.
    await tenant.open_session("of-the-stalled", agent="stalled")
    note = {"type": "session.note", "session_id": "of-the-stalled", "text": "x" * NOTE_CHARACTERS}
    written = 0
    while not await asyncio.to_thread(router.closes, 4001):
        assert written < NOTES_MAX
        await in_batches(adela, [note] * 256)
        written += 256
    await still_answered(witness, reader, adela)
    assert statuses_shown(reader, "witness") == ["connected"]


@pytest.mark.slow
@pytest.mark.fault("a client stops reading")
async def test_large_directory_over_a_slow_link_comes_in_parts(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    (router,) = start_routers(1, own_store.url, **NARROW | {"departments_max": 100})
    tenant = make_tenant([router])
    adela = await tenant.connect_admin()
    departments = [f"{'x' * 100}-{number}" for number in range(64)]
    await in_batches(
        adela, [{"type": "department.put", "department": {"id": one, "name": one}} for one in departments]
    )
    # Rows of some seven kilobytes, so that few fill a snapshot.
    profile = {"name": "n" * 120, "role": "agent", "departments": departments, "capacity": 1}
    ids = [f"agent-{number}" for number in range(SNAPSHOT_BYTES_MAX // 7_000 + 100)]
    for start in range(0, len(ids), 7):  # A message holds 64 KiB.
        await in_batches(
            adela, [{"type": "agent.put", "agent": {"id": one, **profile}} for one in ids[start : start + 7]]
        )
    proxy = Proxy(router.port)
    await proxy.open()
    phone = await connect_agent(f"127.0.0.1:{proxy.port}", tenant.token("phone"), name="phone")
    proxy.link().throttle(2_000_000)
    await phone.send("directory.subscribe")
    await phone.expect_push("directory.snapshot", part=1)
    await tenant.open_session("chat-1", agent="phone")
    # Many outboxes of rows; and yet what else it is sent arrives, and nothing is missing.
    await phone.expect_push("session.assigned", session__id="chat-1")
    await phone.sees_agent("phone", load=1)
    assert set(ids) < phone.dialog.agents.keys()
    assert phone.dialog.snapshots == 1
    await phone.close()
    await proxy.close()


# Clients that are gone without a word.


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.fault("a client's connection is half open")
async def test_half_open_connection_ends_after_a_ping_and_its_timeout(
    own_store: StoreServer, tmp_path: Path, make_tenant: MakeTenant
) -> None:
    pings = {"ping_interval_ms": 400, "ping_timeout_ms": 1500}
    graces = {"presence_grace_ms": 300, "session_grace_ms": 600}
    # What a grace ends is found when the lease is renewed, every third of it.
    lease = {"node_lease_ms": 9000}
    with network_namespace() as namespace:
        (router,) = on_stores(
            tmp_path, own_store.url, host=namespace.host_address, **PATIENT | lease, **graces, **pings
        )
        router.host = Host(namespace.host_address, namespace.host_address)
        async with serving([router]):
            tenant = make_tenant([router])
            observer = await observe(tenant, on=0)

            async def connect_phone() -> tuple[RawClient, Message]:
                phone = await tenant.connect_without_hello(
                    sock=await asyncio.to_thread(namespace.connect, router.port)
                )
                return phone, await phone.say_hello(tenant.token("ana"))

            ana, _ = await connect_phone()
            await tenant.open_session("chat-1", agent="ana")
            await observer.sees_agent("ana", status="connected", load=1)

            async with reading(ana):
                namespace.cut()
                # What is sent to her is not lost with her.
                await tenant.open_session("chat-2", agent="ana")
                await observer.sees_agent("ana", status="disconnected")
                await observer.sees_agent("ana", load=0, pending=2)
            assert await asyncio.to_thread(router.closes, 4002) == 1
            assert statuses_shown(observer, "observer") == ["connected"]

            namespace.mend()
            _, welcome = await connect_phone()
            assert [one["id"] for one in welcome["inbox"]["in_progress"]] == ["chat-1", "chat-2"]
            await tenant.disconnect_all()


# All come back at once.


@pytest.mark.origin("a reconnect storm took the servers down")
@pytest.mark.slow
@pytest.mark.fault("all clients come back at once")
async def test_reconnect_storm_costs_one_script_each_and_no_read(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(start_routers(2, own_store.url, **PATIENT))
    names = [f"agent-{number}" for number in range(STORM_CLIENTS)]

    async def storm() -> list[RawClient]:
        return await asyncio.gather(*(tenant.connect_agent(name, on=on) for on, name in enumerate(names)))

    async def scripts() -> float:
        counts = [
            await asyncio.to_thread(router.metric, "relevo_store_commands_total") for router in tenant.routers
        ]
        return sum(counts)

    await tenant.put_agent(names[0])
    await tenant.open_session("chat-1", agent=names[0])
    first = await storm()
    read, run = directory_reads(own_store), await scripts()
    for client in first:
        client.drop()
    second = await storm()

    assert directory_reads(own_store) == read
    # The end of the old connection is another one.
    assert await scripts() - run < 2.5 * STORM_CLIENTS
    inbox = second[0].welcome["inbox"]
    assert [one["id"] for one in inbox["in_progress"] + inbox["pending"]] == ["chat-1"]
    agents, _ = await tenant.read_directory()
    assert {row["status"] for row in agents.values()} == {"connected"}


@pytest.mark.limit("TENANT_HELLOS_MAX")
@pytest.mark.slow
@pytest.mark.fault("all clients come back at once")
async def test_hellos_beyond_tenant_hellos_max_wait_without_a_timeout(
    tmp_path: Path, make_tenant: MakeTenant
) -> None:
    # All of them take the store longer than it may take, and twenty of them a fraction of that.
    settings = PATIENT | {"relevo.router.tenant.in_flight.TENANT_HELLOS_MAX": 20}
    async with proxied_routers(tmp_path, **settings) as found:
        tenant = make_tenant(found.routers)
        witness = await tenant.connect_agent("witness", on=0)
        found.proxy.link("relevo-commands").throttle(20_000)

        storm = asyncio.gather(*(tenant.connect_agent(f"agent-{n}", on=0) for n in range(200)))
        # A welcomed client does not wait behind those that connect.
        while not storm.done():
            await witness.command("session.list")
        await storm

        assert await asyncio.to_thread(found.routers[0].metric, "relevo_store_timeouts_total") == 0
        await tenant.disconnect_all()
