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

from relevo.router.store.records import Event
from tests.chaos.clerks import SOON, Clerk, Receipt, Reckoning, reckon
from tests.chaos.island import NEEDS, can_rise
from tests.chaos.network import Network, network_of
from tests.chaos.sentinels import SentinelStore, watched_store
from tests.e2e.office import Office
from tests.kept import events_of, meta_of
from tests.routers import RouterProcess
from tests.servers import HERE, Place, StoreServer, free_port, running

RECOVERY_LIMIT_S = 60.0
# Enough for the books to say something, and little enough for a test.
SOME = 100
BY_HAND = {
    "drain_ms": 0,
    "store_timeout_ms": 500,
    "durability_timeout_ms": 1000,
    # All of them, to see the first one after a fault.
    "relevo.router.store.commands.EVENTS_MAX": 1_000_000,
}


@dataclass(frozen=True, slots=True)
class Choice:
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
MEMORY = Choice("memory", {}, EVERY_SECOND)
BOUNDED = Choice(
    "memory, min-replicas",
    {},
    (*EVERY_SECOND, "--min-replicas-to-write", "1", "--min-replicas-max-lag", "2"),
)
FSYNC = Choice("fsync", {"durability": "fsync"}, ("--appendonly", "yes", "--appendfsync", "always"))
REPLICA = Choice("replica", {"durability": "replica"}, EVERY_SECOND)
CHOICES = (MEMORY, BOUNDED, FSYNC, REPLICA)


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What came of one fault.

    Attributes:
        reckoning: Of both clerks' books.
        outages_s: How long each clerk went without an acknowledgement, at most.
        began_at, ended_at: When the fault did.
        epochs: Those of the tenant before the fault and after it.
        events: What the last primary has published, or nothing where it was the same one.
        receipts: Each clerk's.
    """

    reckoning: Reckoning
    outages_s: list[float]
    began_at: float
    ended_at: float
    epochs: tuple[str, str]
    events: list[Event]
    receipts: list[list[Receipt]]


class Work:
    """
    Two routers, two agents and a clerk at each.

    Args:
        office: The tenant.
    """

    def __init__(self, office: Office) -> None:
        self.office = office
        self.clerks = [Clerk(office, f"clerk{on}", on=on, agents=("ana", "bob")) for on in (0, 1)]

    async def receive(self, number: int, *on: int) -> None:
        """Return when clerks, by default both, have got so many further acknowledgements."""
        await asyncio.gather(*(self.clerks[one].receive(number, RECOVERY_LIMIT_S) for one in on or (0, 1)))

    async def end(self, store: StoreServer, before: str, began_at: float, ended_at: float) -> Outcome:
        """End the work, and hold the books against what the store has now."""
        await asyncio.gather(*(clerk.end() for clerk in self.clerks))
        reckoning = await reckon(self.office, self.clerks)
        events = await asyncio.to_thread(events_of, store, self.office.tenant)
        return Outcome(
            reckoning,
            [clerk.outage_s() for clerk in self.clerks],
            began_at,
            ended_at,
            (before, self.epoch(store)),
            events,
            [clerk.receipts for clerk in self.clerks],
        )

    def epoch(self, store: StoreServer) -> str:
        """Return the tenant's epoch, as a server has it."""
        return meta_of(store, self.office.tenant).epoch


@asynccontextmanager
async def at_work(
    folder: Path, store_url: str, choice: Choice, places: Sequence[Place] = (HERE, HERE)
) -> AsyncIterator[Work]:
    """
    Start two routers, and have sessions passed on at both.

    Args:
        folder: For the routers' logs.
        store_url: Their store.
        choice: How it is set.
        places: Where each runs.
    """
    routers = [
        RouterProcess(store_url, folder / f"router{number}.log", **BY_HAND | choice.router)
        for number in range(len(places))
    ]
    for router, place in zip(routers, places, strict=True):
        router.place = place
    work: Work | None = None
    agents: list[Client] = []
    try:
        for router in routers:
            router.launch()
        for router in routers:
            await asyncio.to_thread(router.wait_ready)
        office = Office(routers)
        # Of the routers this one is never cut off.
        office.back_end_on = 1
        for on, name in enumerate(("ana", "bob")):
            urls = [f"ws://{router.address}/ws" for router in routers[on:]]
            agents.append(
                Client(
                    urls,
                    token=lambda name=name: office.token(name, capacity=1000),  # type: ignore[misc]
                    proxy=None,
                    reconnect=SOON,
                    retry=SOON,
                )
            )
            await agents[-1].start()
        work = Work(office)
        for clerk in work.clerks:
            await clerk.begin()
        await work.receive(SOME)
        yield work
    finally:
        await asyncio.gather(*(clerk.leave() for clerk in (work.clerks if work is not None else ())))
        await asyncio.gather(*(agent.close() for agent in agents))
        for router in routers:
            router.stop()


async def kill_the_store(folder: Path, choice: Choice) -> Outcome:
    """Kill a store that keeps an append-only file, and start it again."""
    with ExitStack() as stack:
        homes = [folder / name for name in ("store", "replica")]
        for home in homes:
            home.mkdir()
        store = stack.enter_context(running(StoreServer(homes[0], port=free_port(), arguments=choice.store)))
        if choice in (REPLICA, BOUNDED):
            follow = ("--replicaof", f"127.0.0.1 {store.port}")
            stack.enter_context(
                running(StoreServer(homes[1], port=free_port(), arguments=(*choice.store, *follow)))
            )
        async with at_work(folder, store.url, choice) as work:
            before = work.epoch(store)
            began_at = time.monotonic()
            store.kill()
            await asyncio.to_thread(store.start)
            ended_at = time.monotonic()
            await work.receive(SOME)
            return await work.end(store, before, began_at, ended_at)


async def kill_the_primary(folder: Path, choice: Choice, binary: str | None = None) -> Outcome:
    """Kill the primary, and have the sentinels promote a replica."""
    with watched_store(folder, arguments=choice.store, binary=binary) as store:
        async with at_work(folder, store.url, choice) as work:
            before = work.epoch(store.servers[0])
            began_at = time.monotonic()
            store.servers[0].kill()
            await asyncio.to_thread(store.wait_for_promotion, store.servers[0])
            ended_at = time.monotonic()
            await work.receive(SOME)
            return await work.end(store.present_primary(), before, began_at, ended_at)


async def cut_the_primary_off(folder: Path, choice: Choice) -> Outcome:
    """Cut the primary off with a router and a sentinel, and join them again after a promotion."""
    with network_of("island", "mainland") as net:
        island, mainland = net.places["island"], net.places["mainland"]
        with watched_store(folder, arguments=choice.store, places=(island, mainland, mainland)) as store:
            async with at_work(folder, store.url, choice, (island, mainland)) as work:
                return await _cut_off(net, store, work, choice)


async def _cut_off(net: Network, store: SentinelStore, work: Work, choice: Choice) -> Outcome:
    old = store.servers[0]
    before = work.epoch(old)
    began_at = time.monotonic()
    net.cut("island")
    await asyncio.to_thread(store.wait_for_promotion, old)
    await work.receive(SOME, 1)
    if choice in (MEMORY, FSYNC):
        # On the island every command succeeds meanwhile.
        await work.receive(SOME, 0)
    net.mend("island")
    ended_at = time.monotonic()
    await asyncio.to_thread(store.make_whole)
    await work.receive(SOME)
    return await work.end(store.present_primary(), before, began_at, ended_at)


Fault = Callable[[Path, Choice], Coroutine[Any, Any, Outcome]]
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
        if bring_about is cut_the_primary_off and not can_rise():
            print(f"left out: {fault}: {NEEDS}", file=sys.stderr)
            continue
        for choice in CHOICES:
            outcomes = [_once(bring_about, choice) for _ in range(times)]
            acknowledged = sum(one.reckoning.acknowledged for one in outcomes)
            lost = [len(one.reckoning.lost) for one in outcomes]
            twice = sum(len(one.reckoning.doubled) + one.reckoning.unasked for one in outcomes)
            # The clerk at the router that was not cut off.
            outages = ", ".join(f"{one.outages_s[1]:.1f}" for one in outcomes)
            shown = ", ".join(map(str, lost))
            print(f"| {fault} | {choice.name} | {acknowledged} | {shown} | {twice} | {outages} |", flush=True)
    return 0


def _once(bring_about: Fault, choice: Choice) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="relevo-durability-") as folder:
        return asyncio.run(bring_about(Path(folder), choice))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
