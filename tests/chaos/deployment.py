"""A store, routers, the links between them, and workloads: the system under fault."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.chaos.actors import Actor
from tests.chaos.checker import check
from tests.chaos.history import History
from tests.chaos.proxy import Link, Proxy
from tests.chaos.settling import audit, comes_true, settle
from tests.chaos.violation import Violation, report
from tests.chaos.workload import Workload
from tests.routers import RouterProcess
from tests.servers import StoreServer, free_port

# So short that a run takes seconds, and so long that a busy machine keeps them.
SETTINGS = {
    "node_lease_ms": 1500,
    "presence_grace_ms": 300,
    "session_grace_ms": 600,
    "ping_interval_ms": 1000,
    "ping_timeout_ms": 1000,
    "store_timeout_ms": 600,
    "relevo.router.tenant.registry.TENANT_IDLE_MS": 1000,
    "drain_ms": 200,
}
TENANTS = ("acme", "globex")
# With less than `always` a store answers what a slow disk holds up, and loses it when it is killed.
APPEND_ONLY = ("--appendonly", "yes", "--appendfsync", "always")
# What the settings above promise is a fifth of it.
SETTLE_LIMIT_S = 40.0


class ViolationError(AssertionError):
    """An invariant is broken; the text says which, and what surrounds it."""


class Deployment:
    """
    Everything that a chaos run needs, started and stopped with it.

        async with Deployment(tmp_path, seed=1) as deployment:
            await deployment.let_work(200)
            deployment.kill_router(0)
            await deployment.let_work(200)
            await deployment.heal()
            await deployment.check()

    Args:
        folder: Of its own, for the store's data and for logs.
        seed: Of everything that happens by chance.
        routers: How many.
        tenants: Their names.
        pause_s: How long an actor waits between two commands, at most.
        store_arguments: Of the store's command line.
        sources: A folder with the router's sources, where they are not this project's.
        settle_limit_s: How long what must come to pass in the end is awaited.
        settings: Of the routers, where they differ from SETTINGS.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        routers: int = 2,
        tenants: Sequence[str] = TENANTS,
        pause_s: float = 0.08,
        store_arguments: Sequence[str] = APPEND_ONLY,
        sources: Path | None = None,
        settle_limit_s: float = SETTLE_LIMIT_S,
        **settings: int | str,
    ) -> None:
        home = folder / "store"
        home.mkdir()
        self.history = History()
        self.store = StoreServer(home, port=free_port(), arguments=store_arguments)
        self.store_proxies = [Proxy(self.store.port) for _ in range(routers)]
        self.routers: list[RouterProcess] = []
        self.workloads: list[Workload] = []
        self._folder = folder
        self._seed = seed
        self._tenants = tenants
        self._pause_s = pause_s
        self._sources = sources
        self._settle_limit_s = settle_limit_s
        self._settings: dict[str, Any] = {**SETTINGS, **settings}
        self._frozen: set[int] = set()
        self._saved_at = 0

    async def __aenter__(self) -> Self:
        try:
            for number, store_url in enumerate(await self._open_store()):
                log_file = self._folder / f"router{number}.log"
                router = RouterProcess(store_url, log_file, **self._settings)
                if self._sources is not None:
                    router.variables["PYTHONPATH"] = str(self._sources)
                self.routers.append(router)
                router.launch()
            for router in self.routers:
                await asyncio.to_thread(router.wait_ready)
            ports = [router.port for router in self.routers]
            for tenant in self._tenants:
                workload = Workload(self.history, tenant, ports, self._seed, pause_s=self._pause_s)
                self.workloads.append(workload)
                await workload.connect_all()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _open_store(self) -> list[str]:
        """Start the store, and return where each router finds it."""
        await asyncio.to_thread(self.store.start)
        for proxy in self.store_proxies:
            await proxy.open()
        return [proxy.url for proxy in self.store_proxies]

    def actor(self, name: str, tenant: str | None = None) -> Actor:
        """Return an actor, of the first tenant unless said otherwise."""
        workloads = {workload.tenant: workload for workload in self.workloads}
        return workloads[tenant or self.workloads[0].tenant].actors[name]

    # Work.

    def begin_work(self) -> None:
        """Start all workloads; `let_work` does it, too."""
        for workload in self.workloads:
            workload.begin_work()

    async def let_work(self, commands: int) -> None:
        """
        Return when so many further commands have been answered.

        Raises:
            TimeoutError: They are not, though each is given up at some time.
        """
        if not any(workload.is_busy for workload in self.workloads):
            self.begin_work()
        wanted = self._answered() + commands
        if not await comes_true(lambda: self._answered() >= wanted, self._settle_limit_s + commands / 10):
            raise TimeoutError(f"not even {commands} commands were answered")

    async def work_for(self, seconds: float) -> None:
        """Run the workloads for a while, whether any command is answered or not."""
        if not any(workload.is_busy for workload in self.workloads):
            self.begin_work()
        await asyncio.sleep(seconds)

    async def end_work(self) -> None:
        """Return when nothing is in flight; pushes may still come."""
        await asyncio.gather(*(workload.end_work() for workload in self.workloads))

    def _answered(self) -> int:
        return sum(call.ended is not None and not call.is_doubtful for call in self.history.calls)

    # Routers.

    def kill_router(self, number: int) -> None:
        """End a router as a crash would."""
        self._fault(f"SIGKILL of router {number}")
        self.routers[number].kill()
        self._frozen.discard(number)

    async def stop_router(self, number: int) -> int:
        """Have a router drain and stop, and return its exit code."""
        self._fault(f"SIGTERM to router {number}")
        self.routers[number].terminate()
        return await asyncio.to_thread(self.routers[number].wait_gone)

    def freeze_router(self, number: int) -> None:
        """Stop a router's process with all its sockets open."""
        self._fault(f"SIGSTOP of router {number}")
        os.kill(self.routers[number].process_id, signal.SIGSTOP)
        self._frozen.add(number)

    def thaw_router(self, number: int) -> None:
        """Let a frozen router go on."""
        self._fault(f"SIGCONT of router {number}")
        os.kill(self.routers[number].process_id, signal.SIGCONT)
        self._frozen.discard(number)

    def launch_router(self, number: int) -> None:
        """Start a router that was killed or stopped; what it needs may not be there."""
        self._fault(f"start of router {number}")
        self.routers[number].launch()

    async def start_router(self, number: int) -> None:
        """Start a router that was killed or stopped, and return when it serves."""
        self.launch_router(number)
        await asyncio.to_thread(self.routers[number].wait_ready)

    # The store.

    def kill_store(self) -> None:
        """End the store as a crash would."""
        self._fault("SIGKILL of the store")
        self.store.kill()

    async def start_store(self) -> None:
        """Start the store that was killed, and return when it serves."""
        self._fault("start of the store")
        await asyncio.to_thread(self.store.start)

    def empty_store(self) -> None:
        """Have the store lose everything."""
        self._fault("FLUSHALL")
        self.store.call("FLUSHALL")
        self.history.lost_since(0)

    def save_store(self) -> None:
        """Remember the store as it is, for `rewind_store`; not for one with an append-only file."""
        self.store.call("SAVE")
        self._saved_at = self.history.now

    async def rewind_store(self) -> None:
        """Kill the store and start it as it was saved: what came after is lost."""
        self._fault(f"the store goes back to moment {self._saved_at}")
        self.store.kill()
        self.history.lost_since(self._saved_at)
        await asyncio.to_thread(self.store.start)

    def forget_functions(self) -> None:
        """Have the store forget every script and function."""
        self._fault("SCRIPT FLUSH and FUNCTION FLUSH")
        self.store.call("SCRIPT", "FLUSH")
        self.store.call("FUNCTION", "FLUSH")

    # Links.

    def store_link(self, router: int, name: str | None = None) -> Link:
        """Return a router's link to the store: all of it, or `relevo-commands`, or `relevo-feed`."""
        return self.store_proxies[router].link(name)

    def client_link(self, actor: Actor, router: int) -> Link:
        """Return an actor's link to a router."""
        return actor.proxies[router].link()

    # The end.

    async def heal(self) -> None:
        """Mend whatever is broken, and return when every router serves."""
        self.history.note("deployment", "healed", {})
        for proxy in self.store_proxies:
            proxy.heal()
        for workload in self.workloads:
            for actor in workload.actors.values():
                for proxy in actor.proxies:
                    proxy.heal()
        if not self.store.is_running:
            await self.start_store()
        for number in list(self._frozen):
            self.thaw_router(number)
        for number, router in enumerate(self.routers):
            if not router.is_running:
                await self.start_router(number)
        for router in self.routers:
            await asyncio.to_thread(router.wait_ready)

    async def violations(self) -> list[Violation]:
        """End the work, let everything settle, and return what is wrong."""
        await self.end_work()
        finals = []
        for workload in self.workloads:
            finals.append(await settle(workload, self.store, self._settle_limit_s))
            self.history.end(workload.tenant)
        return [*check(self.history, finals), *await audit(self.store)]

    async def check(self) -> None:
        """
        End the work, let everything settle, and hold the run and the store against the invariants.

        Raises:
            ViolationError: One is broken.
        """
        found = await self.violations()
        if found:
            raise ViolationError(report(self.history, found))

    def _fault(self, what: str) -> None:
        self.history.note_fault(what)

    async def _stop(self) -> None:
        for workload in self.workloads:
            await workload.close()
        for router in self.routers:
            if router.is_running:
                router.kill()
        for proxy in self.store_proxies:
            await proxy.close()
        self.store.stop()
