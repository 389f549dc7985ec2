import asyncio

import pytest

from relevo.router.tenant.in_flight import InFlightLimiter, InFlightLimiters


def fill(limiter: InFlightLimiter, commands: int, started: list[int]) -> None:
    """Start commands as soon as there is room, each noted by its number."""

    def start(number: int) -> None:
        limiter.acquire()
        started.append(number)

    for number in range(commands):
        if limiter.has_room and not limiter.has_waiters:
            start(number)
        else:
            limiter.wait(lambda number=number: start(number))  # type: ignore[misc]


@pytest.mark.limit("TENANT_IN_FLIGHT_MAX")
def test_commands_beyond_the_bound_start_when_others_are_done() -> None:
    limiter, started = InFlightLimiter(2), list[int]()
    fill(limiter, 4, started)
    assert (started, limiter.has_room, limiter.has_waiters) == ([0, 1], False, True)
    limiter.release()
    assert started == [0, 1, 2]
    for _ in range(3):
        limiter.release()
    assert (started, limiter.is_idle) == ([0, 1, 2, 3], True)


def test_command_of_a_weight_takes_the_room_of_as_many() -> None:
    limiter = InFlightLimiter(8)
    limiter.acquire(7)
    has_room = [limiter.has_room]
    limiter.acquire(7)
    has_room.append(limiter.has_room)
    limiter.release(7)
    assert [*has_room, limiter.has_room] == [True, False, True]


async def test_slots_beyond_the_bound_are_given_in_order() -> None:
    limiter, entered = InFlightLimiter(1), list[int]()
    leave = [asyncio.Event() for _ in range(3)]

    async def hold(number: int) -> None:
        async with limiter.slot():
            entered.append(number)
            await leave[number].wait()

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        tasks = [group.create_task(hold(number)) for number in range(3)]
        await asyncio.sleep(0)
        assert entered == [0]
        for number in range(3):
            leave[number].set()
            await tasks[number]
    assert (entered, limiter.is_idle) == ([0, 1, 2], True)


@pytest.mark.parametrize("is_free", [False, True])
async def test_a_cancelled_wait_for_a_slot_leaves_the_room_to_others(is_free: bool) -> None:
    limiter = InFlightLimiter(1)
    limiter.acquire()

    async def hold() -> None:
        async with limiter.slot():
            pytest.fail("it was cancelled")

    task = asyncio.create_task(hold())
    await asyncio.sleep(0)
    if is_free:
        limiter.release()
        task.cancel()
    else:
        task.cancel()
        await asyncio.sleep(0)
        limiter.release()
    await asyncio.gather(task, return_exceptions=True)
    assert limiter.is_idle


async def test_limiters_are_shared_by_tenant_and_kind_while_in_use() -> None:
    limiters = InFlightLimiters()
    acme = limiters.commands("acme")
    assert limiters.commands("acme") is acme
    assert len({acme, limiters.commands("globex"), limiters.hellos("acme")}) == 3
    assert limiters.hellos("acme") is not limiters.disconnects("acme")
