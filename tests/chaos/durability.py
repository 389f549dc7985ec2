"""
What each durability loses, and how long commands wait, when the store dies, fails over, or is cut off.

``python -m tests.chaos.durability`` does it all and prints a table; it takes some minutes, and root.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relevo_client import Client

from relevo.router.store.events import Event
from tests.chaos.network import Network, network_of
from tests.chaos.network_namespace import NEEDS, can_create_networks
from tests.chaos.sentinels import SentinelStore, watched_store
from tests.chaos.transfer_loops import (
    SHORT_BACKOFF,
    Acknowledgement,
    TransferAudit,
    TransferLoop,
    audit_transfers,
)
from tests.e2e.tenant import Tenant
from tests.routers import RouterProcess
from tests.servers import LOOPBACK, Host, StoreServer, free_port, running
from tests.stored_records import events_of, meta_of

RECOVERY_LIMIT_S = 60.0
# Enough to show a loss, and little enough for a test.
SOME = 100
SETTINGS = {
    "drain_ms": 0,
    "store_timeout_ms": 500,
    "durability_timeout_ms": 1000,
    # All of them, to see the first one after a fault.
    "relevo.router.store.commands.EVENTS_MAX": 1_000_000,
}


@dataclass(frozen=True, slots=True)
class DurabilityCase:
    """
    How a router and its store are set.

    Attributes:
        name: What it is called in the table.
        router: Settings of the router.
        store: Words of the store's command line.
    """

    name: str
    router: dict[str, int | str]
    store: tuple[str, ...]


EVERY_SECOND = ("--appendonly", "yes", "--appendfsync", "everysec")
MEMORY = DurabilityCase("memory", {}, EVERY_SECOND)
BOUNDED = DurabilityCase(
    "memory, min-replicas",
    {},
    (*EVERY_SECOND, "--min-replicas-to-write", "1", "--min-replicas-max-lag", "2"),
)
FSYNC = DurabilityCase("fsync", {"durability": "fsync"}, ("--appendonly", "yes", "--appendfsync", "always"))
REPLICA = DurabilityCase("replica", {"durability": "replica"}, EVERY_SECOND)
CASES = (MEMORY, BOUNDED, FSYNC, REPLICA)


@dataclass(frozen=True, slots=True)
class FaultOutcome:
    """
    What came of one fault.

    Attributes:
        audit: Of both loops.
        outages_s: How long each loop was without an acknowledgement, at most.
        began_at, ended_at: When the fault did.
        epochs: Those of the tenant before the fault and after it.
        events: What the last primary has published, or nothing where it was the same one.
        acknowledgements: Each loop's.
    """

    audit: TransferAudit
    outages_s: list[float]
    began_at: float
    ended_at: float
    epochs: tuple[str, str]
    events: list[Event]
    acknowledgements: list[list[Acknowledgement]]


class TransferWorkload:
    """
    Two routers, each with an agent and a loop of transfers.

    Args:
        tenant: The tenant.
    """

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.loops = [TransferLoop(tenant, f"loop{on}", on=on, agents=("ana", "bob")) for on in (0, 1)]

    async def wait_for(self, number: int, *on: int) -> None:
        """Return when loops, by default both, have so many further acknowledgements."""
        await asyncio.gather(*(self.loops[one].wait_for(number, RECOVERY_LIMIT_S) for one in on or (0, 1)))

    async def end(self, store: StoreServer, before: str, began_at: float, ended_at: float) -> FaultOutcome:
        """Finish both loops, and compare their acknowledgements with what the store has now."""
        await asyncio.gather(*(loop.finish() for loop in self.loops))
        audit = await audit_transfers(self.tenant, self.loops)
        events = await asyncio.to_thread(events_of, store, self.tenant.id)
        return FaultOutcome(
            audit,
            [loop.outage_s() for loop in self.loops],
            began_at,
            ended_at,
            (before, self.epoch(store)),
            events,
            [loop.acknowledgements for loop in self.loops],
        )

    def epoch(self, store: StoreServer) -> str:
        """Return the tenant's epoch, as a server has it."""
        return meta_of(store, self.tenant.id).epoch


@asynccontextmanager
async def transfers_running(
    folder: Path, store_url: str, case: DurabilityCase, hosts: Sequence[Host] = (LOOPBACK, LOOPBACK)
) -> AsyncIterator[TransferWorkload]:
    """
    Start two routers, and a loop of transfers at each.

    Args:
        folder: For the routers' logs.
        store_url: Their store.
        case: How it is set.
        hosts: Where each runs.
    """
    routers = [
        RouterProcess(store_url, folder / f"router{number}.log", **SETTINGS | case.router)
        for number in range(len(hosts))
    ]
    for router, host in zip(routers, hosts, strict=True):
        router.host = host
    work: TransferWorkload | None = None
    agents: list[Client] = []
    try:
        for router in routers:
            router.launch()
        for router in routers:
            await asyncio.to_thread(router.wait_ready)
        tenant = Tenant(routers)
        # Of the routers this one is never cut off.
        tenant.back_end_on = 1
        for on, name in enumerate(("ana", "bob")):
            urls = [f"ws://{router.address}/ws" for router in routers[on:]]
            agents.append(
                Client(
                    urls,
                    token=lambda name=name: tenant.token(name, capacity=1000),  # type: ignore[misc]
                    proxy=None,
                    reconnect=SHORT_BACKOFF,
                    retry=SHORT_BACKOFF,
                )
            )
            await agents[-1].start()
        work = TransferWorkload(tenant)
        for loop in work.loops:
            await loop.start()
        await work.wait_for(SOME)
        yield work
    finally:
        await asyncio.gather(*(loop.close() for loop in (work.loops if work is not None else ())))
        await asyncio.gather(*(agent.close() for agent in agents))
        for router in routers:
            router.stop()


async def kill_the_store(folder: Path, case: DurabilityCase) -> FaultOutcome:
    """Kill a store that keeps an append-only file, and start it again."""
    with ExitStack() as stack:
        homes = [folder / name for name in ("store", "replica")]
        for home in homes:
            home.mkdir()
        store = stack.enter_context(running(StoreServer(homes[0], port=free_port(), arguments=case.store)))
        if case in (REPLICA, BOUNDED):
            follow = ("--replicaof", f"127.0.0.1 {store.port}")
            stack.enter_context(
                running(StoreServer(homes[1], port=free_port(), arguments=(*case.store, *follow)))
            )
        async with transfers_running(folder, store.url, case) as work:
            before = work.epoch(store)
            began_at = time.monotonic()
            store.kill()
            await asyncio.to_thread(store.start)
            ended_at = time.monotonic()
            await work.wait_for(SOME)
            return await work.end(store, before, began_at, ended_at)


async def kill_the_primary(folder: Path, case: DurabilityCase, binary: str | None = None) -> FaultOutcome:
    """Kill the primary, and have the sentinels promote a replica."""
    with watched_store(folder, arguments=case.store, binary=binary) as store:
        async with transfers_running(folder, store.url, case) as work:
            before = work.epoch(store.servers[0])
            began_at = time.monotonic()
            store.servers[0].kill()
            await asyncio.to_thread(store.wait_for_promotion, store.servers[0])
            ended_at = time.monotonic()
            await work.wait_for(SOME)
            return await work.end(store.present_primary(), before, began_at, ended_at)


async def cut_the_primary_off(folder: Path, case: DurabilityCase) -> FaultOutcome:
    """Cut the primary off with a router and a sentinel, and join them again after a promotion."""
    with network_of("minority", "majority") as net:
        minority, majority = net.hosts["minority"], net.hosts["majority"]
        with watched_store(folder, arguments=case.store, hosts=(minority, majority, majority)) as store:
            async with transfers_running(folder, store.url, case, (minority, majority)) as work:
                return await _cut_off(net, store, work, case)


async def _cut_off(
    net: Network, store: SentinelStore, work: TransferWorkload, case: DurabilityCase
) -> FaultOutcome:
    old = store.servers[0]
    before = work.epoch(old)
    began_at = time.monotonic()
    net.cut("minority")
    await asyncio.to_thread(store.wait_for_promotion, old)
    await work.wait_for(SOME, 1)
    if case in (MEMORY, FSYNC):
        # In the minority every command succeeds meanwhile.
        await work.wait_for(SOME, 0)
    net.mend("minority")
    ended_at = time.monotonic()
    await asyncio.to_thread(store.make_whole)
    await work.wait_for(SOME)
    return await work.end(store.present_primary(), before, began_at, ended_at)


Fault = Callable[[Path, DurabilityCase], Coroutine[Any, Any, FaultOutcome]]
FAULTS: dict[str, Fault] = {
    "the store is killed and starts again": kill_the_store,
    "the primary is killed, a replica is promoted": kill_the_primary,
    "the primary is cut off with a router": cut_the_primary_off,
}


def main(arguments: list[str]) -> int:
    """Bring each fault about with each durability, print what came of it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.durability", description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="how often each is done (default: 3)")
    times = parser.parse_args(arguments).times
    print("| fault | durability | acknowledged | lost | made twice | longest without an answer, s |")
    print("|---|---|---|---|---|---|")
    for fault, bring_about in FAULTS.items():
        if bring_about is cut_the_primary_off and not can_create_networks():
            print(f"left out: {fault}: {NEEDS}", file=sys.stderr)
            continue
        for case in CASES:
            outcomes = [_once(bring_about, case) for _ in range(times)]
            acknowledged = sum(one.audit.acknowledged for one in outcomes)
            lost = [len(one.audit.lost) for one in outcomes]
            twice = sum(len(one.audit.doubled) + one.audit.unasked for one in outcomes)
            # The loop at the router that was not cut off.
            outages = ", ".join(f"{one.outages_s[1]:.1f}" for one in outcomes)
            shown = ", ".join(map(str, lost))
            print(f"| {fault} | {case.name} | {acknowledged} | {shown} | {twice} | {outages} |", flush=True)
    return 0


def _once(bring_about: Fault, case: DurabilityCase) -> FaultOutcome:
    with tempfile.TemporaryDirectory(prefix="relevo-durability-") as folder:
        return asyncio.run(bring_about(Path(folder), case))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
