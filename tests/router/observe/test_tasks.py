import asyncio

import structlog

from relevo.router.observe.tasks import BackgroundTasks


async def test_spawned_task_is_held_until_it_ends() -> None:
    tasks, goes_on = BackgroundTasks(), asyncio.Event()

    async def work() -> None:
        await goes_on.wait()

    tasks.spawn(work())
    held = [len(tasks)]
    goes_on.set()
    await tasks.finish(30)
    await asyncio.sleep(0)
    assert [*held, len(tasks)] == [1, 0]


async def test_exception_of_a_spawned_task_is_an_incident() -> None:
    tasks = BackgroundTasks()

    async def work() -> None:
        raise LookupError("a defect")

    with structlog.testing.capture_logs() as logged:
        tasks.spawn(work())
        await tasks.finish(30)
        await asyncio.sleep(0)
    assert [(line["event"], bool(line["incident"])) for line in logged] == [("task failed", True)]


async def test_finish_waits_no_longer_than_its_time() -> None:
    tasks, goes_on = BackgroundTasks(), asyncio.Event()

    async def work() -> None:
        await goes_on.wait()

    tasks.spawn(work())
    await tasks.finish(0.001)
    assert len(tasks) == 1
    goes_on.set()
    await tasks.finish(30)
