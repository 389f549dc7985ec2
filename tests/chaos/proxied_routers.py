"""Run routers that reach one store in different ways, or have something wrong with them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.proxy import Proxy
from tests.routers import RouterProcess
from tests.servers import StoreServer, free_port, running


def on_stores(folder: Path, *store_urls: str, **settings: int | str) -> list[RouterProcess]:
    """Return a router for each of these addresses, not started yet."""
    return [
        RouterProcess(url, folder / f"router{number}.log", **settings)
        for number, url in enumerate(store_urls)
    ]


@asynccontextmanager
async def serving(routers: Sequence[RouterProcess]) -> AsyncIterator[None]:
    """Start routers, and stop them at the end; the loop goes on meanwhile, as for a proxy of theirs."""
    try:
        for router in routers:
            router.launch()
        for router in routers:
            await asyncio.to_thread(router.wait_ready)
        yield
    finally:
        for router in routers:
            await asyncio.to_thread(router.stop)


@dataclass
class ProxiedRouters:
    """A store, a router behind a proxy, and a router beside it."""

    store: StoreServer
    proxy: Proxy
    routers: list[RouterProcess]


@asynccontextmanager
async def proxied_routers(folder: Path, **settings: int | str) -> AsyncIterator[ProxiedRouters]:
    """Run a store and two routers, number 0 behind a proxy."""
    (folder / "tcp").mkdir()
    with running(StoreServer(folder / "tcp", port=free_port())) as store:
        proxy = Proxy(store.port)
        await proxy.open()
        try:
            routers = on_stores(folder, proxy.url, store.url, **settings)
            async with serving(routers):
                yield ProxiedRouters(store, proxy, routers)
        finally:
            await proxy.close()
