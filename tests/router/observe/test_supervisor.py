import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog

from relevo.router.observe.supervisor import Supervisor


@pytest.fixture(autouse=True)
def short_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relevo.router.observe.supervisor.RESTART_DELAY_MIN_S", 0.001)


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    await supervisor.stop()


class FailingTask:
    """A task that fails a number of times before it runs."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.runs = asyncio.Event()

    async def __call__(self) -> None:
        if self.failures:
            self.failures -= 1
            raise LookupError("a defect")
        self.runs.set()
        await asyncio.Event().wait()


async def test_task_that_fails_is_logged_counted_and_restarted(supervisor: Supervisor) -> None:
    work = FailingTask(3)
    with structlog.testing.capture_logs() as logged:
        supervisor.run("clock", work)
        async with asyncio.timeout(30):
            await work.runs.wait()
    assert [(line["event"], line["task"]) for line in logged] == [("task failed", "clock")] * 3
    assert (supervisor.restarts, supervisor.failing) == ({"clock": 3}, {"clock"})


async def test_task_that_returns_is_done(supervisor: Supervisor) -> None:
    async def work() -> None:
        pass

    async with asyncio.timeout(30):
        await supervisor.run("clock", work)
    assert (supervisor.restarts, supervisor.failing) == ({}, set())


async def test_task_that_runs_steadily_is_not_failing(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relevo.router.observe.supervisor.STEADY_S", 0.001)
    work = FailingTask(1)
    supervisor.run("clock", work)
    async with asyncio.timeout(30):
        await work.runs.wait()
        while supervisor.failing:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert supervisor.restarts == {"clock": 1}


async def test_failed_task_that_returns_is_not_failing(supervisor: Supervisor) -> None:
    work = FailingTask(1)

    async def fail_once() -> None:
        work.runs.clear()
        if work.failures:
            await work()

    async with asyncio.timeout(30):
        await supervisor.run("feed repair", fail_once)
    assert (supervisor.restarts, supervisor.failing) == ({"feed repair": 1}, set())


async def test_failed_task_that_is_cancelled_is_not_failing(supervisor: Supervisor) -> None:
    work, other = FailingTask(1), FailingTask(1)
    task = supervisor.run("feed repair", work)
    supervisor.run("feed repair", other)
    async with asyncio.timeout(30):
        await work.runs.wait()
        await other.runs.wait()
    failing = [supervisor.failing]
    task.cancel()
    await asyncio.wait([task])
    assert [*failing, supervisor.failing] == [{"feed repair"}] * 2
    await supervisor.stop()
    assert supervisor.failing == set()


async def test_delay_of_a_task_that_keeps_failing_doubles(supervisor: Supervisor) -> None:
    work = FailingTask(4)
    with structlog.testing.capture_logs() as logged:
        supervisor.run("clock", work)
        async with asyncio.timeout(30):
            await work.runs.wait()
    assert [line["restart_in_s"] for line in logged] == [0.001, 0.002, 0.004, 0.008]


async def test_stopped_tasks_are_cancelled_and_not_restarted() -> None:
    supervisor, work = Supervisor(), FailingTask(0)
    supervisor.run("clock", work)
    await work.runs.wait()
    await supervisor.stop()
    assert (supervisor.restarts, supervisor.failing) == ({}, set())
