from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from relevo_client import (
    AgentChanged,
    BadMessageError,
    ClientClosedError,
    CommandTimeoutError,
    Connected,
    Disconnected,
    EventsLost,
    RateLimitedError,
    SessionAssigned,
    SessionPending,
    StateChanged,
)

from .scripted import ScriptedRouter, connected, make_client, next_of
from .wire import agent_row, session_map, snapshot_map, transfer_map

ENTRY = {"seq": 1, "kind": "internal", "at": 5, "by": None, "text": "hola", "transfer": None}


@pytest.mark.parametrize("format", ["json", "msgpack"])
async def test_client_receives_its_inbox_and_what_is_assigned(router: ScriptedRouter, format: str) -> None:
    async with connected(router, {"in_progress": [session_map("old")]}, format=format) as (
        client,
        connection,
    ):
        assert list(client.inbox.in_progress) == ["old"]
        assert client.state == "connected"
        assert client.agent is not None
        assert client.agent.id == "ana"

        stream = client.events()
        await connection.push(
            [
                {"type": "session.assigned", "session": session_map("c-1"), "transfer": transfer_map()},
                {"type": "session.pending", "session": session_map("c-2", state="pending"), "transfer": None},
            ]
        )
        events = [await anext(stream) for _ in range(3)]

        assert [type(event) for event in events] == [Connected, SessionAssigned, SessionPending]
        assert list(client.inbox.in_progress) == ["old", "c-1"]
        assert list(client.inbox.pending) == ["c-2"]
        ack = await connection.expect("session.ack")
        assert (ack["session_id"], ack["fence"]) == ("c-1", 1)


async def test_commands_in_flight_are_answered_in_any_order(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        getting = [asyncio.create_task(client.sessions.get(f"c-{number}")) for number in range(10)]
        commands = [await connection.expect("session.get") for _ in range(10)]
        for command in reversed(commands):
            await connection.reply(command, {"session": session_map(command["session_id"])})

        assert [(await task).id for task in getting] == [f"c-{number}" for number in range(10)]


async def test_command_is_sent_again_with_its_key_after_the_connection_was_cut(
    router: ScriptedRouter,
) -> None:
    async with connected(router) as (client, connection):
        stream = client.events()
        noting = asyncio.create_task(client.sessions.note("c-1", "hola"))
        first = await connection.expect("session.note")
        await connection.cut()
        second_connection = await router.next_connection()
        await second_connection.let_in()
        second = await second_connection.expect("session.note")
        await second_connection.reply(second, {"entry": ENTRY})

        assert (await noting).text == "hola"
        assert first == second
        assert first["key"]
        events = [await next_of(stream, Connected, Disconnected) for _ in range(3)]
        assert isinstance(events[1], Disconnected)
        assert events[1].close_code == 1006
        assert isinstance(events[2], Connected)
        assert events[2].reconnected


async def test_command_without_an_answer_times_out(router: ScriptedRouter) -> None:
    async with connected(router) as (client, _):
        with pytest.raises(CommandTimeoutError) as timeout:
            await client.sessions.note("c-1", "hola", key="mine", timeout=0.02)
        assert timeout.value.key == "mine"


async def test_command_beyond_in_flight_max_waits_for_a_slot(router: ScriptedRouter) -> None:
    async with connected(router, in_flight_max=1) as (client, connection):
        first = asyncio.create_task(client.sessions.get("c-1"))
        command = await connection.expect("session.get")
        with pytest.raises(CommandTimeoutError):
            await client.sessions.get("c-2", timeout=0.02)
        third = asyncio.create_task(client.sessions.get("c-3"))
        await connection.reply(command, {"session": session_map("c-1")})

        assert (await first).id == "c-1"
        command = await connection.expect("session.get")
        assert command["session_id"] == "c-3"
        await connection.reply(command, {"session": session_map("c-3")})
        assert (await third).id == "c-3"


async def test_command_beyond_waiting_max_is_rate_limited(router: ScriptedRouter) -> None:
    async with connected(router, in_flight_max=1, waiting_max=2) as (client, connection):
        commands = [asyncio.create_task(client.sessions.get("c-1")) for _ in range(3)]
        command = await connection.expect("session.get")
        for _ in range(2):
            with pytest.raises(RateLimitedError, match="2 commands wait"):
                await client.sessions.get("one too many")
        for number in range(3):
            await connection.reply(command, {"session": session_map("c-1")})
            if number < 2:
                command = await connection.expect("session.get")
        assert [(await each).id for each in commands] == ["c-1"] * 3


async def test_cancelled_command_is_not_sent_again(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        cancelled = asyncio.create_task(client.sessions.note("c-1", "hola"))
        await connection.expect("session.note")
        cancelled.cancel()
        await asyncio.wait([cancelled])
        await connection.cut()
        connection = await router.next_connection()
        await connection.let_in()
        getting = asyncio.create_task(client.sessions.get("c-1"))
        await connection.reply(await connection.expect("session.get"), {"session": session_map()})
        await getting


async def test_cancelled_command_releases_its_slot(router: ScriptedRouter) -> None:
    async with connected(router, in_flight_max=1) as (client, connection):
        cancelled = asyncio.create_task(client.sessions.get("c-1"))
        await connection.expect("session.get")
        cancelled.cancel()
        getting = asyncio.create_task(client.sessions.get("c-2"))
        command = await connection.expect("session.get")
        await connection.reply(command, {"session": session_map("c-2")})

        assert (await getting).id == "c-2"


@pytest.mark.parametrize("text", ["x" * 70_000, "\ud800"])
async def test_command_too_long_to_send_fails_without_the_router(router: ScriptedRouter, text: str) -> None:
    async with connected(router) as (client, connection):
        with pytest.raises(BadMessageError):
            await client.sessions.note("c-1", text)

        getting = asyncio.create_task(client.sessions.get("c-1"))
        await connection.reply(await connection.expect("session.get"), {"session": session_map()})
        assert (await getting).id == "c-1"


async def test_subscribe_directory_returns_the_filled_directory(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        subscribing = asyncio.create_task(client.directory.subscribe())
        command = await connection.expect("directory.subscribe")
        await connection.reply(command, {})
        await connection.push(snapshot_map(3))
        directory = await subscribing

        assert directory.live
        assert list(directory.agents) == ["ana"]


async def test_subscription_without_a_snapshot_times_out(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        subscribing = asyncio.create_task(client.directory.subscribe(timeout=0.05))
        await connection.reply(await connection.expect("directory.subscribe"), {})

        with pytest.raises(CommandTimeoutError):
            await subscribing


async def test_slow_program_gets_the_count_of_lost_events(router: ScriptedRouter) -> None:
    async with connected(router, events_max=2) as (client, connection):
        pushes = [
            {"type": "session.assigned", "session": session_map(f"c-{number}"), "transfer": None}
            for number in range(4)
        ]
        stream, other = client.events(), client.events()
        await connection.push(pushes)
        await connection.expect("session.ack")
        lost, *kept = [await anext(stream) for _ in range(3)]

        assert lost == EventsLost(3)
        assert [event.session.id for event in kept if isinstance(event, SessionAssigned)] == ["c-2", "c-3"]
        assert len(client.inbox.in_progress) == 4
        # Each loop has a queue of its own.
        assert [await anext(other) for _ in range(3)] == [lost, *kept]


async def test_events_polled_with_a_time_out_lose_none(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        stream = client.events()
        await anext(stream)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 0.001)
        await connection.push({"type": "session.assigned", "session": session_map(), "transfer": None})

        assert isinstance(await anext(stream), SessionAssigned)


async def test_left_loop_leaves_no_queue_behind(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        async for event in client:
            assert isinstance(event, Connected)
            break
        gc.collect()

        assert len(client._streams) == 0
        await connection.push({"type": "session.pending", "session": session_map(), "transfer": None})


async def test_listener_is_called_until_it_ends(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        seen: list[str] = []
        done = asyncio.Event()

        async def listen(event: SessionPending) -> None:
            seen.append(event.session.id)
            done.set()

        off = client.on(SessionPending, listen)
        for name in ("c-1", "c-2"):
            stream = client.events()
            session = session_map(name, state="pending")
            await connection.push({"type": "session.pending", "session": session, "transfer": None})
            await next_of(stream, SessionPending)
            await done.wait()
            off()

        assert seen == ["c-1"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_listener_that_raises_is_reported_and_stops_no_other(
    router: ScriptedRouter, is_async: bool
) -> None:
    reported: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.put_nowait(context))
    seen: asyncio.Queue[SessionPending] = asyncio.Queue()

    def fail(event: SessionPending) -> None:
        raise ValueError("a defect")

    async def fail_later(event: SessionPending) -> None:
        fail(event)

    async with connected(router) as (client, connection):
        client.on(SessionPending, fail_later if is_async else fail)
        client.on(SessionPending, seen.put_nowait)
        await connection.push({"type": "session.pending", "session": session_map(), "transfer": None})

        assert (await seen.get()).session.id == "c-1"
        assert isinstance((await reported.get())["exception"], ValueError)


async def test_state_follows_the_connection(router: ScriptedRouter) -> None:
    client = make_client(router)
    stream = client.events()
    states = [client.state]
    starting = asyncio.create_task(client.start())
    connection = await router.next_connection()
    await connection.let_in()
    await starting
    states.append(client.state)
    waiting = client.events()
    await connection.cut()
    await next_of(waiting, Disconnected)
    connection = await router.next_connection()
    await connection.let_in()
    await next_of(waiting, Connected)
    await client.close()
    states.append(client.state)
    changes = [event async for event in stream if isinstance(event, StateChanged)]

    assert states == ["connecting", "connected", "stopped"]
    assert [event.state for event in changes] == ["connected", "connecting", "connected", "stopped"]
    assert isinstance(client.error, ClientClosedError)


async def test_agent_is_live_without_the_directory(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        stream = client.events()
        await connection.push({"type": "agent.changed", "agent": agent_row(load=3)})
        await next_of(stream, AgentChanged)

        assert client.agent is not None
        assert client.agent.load == 3


async def test_command_timeout_is_a_timeout_error(router: ScriptedRouter) -> None:
    async with connected(router) as (client, _):
        with pytest.raises(TimeoutError):
            await client.sessions.get("c-1", timeout=0.01)


async def test_open_sessions_are_listed_once_each(router: ScriptedRouter) -> None:
    async def read() -> list[str]:
        return [session.id async for session in client.sessions.list()]

    async with connected(router) as (client, connection):
        reading = asyncio.create_task(read())
        for state, names in (("queued", ["a", "b"]), ("pending", ["b"]), ("in_progress", ["b", "c"])):
            command = await connection.expect("session.list")
            assert command["state"] == state
            sessions = [session_map(name, state=state) for name in names]
            await connection.reply(command, {"sessions": sessions, "cursor": None})

        assert await reading == ["a", "b", "c"]


@pytest.mark.parametrize(
    "filters", [{"agent_id": "ana"}, {"state": "any"}, {"agent_id": "ana", "state": "any"}]
)
async def test_list_of_an_agent_or_of_any_state_is_one(
    router: ScriptedRouter, filters: dict[str, Any]
) -> None:
    async def read() -> list[str]:
        return [session.id async for session in client.sessions.list(**filters)]

    async with connected(router) as (client, connection):
        reading = asyncio.create_task(read())
        command = await connection.expect("session.list")
        assert "state" not in command
        await connection.reply(command, {"sessions": [session_map("a")], "cursor": None})

        assert await reading == ["a"]
