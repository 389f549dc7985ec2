"""One page of metrics for all workers of a port: each offers its own on a unix socket and asks the others."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ANSWER_TIMEOUT_MS = 2000
"""Time-out of another worker's page; without it, the metrics of that worker are left out."""


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """
    Where a worker stands among the others of its port.

    Attributes:
        folder: Has the workers' sockets; no other user may open it.
        number: This one's, from 0.
        count: How many there are.
    """

    folder: str
    number: int
    count: int

    def socket_of(self, number: int) -> str:
        """Return the path of a worker's socket."""
        return str(Path(self.folder) / f"{number}.sock")


class Siblings:
    """
    Exchange pages with the other workers; made inside a running loop.

    Args:
        place: This worker's.
    """

    def __init__(self, place: WorkerPlace) -> None:
        self._place = place
        self._own: Callable[[], Awaitable[bytes]] | None = None
        self._server: asyncio.Server | None = None

    async def offer(self, own: Callable[[], Awaitable[bytes]]) -> None:
        """Answer the others with what this returns; raises OSError where that cannot be."""
        self._own = own
        path = self._place.socket_of(self._place.number)
        # Of the process whose place this one has taken.
        with suppress(FileNotFoundError):
            os.unlink(path)
        self._server = await asyncio.start_unix_server(self._answer, path)

    async def pages(self) -> Mapping[int, bytes]:
        """Return the pages of all workers that answer, by their numbers."""
        numbers = range(self._place.count)
        pages = await asyncio.gather(*(self._page(number) for number in numbers))
        return {number: page for number, page in zip(numbers, pages, strict=True) if page is not None}

    def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()

    async def _page(self, number: int) -> bytes | None:
        if number == self._place.number and self._own is not None:
            return await self._own()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_MS / 1000):
                reader, writer = await asyncio.open_unix_connection(self._place.socket_of(number))
                try:
                    return await reader.read()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            # It is about to be started again, or stands still.
            return None

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._own is not None:
                writer.write(await self._own())
        finally:
            writer.close()
