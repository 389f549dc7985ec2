"""The time of day is the store's, whatever this machine's clock says."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError
from relevo.router.store.clock import Clock

HOUR_MS = 3_600_000
# More than a busy machine takes between two lines, and far less than the clocks here are apart.
CLOSE_MS = 600_000


def told(*answers: int | Exception) -> Callable[[], Awaitable[int]]:
    """Return a store that tells these, one after the other, and then the last one again."""
    left = list(answers)

    async def ask() -> int:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


def here_ms() -> int:
    return time.time_ns() // 1_000_000


async def test_before_the_store_was_asked_it_is_this_machines_time() -> None:
    assert abs(Clock(told(0), 1000).now_ms() - here_ms()) < CLOSE_MS


async def test_it_is_what_the_store_says_and_goes_on_from_there() -> None:
    clock = Clock(told(here_ms() - HOUR_MS), 60_000)
    await clock.start()
    first = clock.now_ms()
    await asyncio.sleep(0.01)
    assert clock.now_ms() > first
    assert abs(first - (here_ms() - HOUR_MS)) < CLOSE_MS


async def test_a_store_that_says_nothing_or_nonsense_leaves_the_time_as_it_was() -> None:
    asked = asyncio.Event()
    answers = told(
        here_ms() + HOUR_MS, StoreUnavailableError("gone"), StoreDefectError("TIME", "nonsense"), here_ms()
    )

    async def ask() -> int:
        answer = await answers()
        asked.set()
        return answer

    clock = Clock(ask, 1)
    await clock.start()
    assert clock.now_ms() - here_ms() > CLOSE_MS
    asked.clear()
    keeping = asyncio.create_task(clock.keep())
    # It goes on asking, past what was no answer.
    await asked.wait()
    await asyncio.sleep(0)
    assert abs(clock.now_ms() - here_ms()) < CLOSE_MS
    keeping.cancel()
