"""
Let workloads work for a while on real routers, and see whether memory stays flat: ``python -m tests.soak``.

They connect, transfer, close, note, come back and follow the directory through the shipped Python client;
beside them are clients that read nothing, and others that come and go. Keys and closed sessions are kept for
seconds: what is kept for a while is in its steady state before the counting begins. The exit status is 1
if anything grew beyond its tolerance.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import cyclopts
from rich.console import Console
from rich.table import Table

from bench.processes import private_bytes
from tests.chaos.deployment import Deployment
from tests.raw_client import make_token
from tests.routers import SECRET
from tests.soak.callers import come_and_go, read_nothing
from tests.soak.growth import MIB, Growth, Sample, growth

TENANTS = ("acme", "globex", "initech")
SLOW_READERS = 6
SAMPLE_S = 2.0
# By then every table has its size, and what is kept for a while is gone once.
WARM_UP_RATIO = 0.25
KEPT_MS = 10_000
SETTINGS: dict[str, Any] = {
    "relevo.router.store.commands.KEY_TTL_MS": KEPT_MS,
    "closed_retention_ms": KEPT_MS,
    "relevo.router.store.commands.EVENTS_MAX": 512,
    "relevo.router.auth.tokens.TOKENS_REMEMBERED_MAX": 100,
    "outbox_hard_bytes": 1_000_000,
    "message_rate": 10_000,
    "agent_message_rate": 10_000,
    # Of the machine's speed, not of memory.
    "node_lease_ms": 6000,
    "store_timeout_ms": 3000,
    "ping_interval_ms": 5000,
    "ping_timeout_ms": 5000,
}


class Soak:
    """
    One run.

    Args:
        deployment: What is watched.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._scene = deployment
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        self.commands = 0

    async def watch(self, seconds: float) -> list[Growth]:
        """Work for so long, and return what became of each process."""
        tasks = [asyncio.create_task(work) for work in self._callers()]
        self._scene.begin_work()
        began = time.monotonic()
        try:
            while (at_s := time.monotonic() - began) < seconds:
                await asyncio.sleep(SAMPLE_S)
                self._forget()
                if at_s >= WARM_UP_RATIO * seconds:
                    self._sample(at_s)
                for task in tasks:
                    if task.done():
                        await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [growth(name, samples) for name, samples in self._samples.items()]

    def _callers(self) -> list[Any]:
        routers = self._scene.routers
        slow = [
            read_nothing(routers[number % len(routers)], lambda number=number: _token(f"deaf-{number}"))  # type: ignore[misc]
            for number in range(SLOW_READERS)
        ]
        return [*slow, *(come_and_go(router.address, _token) for router in routers)]

    def _sample(self, at_s: float) -> None:
        store = self._scene.store
        for number, router in enumerate(self._scene.routers):
            self._samples[f"router {number}"].append(Sample(at_s, private_bytes(router.process_id)))
        used: dict[str, Any] = store.call("INFO", "memory")
        self._samples["store, process"].append(Sample(at_s, private_bytes(store.pid)))
        self._samples["store, data"].append(Sample(at_s, int(used["used_memory"])))

    def _forget(self) -> None:
        """Throw away what the run's own clients have taken down."""
        history = self._scene.history
        self.commands += len(history.calls)
        history.moments.clear()
        history.calls.clear()
        for client in history.clients:
            client.moments.clear()
            client.heard.clear()


def _token(agent_id: str) -> str:
    return make_token(SECRET, tenant=TENANTS[0], sub=agent_id, role="agent")


def show(grown: list[Growth], commands: int) -> None:
    """Print what became of each process."""
    minutes = grown[0].seconds / 60
    table = Table(title=f"Memory over {minutes:.1f} minutes of {commands:,} commands, after the warm-up")
    for column in ("what", "MiB", "gained MiB", "tolerated MiB", ""):
        table.add_column(column, justify="left" if column == "what" else "right")
    for one in grown:
        sizes = (one.typical_bytes, one.gained_bytes, one.tolerated_bytes)
        verdict = "flat" if one.is_tolerated else "GROWS"
        table.add_row(one.name, *(f"{size / MIB:.2f}" for size in sizes), verdict)
    Console().print(table)


async def run(minutes: float, seed: int) -> int:
    """Run, show the outcome, and return the exit status."""
    with tempfile.TemporaryDirectory(prefix="relevo-soak-") as folder:
        deployment = Deployment(Path(folder), seed=seed, tenants=TENANTS, pause_s=0.1, **SETTINGS)
        async with deployment:
            soak = Soak(deployment)
            grown = await soak.watch(60 * minutes)
    show(grown, soak.commands)
    return 0 if all(one.is_tolerated for one in grown) else 1


def main(minutes: float = 10, seed: int = 1) -> None:
    """Look for memory that grows, for so many minutes."""
    sys.exit(asyncio.run(run(minutes, seed)))


if __name__ == "__main__":
    cyclopts.run(main)
