"""Run a process's background tasks, and restart one that fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

import structlog

from relevo.router.observe.incidents import incident

log = structlog.get_logger(__name__)

RESTART_DELAY_MIN_S = 0.1
RESTART_DELAY_MAX_S = 10.0
STEADY_S = 30.0
"""A task that ran this long is not failing any more."""


class Supervisor:
    """
    Restart tasks that raise an exception; made inside a running loop.

    Attributes:
        restarts: How often each task was restarted, by name.
    """

    def __init__(self) -> None:
        self.restarts: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        # The running number of each task that failed, as several may share a name.
        self._failing: dict[int, str] = {}
        self._numbers = count()

    @property
    def failing(self) -> set[str]:
        """The names of the tasks that failed, have not run for `STEADY_S` since, and have not ended."""
        return set(self._failing.values())

    def run(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """
        Run a task until it returns, again whenever it raises, with exponential backoff.

        Args:
            name: Its name in logs and metrics; several tasks may share one.
            work: Returns the coroutine to run.

        Returns:
            The task, which is done once the coroutine has returned.
        """
        task = self._loop.create_task(self._supervise(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self) -> None:
        """Cancel the tasks, and wait until they have ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _supervise(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        number = next(self._numbers)
        try:
            await self._restart(number, name, work)
        finally:
            self._failing.pop(number, None)

    async def _restart(self, number: int, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        delay_s = RESTART_DELAY_MIN_S
        while True:
            steady = self._loop.call_later(STEADY_S, self._failing.pop, number, None)
            started_s = self._loop.time()
            try:
                await work()
                return
            except Exception as error:
                incident(log, "task failed", error, task=name, restart_in_s=delay_s)
            finally:
                steady.cancel()
            if self._loop.time() - started_s >= STEADY_S:
                delay_s = RESTART_DELAY_MIN_S
            self.restarts[name] += 1
            self._failing[number] = name
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, RESTART_DELAY_MAX_S)
