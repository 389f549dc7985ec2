"""A deployment whose store is a primary with replicas and sentinels."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from tests.chaos.deployment import APPEND_ONLY, Deployment
from tests.chaos.sentinels import SentinelStore

ROUTERS = 2


class FailoverDeployment(Deployment):
    """
    Run workloads on a store that fails over.

    Args:
        folder: As of Deployment.
        seed: The same.
        settings: The same.
    """

    def __init__(self, folder: Path, *, seed: int, **settings: Any) -> None:
        super().__init__(folder, seed=seed, routers=ROUTERS, **settings)
        home = folder / "watched"
        home.mkdir()
        self.watched = SentinelStore(home, arguments=APPEND_ONLY)
        self.store = self.watched.servers[0]
        self._since = 0
        self._is_promised = settings.get("durability") == "replica"
        # The sentinels name servers, and not what may stand before them.
        self.store_proxies = []

    async def kill_primary(self) -> None:
        """End the primary as a crash would, and return when another one is in its place."""
        self._since = self.history.now
        self._fault("SIGKILL of the primary")
        self.store.kill()
        await self._wait_for_promotion()

    async def freeze_primary(self) -> None:
        """Stop the primary, and let it go on when another one is in its place, as if nothing had been."""
        old, self._since = self.store, self.history.now
        self._fault("SIGSTOP of the primary")
        os.kill(old.pid, signal.SIGSTOP)
        try:
            await self._wait_for_promotion()
        finally:
            os.kill(old.pid, signal.SIGCONT)
        self._fault("SIGCONT of the old primary")

    async def heal(self) -> None:
        """Mend whatever is broken, and return when every router serves and one server is primary alone."""
        await asyncio.to_thread(self.watched.make_whole)
        self.store = self.watched.present_primary()
        # Up to now the old one may have done what is lost with it. Screens are told before replicas have it.
        self.history.lost_since(self._since, spares_acknowledged=self._is_promised)
        await super().heal()

    async def _wait_for_promotion(self) -> None:
        self.store = await asyncio.to_thread(self.watched.wait_for_promotion, self.store)
        self._fault(f"{self.store.url} is the primary now")

    async def _open_store(self) -> list[str]:
        await asyncio.to_thread(self.watched.start)
        return [self.watched.url] * ROUTERS

    async def _stop(self) -> None:
        await super()._stop()
        self.watched.stop()
