from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from relevo_client import (
    Client,
    ClientClosedError,
    Connected,
    ConnectionStoppedError,
    ConnectTimeoutError,
    Disconnected,
    EventStream,
    HandshakeRefusedError,
    SentAwayError,
    SessionAssigned,
    SignInRefusedError,
    StateChanged,
    UnauthorizedError,
)

from .scripted import AT_ONCE, ScriptedRouter, connected, make_client, next_of
from .wire import session_map, welcome_map

ENTRY = {"seq": 1, "kind": "internal", "at": 5, "by": None, "text": "hola", "transfer": None}


async def test_start_with_a_wrong_token_raises_sign_in_refused(router: ScriptedRouter) -> None:
    client = make_client(router, token="wrong")
    starting = asyncio.create_task(client.start())
    connection = await router.next_connection()
    await connection.refuse(await connection.expect("hello"), "unauthorized")
    await connection.close(4500)

    with pytest.raises(UnauthorizedError) as refused:
        await starting
    assert isinstance(refused.value, SignInRefusedError)


async def test_close_4502_ends_the_loop_and_the_commands(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        stream = client.events()
        noting = asyncio.create_task(client.sessions.note("c-1", "hola"))
        await connection.expect("session.note")
        await connection.close(4502, "removed")

        with pytest.raises(SentAwayError):
            await noting
        assert isinstance(await anext(stream), Connected)
        last = await next_of(stream, Disconnected)
        assert isinstance(last, Disconnected)
        assert isinstance(last.error, SentAwayError)
        with pytest.raises(SentAwayError):
            await anext(stream)


async def test_close_ends_the_loop_and_fails_unanswered_commands(router: ScriptedRouter) -> None:
    async with connected(router) as (client, connection):
        noting = asyncio.create_task(client.sessions.note("c-1", "hola"))
        looping = asyncio.create_task(read_all(client.events()))
        await connection.expect("session.note")
        await client.close()

        assert await connection.wait_closed() == 1000
        assert [type(event) for event in await looping] == [Connected, StateChanged]
        with pytest.raises(ClientClosedError):
            await noting
        with pytest.raises(ClientClosedError):
            await client.sessions.get("c-1")


async def read_all(stream: EventStream) -> list[Any]:
    return [event async for event in stream]


async def test_router_that_is_not_ready_is_tried_again(router: ScriptedRouter) -> None:
    router.refusals = [503, 502, 429]
    async with connected(router) as (client, _):
        assert client.state == "connected"
        assert router.refusals == []


async def test_refused_token_is_asked_for_once_more(router: ScriptedRouter) -> None:
    tokens = iter(["stale", "fresh"])
    client = make_client(router, token=lambda: next(tokens))
    starting = asyncio.create_task(client.start())
    connection = await router.next_connection()
    await connection.refuse(await connection.expect("hello"), "unauthorized")
    await connection.close(4500)
    connection = await router.next_connection()
    assert (await connection.let_in())["token"] == "fresh"
    await starting
    await client.close()


async def test_second_token_that_is_refused_ends_the_client(router: ScriptedRouter) -> None:
    client = make_client(router, token=lambda: "stale")
    starting = asyncio.create_task(client.start())
    for _ in range(2):
        connection = await router.next_connection()
        await connection.refuse(await connection.expect("hello"), "unauthorized")
        await connection.close(4500)

    with pytest.raises(SignInRefusedError):
        await starting


async def test_refused_origin_says_what_to_set(router: ScriptedRouter) -> None:
    router.refusals = [403]
    with pytest.raises(HandshakeRefusedError, match=r"RELEVO_ALLOWED_ORIGINS=https://chat\.example"):
        await make_client(router, headers={"Origin": "https://chat.example"}).start()


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_refused_handshake_is_final(router: ScriptedRouter, status: int) -> None:
    router.refusals = [status]
    with pytest.raises(HandshakeRefusedError) as refused:
        await make_client(router).start()

    assert refused.value.status == status
    assert isinstance(refused.value, ConnectionStoppedError)


async def test_start_without_a_router_raises_connect_timeout(closed_port: int) -> None:
    url = f"ws://127.0.0.1:{closed_port}/ws"
    client = Client(url, "jwt", connect_timeout=0.05, reconnect=AT_ONCE, proxy=None)
    with pytest.raises(ConnectTimeoutError) as timeout:
        await client.start()

    assert f"127.0.0.1:{closed_port}" in str(timeout.value)


async def test_client_of_several_urls_tries_the_next(router: ScriptedRouter, closed_port: int) -> None:
    urls = [f"ws://127.0.0.1:{closed_port}/ws", router.url]
    client = Client(urls, "jwt", reconnect=AT_ONCE, proxy=None)
    starting = asyncio.create_task(client.start())
    await (await router.next_connection()).let_in()
    await starting
    await client.close()


async def test_expiring_token_is_replaced_by_a_fresh_one(router: ScriptedRouter) -> None:
    numbers = itertools.count(1)

    async def make_token() -> str:
        return f"jwt-{next(numbers)}"

    client = make_client(router, token=make_token)
    starting = asyncio.create_task(client.start())
    connection = await router.next_connection()
    assert (await connection.let_in())["token"] == "jwt-1"
    await starting
    await connection.push({"type": "token.expiring", "expires_at": 99})
    command = await connection.expect("token.refresh")
    assert command["token"] == "jwt-2"
    await connection.reply(command, {"expires_at": 200})
    await connection.cut()
    connection = await router.next_connection()
    assert (await connection.let_in())["token"] == "jwt-3"
    await client.close()


async def test_token_source_that_fails_is_asked_again(router: ScriptedRouter) -> None:
    failures = [OSError("the issuer is away"), ValueError("no json")]

    def make_token() -> str:
        if failures:
            raise failures.pop()
        return "jwt"

    async with connected(router, token=make_token) as (client, connection):
        failures = [OSError("away again")]
        await connection.push({"type": "token.expiring", "expires_at": 99})
        await connection.expect("token.refresh")
        assert failures == []
        assert client.state == "connected"


async def test_refreshed_string_is_used_for_the_next_connection(router: ScriptedRouter) -> None:
    async with connected(router, token="first") as (client, connection):
        refreshing = asyncio.create_task(client.refresh_token("second"))
        await connection.reply(await connection.expect("token.refresh"), {"expires_at": 7})
        assert await refreshing == 7
        await connection.cut()

        assert (await (await router.next_connection()).let_in())["token"] == "second"


@pytest.mark.parametrize(
    "frame",
    [b"\xc1", '{"type": "pong"}', b"\x81\xa4type\xb0session.assigned"],
    ids=["bytes", "text", "shape"],
)
async def test_router_that_does_not_speak_the_protocol_is_left_and_tried_again(
    router: ScriptedRouter, frame: bytes | str
) -> None:
    async with connected(router) as (client, connection):
        stream = client.events()
        await connection.push_bytes(frame)
        assert await connection.wait_closed() == 1002
        await (await router.next_connection()).let_in()

        ended = await next_of(stream, Disconnected)
        assert isinstance(ended, Disconnected)
        assert ended.close_code == 1002


async def test_frame_of_the_wrong_kind_ends_the_connection(router: ScriptedRouter) -> None:
    async with connected(router, format="json") as (_, connection):
        await connection.push_bytes(b'{"type": "pong"}')

        assert await connection.wait_closed() == 1002


async def test_ack_is_sent_by_hand_with_acknowledge_false(router: ScriptedRouter) -> None:
    async with connected(router, acknowledge=False) as (client, connection):
        stream = client.events()
        await connection.push({"type": "session.assigned", "session": session_map(fence=2), "transfer": None})
        event = await next_of(stream, SessionAssigned)
        assert isinstance(event, SessionAssigned)
        await client.sessions.ack(event.session.id, event.session.fence)

        assert await connection.expect("session.ack") == {
            "type": "session.ack",
            "session_id": "c-1",
            "fence": 2,
        }


async def test_batch_of_welcome_and_pushes_is_taken_in_order(router: ScriptedRouter) -> None:
    client = make_client(router)
    starting = asyncio.create_task(client.start())
    connection = await router.next_connection()
    await connection.expect("hello")
    await connection.push(
        [
            welcome_map(in_progress=[session_map("c-1", fence=1)]),
            {"type": "session.removed", "session_id": "c-1", "fence": 2, "why": "closed", "transfer": None},
        ]
    )
    await starting

    assert client.inbox.get("c-1") is None
    await client.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1/ws", "relevo", []])
def test_client_of_a_malformed_url_raises_at_once(url: Any) -> None:
    with pytest.raises(ValueError, match=r"address|URI|scheme"):
        Client(url, "jwt")


async def test_client_that_was_not_started_takes_no_commands() -> None:
    with pytest.raises(ClientClosedError):
        await Client("ws://127.0.0.1:9/ws", "jwt").sessions.get("c-1")
