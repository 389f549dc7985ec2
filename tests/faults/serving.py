"""Run routers that reach one store in different ways, or have something wrong with them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.routers import RouterProcess


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
