"""How a connection ends, and what its endpoint hears of it: once, last, and with the right code."""

import asyncio
import gc
import socket
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode
from websockets.typing import Subprotocol

from relevo.protocol.codec import JSON
from relevo.protocol.errors import CloseCode
from relevo.router.transport import websocket
from relevo.router.transport.frames import Core
from relevo.router.transport.http_guard import BoundedHttp
from relevo.router.transport.websocket import build_frame
from tests.router.transport.websocket_peer import (
    JSON_NAME,
    WAIT_S,
    Recorder,
    Served,
    echo,
    fill_until_slow,
    masked,
    open_peer,
    raw_peer,
    serve_websockets,
    turns,
    upgrade_request,
)

TEXT, CLOSE = Opcode.TEXT, Opcode.CLOSE


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_websockets() as served:
        yield served


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_a_close_by_the_peer_is_answered_and_reported_with_its_code(served: Served, code: int) -> None:
    async with open_peer(served) as (peer, endpoint):
        peer.send_frame(CLOSE, code.to_bytes(2) + b"bye")
        assert await peer.read_frame() == (CLOSE, code.to_bytes(2) + b"bye")
        await peer.expect_end()
        await endpoint.expect("lost", code, True)
        assert served.open_count == 0


async def test_a_close_by_the_peer_without_a_code_is_reported_as_1005(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        peer.send_frame(CLOSE)
        assert await peer.read_frame() == (CLOSE, b"")
        await endpoint.expect("lost", 1005, True)


async def test_a_close_between_two_fragments_is_a_close_like_any_other(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        peer.send(masked(TEXT, b"half", is_final=False) + masked(CLOSE, (1000).to_bytes(2)))
        assert await peer.read_frame() == (CLOSE, (1000).to_bytes(2))
        await endpoint.expect("lost", 1000, True)


async def test_what_a_peer_sent_before_its_close_is_delivered_and_nothing_after(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        peer.send(masked(TEXT, b"last words") + masked(CLOSE, (1000).to_bytes(2)) + masked(TEXT, b"ghost"))
        await endpoint.expect("received", b"last words")
        await endpoint.expect("lost", 1000, True)


async def test_reply_within_the_turn_of_the_peers_close_is_not_sent_after_it() -> None:
    async with serve_websockets(on_message=echo) as served, open_peer(served) as (peer, _):
        peer.send(masked(TEXT, b"1") + masked(CLOSE, (1000).to_bytes(2)))
        assert await peer.read_frame() == (CLOSE, (1000).to_bytes(2))
        await peer.expect_end()


@pytest.mark.parametrize("is_reset", [False, True])
async def test_a_peer_that_is_gone_without_a_close_is_reported_as_1006(
    served: Served, is_reset: bool
) -> None:
    async with open_peer(served) as (peer, endpoint):
        if is_reset:
            sock: socket.socket = peer.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.abort()
        else:
            peer.writer.write_eof()
        await endpoint.expect("lost", 1006, False)
        assert served.open_count == 0


async def test_an_aborted_connection_is_reported_as_1006(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        endpoint.socket.send(b"unsent")
        endpoint.socket.abort()
        await peer.expect_end()
        await endpoint.expect("lost", 1006, False)


async def test_a_close_sends_what_is_queued_first(served: Served) -> None:
    async with connect(served.url, subprotocols=[Subprotocol(JSON_NAME)]) as client:
        endpoint = await served.acceptor.next_endpoint()
        endpoint.socket.send(b"1")
        endpoint.socket.send(b"2")
        endpoint.socket.close(CloseCode.TOKEN_EXPIRED, "expired")
        assert await client.recv() == "[1,2]"
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4501, "expired")
        await endpoint.expect("lost", 4501, False)


async def test_a_long_reason_is_cut_between_characters(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        endpoint.socket.close(CloseCode.REMOVED, "é" * 100)
        assert await peer.expect_close(CloseCode.REMOVED) == "é" * 61


@pytest.mark.limit("CLOSE_WAIT_MS")
async def test_a_peer_that_does_not_answer_a_close_is_dropped_after_a_while(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "CLOSE_WAIT_MS", 30)
    async with open_peer(served) as (peer, endpoint):
        endpoint.socket.close(CloseCode.DRAINING)
        await peer.expect_close(CloseCode.DRAINING)
        peer.send_frame(TEXT, b"did not hear")
        await peer.expect_end()
        await endpoint.expect("lost", 4000, False)


async def test_a_closing_peer_that_floods_on_is_parsed_slowly(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "CLOSING_SLICE_MS", 3_600_000)
    monkeypatch.setattr(websocket, "CLOSE_WAIT_MS", 300)
    async with open_peer(served) as (peer, endpoint):
        endpoint.socket.close(CloseCode.RATE_LIMITED)
        await peer.expect_close(CloseCode.RATE_LIMITED)
        parsed: list[int] = []
        parse = Core.receive_data

        def count(core: Core, data: bytes) -> None:
            parsed.append(len(data))
            parse(core, data)

        monkeypatch.setattr(Core, "receive_data", count)
        peer.send(masked(TEXT) * 10_000)
        await endpoint.expect("lost", CloseCode.RATE_LIMITED, False)
        assert parsed == [websocket.INBOUND_SLICE_BYTES]


async def test_a_close_behind_much_else_is_found_all_the_same(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "CLOSE_WAIT_MS", 3_600_000)
    async with open_peer(served) as (peer, endpoint):
        endpoint.socket.close(CloseCode.REMOVED)
        peer.send(masked(TEXT) * 2_000)
        peer.send_frame(CLOSE, (4502).to_bytes(2))
        await peer.expect_close(CloseCode.REMOVED)
        await peer.expect_end()
        await endpoint.expect("lost", 4502, False)


@pytest.mark.limit("LINGER_MS")
async def test_peer_that_closes_and_reads_nothing_more_is_dropped_after_a_while(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "LINGER_MS", 30)
    monkeypatch.setattr(websocket, "CLOSE_WAIT_MS", 3_600_000)
    async with open_peer(served) as (peer, endpoint):
        peer.stop_reading()
        await fill_until_slow(endpoint, b"x" * 50_000)
        peer.send_frame(CLOSE, (1000).to_bytes(2))
        await endpoint.expect("lost", 1000, True)


async def test_peer_that_closes_while_reading_is_paused_is_dropped_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket, "CLOSE_WAIT_MS", 30)

    def pause(endpoint: Recorder, data: bytes) -> None:
        endpoint.socket.pause_reading()

    async with serve_websockets(on_message=pause) as served, open_peer(served) as (peer, endpoint):
        peer.send(masked(TEXT, b"1") + masked(TEXT, b"2") + masked(CLOSE, (1000).to_bytes(2)))
        await endpoint.expect("received", b"1")
        await endpoint.expect("lost", 1000, True)


@pytest.mark.slow
async def test_a_stopping_server_closes_with_1001_and_does_not_wait_for_others(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint), open_peer(served) as (closing_peer, closing):
        closing.socket.close(CloseCode.DRAINING)
        stopping = asyncio.create_task(served.server.shutdown())
        await peer.expect_close(1001)
        await closing_peer.expect_close(CloseCode.DRAINING)
        peer.send_frame(CLOSE, (1001).to_bytes(2))
        closing_peer.send_frame(CLOSE, (4000).to_bytes(2))
        await stopping
        await endpoint.expect("lost", 1001, False)
        await closing.expect("lost", 4000, False)


async def test_a_defect_in_one_endpoint_ends_its_connection_and_no_other() -> None:
    def fail_on_request(endpoint: Recorder, data: bytes) -> None:
        if data == b"fail":
            raise RuntimeError("a defect")
        endpoint.socket.send(data)

    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    async with (
        serve_websockets(on_message=fail_on_request) as served,
        open_peer(served) as (peer, endpoint),
        open_peer(served) as (other, _),
    ):
        peer.send_frame(TEXT, b"fail")
        await endpoint.expect("received", b"fail")
        await endpoint.expect("lost", 1006, False)
        other.send_frame(TEXT, b"alive")
        assert await other.read_frame() == (TEXT, b"alive")
    assert [str(error) for error in reported] == ["a defect"]


async def test_a_connection_that_could_not_be_accepted_is_not_waited_for() -> None:
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))

    def refuse_to_accept(socket: Any) -> Any:
        raise RuntimeError("a defect")

    async with serve_websockets() as served:
        served.acceptor.accept = refuse_to_accept  # type: ignore[method-assign]
        async with raw_peer(served.port) as peer:
            peer.send(upgrade_request(served.port))
            async with asyncio.timeout(WAIT_S):
                await peer.reader.read()
        assert served.open_count == 0
    assert [str(error) for error in reported] == ["a defect"]


async def test_a_lost_connection_leaves_no_garbage_behind(served: Served) -> None:
    gc.collect()
    gc.disable()
    try:
        async with open_peer(served) as (peer, endpoint):
            trace = weakref.ref(endpoint)
            peer.abort()
            await endpoint.expect("lost", 1006, False)
            del endpoint
            await turns()
        assert trace() is None
        # What has read the request, and what has read the frames.
        assert not [each for each in gc.get_objects() if isinstance(each, BoundedHttp | Core)]
    finally:
        gc.enable()


async def test_what_is_sent_after_the_close_is_dropped(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        endpoint.socket.close(CloseCode.DRAINING)
        endpoint.socket.send(b"late")
        endpoint.socket.send_frame(build_frame(JSON, b"late"))
        endpoint.socket.close(CloseCode.REMOVED)
        assert await peer.read_frame() == (CLOSE, (4000).to_bytes(2))
        peer.send_frame(CLOSE, (4000).to_bytes(2))
        await peer.expect_end()
        await endpoint.expect("lost", 4000, False)
        endpoint.socket.send(b"later")
        endpoint.socket.close(CloseCode.REMOVED)
        endpoint.socket.abort()
        assert endpoint.socket.buffered_bytes == 0
