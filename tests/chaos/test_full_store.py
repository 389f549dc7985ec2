"""The store has no room any more, on its disk or in its memory, until an operator makes some."""

import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.conftest import PATIENT
from tests.chaos.proxied_routers import on_stores, serving
from tests.chaos.waiting import insist, still_answered, until_ready
from tests.e2e.conftest import MakeTenant, StartRouters
from tests.e2e.tenant import CUSTOMER, Tenant, to_agent
from tests.e2e.test_presence import observe
from tests.raw_client import Message, RawClient
from tests.servers import StoreServer, running

# A busy machine takes its time.

DISK_BYTES = 4_000_000
MEMORY_BYTES = 16_000_000


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a disk that is soon full; a test that may not is left out."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill_disk(folder: Path) -> None:
    """Write until nothing more fits."""
    with (folder / "ballast").open("wb", buffering=0) as ballast:
        try:
            while ballast.write(b"x" * 4096):
                pass
        except OSError:
            # Full, as was wanted.
            return


def everything_of(tenant: str, store: StoreServer) -> dict[bytes, bytes]:
    """Return all that the store holds of a tenant."""
    return {key: store.call("DUMP", key) for key in store.call("KEYS", f"relevo:{{{tenant}}}:*")}


async def use_full_memory(adela: RawClient) -> None:
    """Read and free, as a store without memory left still lets an admin do."""
    assert (await adela.command("session.get", session_id="chat-1"))["session"]["state"] == "in_progress"
    assert len((await adela.command("session.list"))["sessions"]) == 3
    assert (await adela.command("session.history", session_id="chat-1"))["entries"]
    await adela.command("session.close", session_id="chat-0")
    await adela.command("agent.remove", agent_id="leaver")


async def fill_up(
    tenant: Tenant,
    store: StoreServer,
    fill: Callable[[], object],
    make_room: Callable[[], object],
    when_full: Callable[[RawClient], Awaitable[None]] | None = None,
) -> None:
    """Fill the store, use it, have room made, and hold what comes of it against what must."""
    adela = await tenant.connect_admin(on=0)
    ana = await tenant.connect_agent("ana", on=0)
    await tenant.connect_agent("bob", on=1)
    observer = await observe(tenant, on=1)
    for number in (0, 1, 2):
        await tenant.open_session(f"chat-{number}", agent="ana")
    await tenant.put_agent("leaver")
    await observer.sees_agent("ana", load=3)

    fill()
    notes = 0
    while True:
        # What is still taken while the last corner is filled counts.
        fields = {"session_id": "chat-1", "text": f"{notes} " + "x" * 3000, "key": f"note-{notes}"}
        reply = await ana.reply(await ana.send("session.note", **fields))
        if "error" in reply:
            break
        notes += 1
    assert (reply["error"]["code"], reply["error"]["retryable"]) == ("unavailable", True)
    before = everything_of(tenant.id, store)
    wanted: list[tuple[str, Message]] = [
        ("session.open", {"session_id": "chat-3", "customer": CUSTOMER, "target": to_agent("bob")}),
        ("session.transfer", {"session_id": "chat-1", "target": to_agent("bob"), "reason": "no room"}),
        ("status.set", {"agent_id": "bob", "status": "pause"}),
        (
            "agent.put",
            {"agent": {"id": "new", "name": "New", "role": "agent", "departments": [], "capacity": 1}},
        ),
    ]
    for wire_type, fields in wanted:
        error = await adela.refused(wire_type, **fields, key=f"{wire_type}-once")
        assert (error["code"], error["retryable"]) == ("unavailable", True)
    assert everything_of(tenant.id, store) == before
    if when_full is not None:
        await when_full(adela)
    for router in tenant.routers:
        assert "store" in await until_ready(router, False)
    await still_answered(ana, adela, observer)

    make_room()
    for wire_type, fields in wanted:
        await insist(adela, wire_type, **fields, key=f"{wire_type}-once")
    for router in tenant.routers:
        await until_ready(router)
    await adela.command("session.close", session_id="chat-2")
    if (await tenant.get_session("chat-0"))["state"] != "closed":
        await adela.command("session.close", session_id="chat-0")
    kinds = [entry["kind"] for entry in await tenant.history("chat-1")]
    assert kinds == ["opened", *["internal"] * notes, "transferred", "internal"]
    assert (await tenant.get_session("chat-2"))["state"] == "closed"
    await observer.sees_agent("ana", load=0, status="connected")
    await observer.sees_agent("bob", load=2, status="pause")
    assert observer.dialog.snapshots == 1
    await still_answered(ana, adela, observer)


@pytest.mark.slow
@pytest.mark.fault("the store's disk is full")
async def test_full_disk_makes_commands_unavailable_until_there_is_room(
    tmp_path: Path, make_tenant: MakeTenant
) -> None:
    with (
        small_disk(tmp_path / "disk") as disk,
        running(StoreServer(disk, arguments=["--appendonly", "yes"])) as store,
    ):
        routers = on_stores(tmp_path, store.url, store.url, **PATIENT)
        async with serving(routers):
            tenant = make_tenant(routers)
            await fill_up(tenant, store, lambda: fill_disk(disk), (disk / "ballast").unlink)
            await tenant.disconnect_all()


@pytest.mark.slow
@pytest.mark.fault("the store's memory is full")
async def test_full_memory_makes_commands_unavailable_until_there_is_room(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    def fill() -> None:
        own_store.call("SET", "ballast", b"x" * MEMORY_BYTES)
        own_store.call("CONFIG", "SET", "maxmemory", MEMORY_BYTES)

    tenant = make_tenant(start_routers(2, own_store.url, **PATIENT))
    await fill_up(tenant, own_store, fill, lambda: own_store.call("DEL", "ballast"), use_full_memory)
