"""Requests that are slow, silent, endless or too large, and connections that are too many."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.frames import Opcode

from relevo.router.transport import http_guard
from tests.router.transport.websocket_peer import (
    Peer,
    Served,
    echo,
    open_peer,
    raw_peer,
    serve_websockets,
    upgrade_request,
)

TIMEOUT_MS = 300
GET = b"GET / HTTP/1.1\r\nhost: relevo\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nhost: relevo\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_websockets(on_message=echo) as served:
        yield served


@pytest.fixture
async def impatient(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(http_guard, "REQUEST_TIMEOUT_MS", TIMEOUT_MS)
    async with serve_websockets(on_message=echo) as served:
        yield served


async def silence(served: Served) -> None:
    """Wait as long as a request may take, which a silent connection can tell."""
    async with raw_peer(served.port) as peer:
        await peer.expect_end()


async def drip(peer: Peer, data: bytes) -> None:
    """Send a byte now and then, until the peer is cut off or everything is sent."""
    for byte in data:
        peer.send(bytes([byte]))
        await asyncio.sleep(0.005)


async def go_on_sending(peer: Peer) -> None:
    """Send until the connection is reset."""
    while True:
        peer.send(bytes(1000))
        await peer.writer.drain()
        await asyncio.sleep(0.001)


async def no_more_open_than(served: Served, count: int) -> None:
    """Wait until the server has noticed the closed peers."""
    async with asyncio.timeout(30):
        while served.open_count > count:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.001)


async def expect_refusal(peer: Peer, status: int) -> None:
    """Read a refusal, and the end after it."""
    answered, head, _ = await peer.read_response()
    assert (answered, "connection: close" in head) == (status, True)
    await peer.expect_end()


@pytest.mark.adversarial("handshake: opened and silent")
async def test_a_connection_that_says_nothing_is_closed_without_a_word(impatient: Served) -> None:
    await silence(impatient)
    assert impatient.open_count == 0


@pytest.mark.adversarial("handshake: a byte a second")
@pytest.mark.parametrize("start", [b"", GET], ids=["first request", "second request"])
async def test_a_head_that_comes_byte_by_byte_is_cut_off(impatient: Served, start: bytes) -> None:
    async with raw_peer(impatient.port) as peer:
        if start:
            peer.send(start)
            await peer.read_response()
        dripping = asyncio.create_task(drip(peer, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100))
        await expect_refusal(peer, 408)
        dripping.cancel()


async def test_empty_lines_between_requests_buy_no_time(impatient: Served) -> None:
    async with raw_peer(impatient.port) as peer:
        peer.send(GET)
        await peer.read_response()
        dripping = asyncio.create_task(drip(peer, b"\r\n" * 500))
        await expect_refusal(peer, 408)
        dripping.cancel()


async def test_a_body_that_never_ends_is_cut_off(impatient: Served) -> None:
    async with raw_peer(impatient.port) as peer:
        peer.send(CHUNKED)
        await peer.read_response()
        dripping = asyncio.create_task(drip(peer, b"1\r\nx\r\n" * 200))
        # It has its answer; another would be taken for the next one's.
        await peer.expect_end()
        dripping.cancel()


async def test_websockets_and_idle_connections_have_no_request_time_out(
    impatient: Served,
) -> None:
    async with open_peer(impatient) as (websocket, _), raw_peer(impatient.port) as idle:
        idle.send(GET)
        await idle.read_response()

        await silence(impatient)

        websocket.send_frame(Opcode.TEXT, b"still here")
        assert await websocket.read_frame() == (Opcode.TEXT, b"still here")
        idle.send(GET)
        assert (await idle.read_response())[0] == 204


@pytest.mark.limit("PATH_BYTES_MAX")
@pytest.mark.parametrize("tail", [b"", b" HTTP/1.1\r\nhost: relevo\r\n\r\n"], ids=["unfinished", "whole"])
@pytest.mark.parametrize("size", [8 * 1024, 200_000])
async def test_a_path_over_eight_kib_is_refused(served: Served, size: int, tail: bytes) -> None:
    async with raw_peer(served.port) as peer:
        peer.send(b"GET /" + b"x" * size + tail)
        await expect_refusal(peer, 414)


@pytest.mark.limit("HEAD_BYTES_MAX")
@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"cookie: " + b"x" * 33_000 + b"\r\n\r\n", id="one large header"),
        pytest.param(b"cookie: " + b"x" * 33_000, id="one large header, unfinished"),
        pytest.param(b"x" * 33_000, id="a name without an end"),
        pytest.param(b"cookie: " + b"x" * 2_000_000, id="two million bytes"),
        pytest.param((b"cookie: " + b"x" * 1000 + b"\r\n") * 40 + b"\r\n", id="forty large headers"),
        pytest.param(b"a: b\r\n" * 129 + b"\r\n", id="129 headers"),
    ],
)
@pytest.mark.parametrize("upgrade", [False, True], ids=["plain", "websocket"])
async def test_a_head_that_is_too_large_is_refused(served: Served, head: bytes, upgrade: bool) -> None:
    request = upgrade_request(served.port) if upgrade else GET
    async with raw_peer(served.port) as peer:
        peer.send(request.removesuffix(b"\r\n") + head)
        await expect_refusal(peer, 431)


@pytest.mark.limit("HEADERS_MAX")
async def test_128_headers_of_together_almost_32_kib_are_taken(served: Served) -> None:
    async with raw_peer(served.port) as peer:
        peer.send(b"GET / HTTP/1.1\r\n" + (b"a: " + b"x" * 240 + b"\r\n") * 128 + b"\r\n")
        assert (await peer.read_response())[0] == 204


async def test_what_comes_after_chunks_counts_as_headers(served: Served) -> None:
    async with raw_peer(served.port) as peer:
        peer.send(CHUNKED + b"0\r\n" + b"a: b\r\n" * 129)
        await expect_refusal(peer, 431)


@pytest.mark.limit("REQUEST_BYTES_MAX")
async def test_a_body_larger_than_anything_that_is_read_is_not_read_to_its_end(served: Served) -> None:
    async with raw_peer(served.port) as peer:
        peer.send(b"POST / HTTP/1.1\r\nhost: relevo\r\ncontent-length: 1000000000\r\n\r\n")
        await peer.read_response()
        peer.send(bytes(2_000_000))
        await peer.expect_end()


@pytest.mark.limit("PIPELINE_MAX")
async def test_requests_that_do_not_wait_for_answers_are_bounded(served: Served) -> None:
    async with raw_peer(served.port) as peer:
        peer.send(GET * 1000)
        async with asyncio.timeout(30):
            answers = await peer.reader.read()
        assert answers.count(b"HTTP/1.1 204") < 20
    async with raw_peer(served.port) as peer:
        peer.send(GET * 10)
        for _ in range(10):
            assert (await peer.read_response())[0] == 204


async def test_request_that_is_answered_while_others_are_refused_logs_nothing(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async with raw_peer(served.port) as peer:
        peer.send(GET * 1000)
        async with asyncio.timeout(30):
            await peer.reader.read()
            while served.server.server_state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.001)
    assert caplog.records == []


@pytest.mark.limit("HTTP_CONNECTIONS_MAX")
async def test_http_connections_over_the_limit_are_refused_without_websockets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_guard, "HTTP_CONNECTIONS_MAX", 2)
    async with (
        serve_websockets(on_message=echo) as served,
        open_peer(served),
        open_peer(served),
        raw_peer(served.port) as first,
    ):
        async with raw_peer(served.port) as second:
            for peer in (first, second):
                peer.send(GET)
                await peer.read_response()
            async with raw_peer(served.port) as third:
                await expect_refusal(third, 503)
        await no_more_open_than(served, 3)
        async with raw_peer(served.port) as third:
            for peer in (first, third):
                peer.send(GET)
                assert (await peer.read_response())[0] == 204


@pytest.mark.limit("LINGERING_MAX")
async def test_rejected_connections_beyond_a_bound_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_guard, "HTTP_CONNECTIONS_MAX", 0)
    monkeypatch.setattr(http_guard, "LINGERING_MAX", 1)
    async with serve_websockets() as served, raw_peer(served.port) as first, raw_peer(served.port) as second:
        await expect_refusal(first, 503)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await second.read_response()


@pytest.mark.adversarial("handshake: plain HTTP garbage")
@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\x81\x85\x00\x00\x00\x00hello",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\nhost: relevo\n\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\na\x00b: c\r\n\r\n",
        b"GET / HTTP/1.1\r\na: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\na: b\rc\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n: empty name\r\n\r\n",
        b"GET / HTTP/1.1\r\na : b\r\n\r\n",
        b"GET / HTTP/1.1\r\na: b\r\n c: d\r\n\r\n",
        b"CONNECT relevo:1 HTTP/1.1\r\n\r\n",
        b"CONNECT /x HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 0x10\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
        bytes(1000),
    ],
)
async def test_what_is_no_http_is_answered_with_400(served: Served, garbage: bytes) -> None:
    async with raw_peer(served.port) as peer:
        peer.send(garbage)
        await expect_refusal(peer, 400)


async def test_a_refused_peer_that_goes_on_sending_is_dropped_after_a_while(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relevo.router.transport.http_guard.LINGER_MS", 30)
    async with raw_peer(served.port) as peer:
        peer.send(b"nonsense\r\n\r\n")
        await expect_refusal(peer, 400)
        with pytest.raises(ConnectionError):
            await go_on_sending(peer)
