"""Workers that show each other's metrics."""

import asyncio
from pathlib import Path

import pytest

from relevo.router.api import siblings as siblings_module
from relevo.router.api.siblings import Siblings, WorkerPlace


async def started(folder: Path, number: int) -> Siblings:
    siblings = Siblings(WorkerPlace(str(folder), number, 3))

    async def page() -> bytes:
        return b"page %d" % number

    await siblings.offer(page)
    return siblings


async def test_pages_are_those_of_the_workers_that_are_there(tmp_path: Path) -> None:
    first, third = await started(tmp_path, 0), await started(tmp_path, 2)
    assert await first.pages() == {0: b"page 0", 2: b"page 2"}
    third.stop()
    assert await first.pages() == {0: b"page 0"}
    first.stop()


async def test_a_worker_takes_the_place_of_one_that_was_killed(tmp_path: Path) -> None:
    killed, other = await started(tmp_path, 0), await started(tmp_path, 1)
    successor = await started(tmp_path, 0)
    assert await other.pages() == {0: b"page 0", 1: b"page 1"}
    for each in (killed, other, successor):
        each.stop()


async def test_a_worker_that_stands_still_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(siblings_module, "ANSWER_TIMEOUT_MS", 10)
    first = await started(tmp_path, 0)
    connected = asyncio.Event()

    async def stand_still(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        writer.close()

    still = await asyncio.start_unix_server(stand_still, tmp_path / "1.sock")
    assert await first.pages() == {0: b"page 0"}
    assert connected.is_set()
    still.close()
    first.stop()
