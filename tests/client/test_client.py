from __future__ import annotations

import asyncio

import pytest
from relevo_client import (
    BadMessageError,
    CommandTimeoutError,
    Connected,
    Disconnected,
    EventsLost,
    RateLimitedError,
    SessionAssigned,
    SessionPending,
)

from .scripted import ScriptedRouter, connected
from .wire import session_map, snapshot_map, transfer_map

ENTRY = {"seq": 1, "kind": "internal", "at": 5, "by": None, "text": "hola", "transfer": None}


@pytest.mark.parametrize("format", ["json", "msgpack"])
async def test_client_receives_its_inbox_and_what_is_assigned(router: ScriptedRouter, format: str) -> None:
    async with connected(router, {"in_progress": [session_map("old")]}, format=format) as (
        client,
        connection,
    ):
        assert list(client.inbox.in_progress) == ["old"]
        assert client.connected
        assert client.agent is not None
        assert client.agent.id == "ana"

        await connection.push(
            [
                {"type": "session.assigned", "session": session_map("c-1"), "transfer": transfer_map()},
                {"type": "session.pending", "session": session_map("c-2", state="pending"), "transfer": None},
            ]
        )
        events = [await anext(client) for _ in range(3)]

        assert [type(event) for event in events] == [Connected, SessionAssigned, SessionPending]
        assert list(client.inbox.in_progress) == ["old", "c-1"]
        assert list(client.inbox.pending) == ["c-2"]
        ack = await connection.expect("session.ack")
        assert (ack["session_id"], ack["fence"]) == ("c-1", 1)


async def test_commands_in_flight_are_answered_in_any_order(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        getting = [asyncio.create_task(client.get_session(f"c-{number}")) for number in range(10)]
        commands = [await connection.expect("session.get") for _ in range(10)]
        for command in reversed(commands):
            await connection.reply(command, {"session": session_map(command["session_id"])})

        assert [(await task).id for task in getting] == [f"c-{number}" for number in range(10)]


async def test_command_is_sent_again_with_its_key_after_the_connection_was_cut(
    router: ScriptedRouter,
) -> None:
    async with connected(router) as (client, connection):
        noting = asyncio.create_task(client.note("c-1", "hola"))
        first = await connection.expect("session.note")
        await connection.cut()
        second_connection = await router.next_connection()
        await second_connection.let_in()
        second = await second_connection.expect("session.note")
        await second_connection.reply(second, {"entry": ENTRY})

        assert (await noting).text == "hola"
        assert first == second
        assert first["key"]
        events = [await anext(client) for _ in range(3)]
        assert isinstance(events[1], Disconnected)
        assert events[1].close_code == 1006
        assert isinstance(events[2], Connected)
        assert events[2].reconnected


async def test_command_without_an_answer_times_out(router: ScriptedRouter) -> None:
    async with connected(router) as (client, _):
        with pytest.raises(CommandTimeoutError) as timeout:
            await client.note("c-1", "hola", key="mine", timeout_s=0.02)
        assert timeout.value.key == "mine"


async def test_command_beyond_in_flight_max_waits_for_a_slot(router: ScriptedRouter) -> None:
    async with connected(router, in_flight_max=1) as (client, connection):
        first = asyncio.create_task(client.get_session("c-1"))
        command = await connection.expect("session.get")
        with pytest.raises(CommandTimeoutError):
            await client.get_session("c-2", timeout_s=0.02)
        third = asyncio.create_task(client.get_session("c-3"))
        await connection.reply(command, {"session": session_map("c-1")})

        assert (await first).id == "c-1"
        command = await connection.expect("session.get")
        assert command["session_id"] == "c-3"
        await connection.reply(command, {"session": session_map("c-3")})
        assert (await third).id == "c-3"


async def test_command_beyond_waiting_max_is_rate_limited(router: ScriptedRouter) -> None:
    async with connected(router, in_flight_max=1, waiting_max=2) as (client, connection):
        commands = [asyncio.create_task(client.get_session("c-1")) for _ in range(3)]
        command = await connection.expect("session.get")
        for _ in range(2):
            with pytest.raises(RateLimitedError, match="2 commands wait"):
                await client.get_session("one too many")
        for number in range(3):
            await connection.reply(command, {"session": session_map("c-1")})
            if number < 2:
                command = await connection.expect("session.get")
        assert [(await each).id for each in commands] == ["c-1"] * 3


async def test_cancelled_command_is_not_sent_again(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        cancelled = asyncio.create_task(client.note("c-1", "hola"))
        await connection.expect("session.note")
        cancelled.cancel()
        await asyncio.wait([cancelled])
        await connection.cut()
        connection = await router.next_connection()
        await connection.let_in()
        getting = asyncio.create_task(client.get_session("c-1"))
        await connection.reply(await connection.expect("session.get"), {"session": session_map()})
        await getting


async def test_cancelled_command_releases_its_slot(router: ScriptedRouter) -> None:
    async with connected(router, in_flight_max=1) as (client, connection):
        cancelled = asyncio.create_task(client.get_session("c-1"))
        await connection.expect("session.get")
        cancelled.cancel()
        getting = asyncio.create_task(client.get_session("c-2"))
        command = await connection.expect("session.get")
        await connection.reply(command, {"session": session_map("c-2")})

        assert (await getting).id == "c-2"


@pytest.mark.parametrize("text", ["x" * 70_000, "\ud800"])
async def test_command_too_long_to_send_fails_without_the_router(router: ScriptedRouter, text: str) -> None:
    async with connected(router) as (client, connection):
        with pytest.raises(BadMessageError):
            await client.note("c-1", text)

        getting = asyncio.create_task(client.get_session("c-1"))
        await connection.reply(await connection.expect("session.get"), {"session": session_map()})
        assert (await getting).id == "c-1"


async def test_subscribe_directory_returns_the_filled_directory(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        subscribing = asyncio.create_task(client.subscribe_directory())
        command = await connection.expect("directory.subscribe")
        await connection.reply(command, {})
        await connection.push(snapshot_map(3))
        directory = await subscribing

        assert directory.live
        assert list(directory.agents) == ["ana"]


async def test_subscription_without_a_snapshot_times_out(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        subscribing = asyncio.create_task(client.subscribe_directory(timeout_s=0.05))
        await connection.reply(await connection.expect("directory.subscribe"), {})

        with pytest.raises(CommandTimeoutError):
            await subscribing


async def test_slow_program_gets_the_count_of_lost_events(router: ScriptedRouter) -> None:
    async with connected(router, events_max=2) as (client, connection):
        pushes = [
            {"type": "session.assigned", "session": session_map(f"c-{number}"), "transfer": None}
            for number in range(4)
        ]
        await connection.push(pushes)
        await connection.expect("session.ack")
        lost, *kept = [await anext(client) for _ in range(3)]

        assert lost == EventsLost(3)
        assert [event.session.id for event in kept if isinstance(event, SessionAssigned)] == ["c-2", "c-3"]
        assert len(client.inbox.in_progress) == 4


async def test_events_polled_with_a_time_out_lose_none(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        await anext(client)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(client), 0.001)
        await connection.push({"type": "session.assigned", "session": session_map(), "transfer": None})

        assert isinstance(await anext(client), SessionAssigned)
