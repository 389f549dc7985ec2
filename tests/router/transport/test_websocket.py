"""What an endpoint can rely on while a connection is open: order, batches, limits, pauses and keepalive."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.frames import Opcode
from websockets.typing import Subprotocol

from relevo.protocol.codec import JSON, MSGPACK
from relevo.protocol.errors import CloseCode
from relevo.router.transport import websocket
from relevo.router.transport.keepalive import now_ms
from relevo.router.transport.outbox import Outbox
from relevo.router.transport.websocket import broadcast, build_frame
from tests.router.transport.websocket_peer import (
    JSON_NAME,
    MSGPACK_NAME,
    WAIT_S,
    Recorder,
    Served,
    echo,
    fill_until_slow,
    masked,
    open_peer,
    serve_websockets,
    turns,
)

TEXT, BINARY, CLOSE, PING, PONG = Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE, Opcode.PING, Opcode.PONG


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_websockets() as served:
        yield served


class WritesKept:
    """A transport that keeps what is written."""

    def __init__(self, transport: Any, written: list[bytes]) -> None:
        self._transport = transport
        self._written = written

    def write(self, data: bytes) -> None:
        self._written.append(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def send_to_one(endpoint: Recorder, frame: bytes) -> None:
    endpoint.socket.send_frame(frame)


def send_to_all(endpoint: Recorder, frame: bytes) -> None:
    broadcast([endpoint.socket], frame)


either_way = pytest.mark.parametrize("send_frame", [send_to_one, send_to_all])


# Sending ----------------------------------------------------------------------------------------------------


async def test_messages_of_one_turn_go_out_as_one_batch(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        for number in range(3):
            endpoint.socket.send(b"%d" % number)
        assert await peer.read_frame() == (TEXT, b"[0,1,2]")


async def test_messages_of_different_turns_go_out_alone(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        for number in range(3):
            endpoint.socket.send(b"%d" % number)
            await turns()
        assert [await peer.read_frame() for _ in range(3)] == [(TEXT, b"0"), (TEXT, b"1"), (TEXT, b"2")]


async def test_a_burst_goes_out_as_batches_of_at_most_64(served: Served) -> None:
    async with open_peer(served, MSGPACK_NAME) as (peer, endpoint):
        messages = [MSGPACK.encode_batch([]) + b"%c" % number for number in range(100)]
        for message in messages:
            endpoint.socket.send(message)
        assert await peer.read_frame() == (BINARY, MSGPACK.encode_batch(messages[:64]))
        assert await peer.read_frame() == (BINARY, MSGPACK.encode_batch(messages[64:]))


@either_way
async def test_a_frame_for_many_keeps_its_place_among_messages_for_one(
    served: Served, send_frame: Callable[[Recorder, bytes], None]
) -> None:
    async with open_peer(served) as (first, one), open_peer(served) as (second, two):
        frame = build_frame(JSON, b'{"shared":1}')
        for endpoint in (one, two):
            endpoint.socket.send(b"1")
            endpoint.socket.send(b"2")
            send_frame(endpoint, frame)
            endpoint.socket.send(b"3")
        for peer in (first, second):
            frames = [await peer.read_frame() for _ in range(3)]
            assert frames == [(TEXT, b"[1,2]"), (TEXT, b'{"shared":1}'), (TEXT, b"3")]


async def test_a_large_burst_to_a_peer_that_reads_arrives_whole_and_in_order() -> None:
    async with serve_websockets(outbox_hard_bytes=64 * 1024 * 1024) as served:
        url, subprotocols = served.url, [Subprotocol(JSON_NAME)]
        async with connect(url, subprotocols=subprotocols, max_size=None) as client:
            endpoint = await served.acceptor.next_endpoint()
            for number in range(50_000):
                endpoint.socket.send(b'{"number":%d,"padding":"%s"}' % (number, b"x" * 100))
            numbers: list[int] = []
            while len(numbers) < 50_000:
                numbers += [item["number"] for item in _json_items(await client.recv())]
            assert numbers == list(range(50_000))


def _json_items(message: str | bytes) -> list[Any]:
    decoded = msgspec.json.decode(message)
    return decoded if isinstance(decoded, list) else [decoded]


async def test_a_message_may_be_sent_while_the_connection_is_accepted() -> None:
    async with serve_websockets() as served:
        accept = served.acceptor.accept

        def accept_and_greet(socket: Any) -> Any:
            endpoint = accept(socket)
            socket.send(b'"welcome"')
            return endpoint

        served.acceptor.accept = accept_and_greet  # type: ignore[method-assign]
        async with open_peer(served) as (peer, _):
            assert await peer.read_frame() == (TEXT, b'"welcome"')


async def test_a_defect_in_one_outbox_does_not_silence_the_others(served: Served) -> None:
    class Broken(Outbox):
        def take(self) -> bytes:
            raise RuntimeError("a defect")

    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    async with open_peer(served) as (_, broken), open_peer(served) as (peer, endpoint):
        broken.socket._outbox = Broken(endpoint.socket._outbox._rules)
        broken.socket.send(b"1")
        endpoint.socket.send(b"2")
        assert await peer.read_frame() == (TEXT, b"2")
    assert [str(error) for error in reported] == ["a defect"]


# Slow peers -------------------------------------------------------------------------------------------------


async def test_buffered_bytes_counts_what_waits_for_the_turns_end(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        endpoint.socket.send(b"12345")
        assert endpoint.socket.buffered_bytes == 5
        await peer.read_frame()
        assert endpoint.socket.buffered_bytes == 0


async def test_a_peer_that_does_not_read_is_slow_until_it_has_caught_up(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        peer.stop_reading()
        count = await fill_until_slow(endpoint, b"x" * 50_000)
        assert endpoint.socket.buffered_bytes > 64 * 1024
        peer.read_again()
        for _ in range(count):
            assert await peer.read_frame() == (TEXT, b"x" * 50_000)
        await endpoint.expect("drained")
        assert endpoint.socket.buffered_bytes < 64 * 1024


@pytest.mark.limit("outbox_hard_bytes")
async def test_peer_that_stays_slow_is_closed_and_the_others_hear_nothing_of_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "LINGER_MS", 30)
    monkeypatch.setattr(websocket, "CLOSE_WAIT_MS", 3_600_000)
    async with open_peer(served) as (stalled, slow), open_peer(served) as (reading, quick):
        stalled.stop_reading()
        await fill_until_slow(slow, b"x" * 50_000)
        peak_bytes = sent = 0
        while slow.events.empty():
            slow.socket.send(b"x" * 50_000)
            quick.socket.send(b"%d" % sent)
            assert await reading.read_frame() == (TEXT, b"%d" % sent)
            peak_bytes = max(peak_bytes, slow.socket.buffered_bytes)
            sent += 1
        await slow.expect("lost", CloseCode.TOO_SLOW, False)
        assert peak_bytes <= 1024 * 1024 + 2 * 50_000
        assert quick.events.empty()
        assert served.open_count == 1


async def test_a_slow_peer_that_reads_again_learns_why_it_was_closed(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        peer.stop_reading()
        await fill_until_slow(endpoint, b"x" * 50_000)
        for _ in range(30):
            endpoint.socket.send(b"x" * 50_000)
            await asyncio.sleep(0)
        peer.read_again()
        assert await peer.expect_close(CloseCode.TOO_SLOW) == CloseCode.TOO_SLOW.meaning


async def test_large_frame_is_not_copied_for_what_was_sent_before_it(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        written: list[bytes] = []
        transport = endpoint.socket._transport
        endpoint.socket._transport = WritesKept(transport, written)  # type: ignore[assignment]
        frame = build_frame(JSON, b"x" * 100_000)
        endpoint.socket.send(b"1")
        endpoint.socket.send_frame(frame)
        endpoint.socket.send(b"2")
        frames = [await peer.read_frame() for _ in range(3)]
        assert frames == [(TEXT, b"1"), (TEXT, b"x" * 100_000), (TEXT, b"2")]
        endpoint.socket._transport = transport
        assert written[1] is frame


@either_way
async def test_frame_beyond_the_hard_limit_goes_as_the_peer_takes_it(
    send_frame: Callable[[Recorder, bytes], None],
) -> None:
    async with serve_websockets(outbox_hard_bytes=64 * 1024) as served, open_peer(served) as (peer, endpoint):
        peer.stop_reading()
        send_frame(endpoint, build_frame(JSON, b"x" * 20_000_000))
        await endpoint.expect("slow")
        endpoint.socket.send(b"1")
        await turns()
        assert endpoint.socket.buffered_bytes > 64 * 1024
        peer.read_again()
        frames = [await peer.read_frame() for _ in range(2)]
        assert frames == [(TEXT, b"x" * 20_000_000), (TEXT, b"1")]
        await endpoint.expect("drained")


@either_way
async def test_messages_behind_a_large_frame_count_against_the_hard_limit(
    send_frame: Callable[[Recorder, bytes], None],
) -> None:
    async with serve_websockets(outbox_hard_bytes=64 * 1024) as served, open_peer(served) as (peer, endpoint):
        peer.stop_reading()
        send_frame(endpoint, build_frame(JSON, b"x" * 20_000_000))
        await endpoint.expect("slow")
        for _ in range(64):
            endpoint.socket.send(b"1" * 1000)
            await turns()
        assert endpoint.events.empty()
        for _ in range(2):
            endpoint.socket.send(b"1" * 1000)
            await turns()
        peer.read_again()
        await peer.expect_close(CloseCode.TOO_SLOW)


async def test_peer_that_takes_a_large_frame_slowly_has_time_to_answer_its_ping(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        peer.stop_reading()
        endpoint.socket.send_frame(build_frame(JSON, b"x" * 20_000_000))
        await endpoint.expect("slow")
        pinged_at_ms = now_ms() + 20_000
        endpoint.socket.keep_alive(pinged_at_ms)
        unsent_bytes = endpoint.socket.buffered_bytes
        while endpoint.socket.buffered_bytes == unsent_bytes:
            with suppress(BlockingIOError):
                os.read(peer.writer.get_extra_info("socket").fileno(), 100_000)
            await turns()
        endpoint.socket.keep_alive(pinged_at_ms + 20_000)
        await turns()
        assert endpoint.events.empty()
        endpoint.socket.keep_alive(pinged_at_ms + 40_000)
        await endpoint.expect("lost", CloseCode.NO_PONG, False)


async def test_broadcast_passes_a_socket_that_closes_or_is_gone(served: Served) -> None:
    async with (
        open_peer(served) as (peer, one),
        open_peer(served) as (_, gone),
        open_peer(served) as (_, two),
    ):
        gone.socket.abort()
        await gone.expect("lost", 1006, False)
        two.socket.close(1000)
        broadcast([gone.socket, two.socket, one.socket], build_frame(JSON, b"1"))
        assert await peer.read_frame() == (TEXT, b"1")


async def test_a_burst_counts_as_queued_only_if_the_peer_does_not_read_it() -> None:
    async with (
        serve_websockets(outbox_soft_bytes=1_000, outbox_hard_bytes=100_000) as served,
        open_peer(served) as (peer, endpoint),
    ):
        # The system's buffers take this much at once: no peer is slow that has not been given time to read.
        for _ in range(200):
            endpoint.socket.send(b"x" * 1_000)
            assert endpoint.socket.buffered_bytes <= 1_000
        received = 0
        while received < 200_000:
            received += (await peer.read_frame())[1].count(b"x")
        assert endpoint.events.empty()


# Pausing ----------------------------------------------------------------------------------------------------


async def test_a_paused_endpoint_receives_nothing_until_it_resumes() -> None:
    def pause_after_each(endpoint: Recorder, data: bytes) -> None:
        endpoint.socket.pause_reading()

    async with serve_websockets(on_message=pause_after_each) as served, open_peer(served) as (peer, endpoint):
        # In one segment: what was parsed with the first message waits as well.
        peer.send(b"".join(masked(TEXT, b"%d" % number) for number in range(3)))
        for number in range(3):
            await endpoint.expect("received", b"%d" % number)
            await turns(10)
            assert endpoint.events.empty()
            endpoint.socket.resume_reading()


async def test_a_pause_holds_the_peer_back(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        endpoint.socket.pause_reading()
        for _ in range(1_000):
            peer.send_frame(TEXT, b"x" * 60_000)
        # What the systems' buffers do not take stays with the peer.
        await turns(1_000)
        assert peer.writer.transport.get_write_buffer_size() > 10_000_000
        assert endpoint.received_count == 0
        endpoint.socket.resume_reading()
        async with asyncio.timeout(WAIT_S):
            while endpoint.received_count < 1_000:
                await endpoint.events.get()


async def test_resuming_within_a_message_keeps_the_order() -> None:
    def pause_and_resume(endpoint: Recorder, data: bytes) -> None:
        endpoint.socket.pause_reading()
        endpoint.socket.resume_reading()
        endpoint.socket.send(data)

    async with serve_websockets(on_message=pause_and_resume) as served, open_peer(served) as (peer, _):
        peer.send(b"".join(masked(TEXT, b"%d" % number) for number in range(3)))
        assert await peer.read_frame() == (TEXT, b"[0,1,2]")


async def test_a_close_is_not_held_up_by_a_pause(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        endpoint.socket.pause_reading()
        peer.send_frame(TEXT, b"never read")
        endpoint.socket.close(CloseCode.REMOVED)
        await peer.expect_close(CloseCode.REMOVED)
        peer.send_frame(CLOSE, (4502).to_bytes(2))
        await peer.expect_end()
        await endpoint.expect("lost", 4502, False)


@pytest.mark.limit("INBOUND_SLICE_BYTES")
async def test_a_flood_of_tiny_messages_is_taken_a_slice_at_a_turn(served: Served) -> None:
    taken_in_a_turn: list[int] = []

    def count_per_turn(endpoint: Recorder, data: bytes) -> None:
        if endpoint.received_count == sum(taken_in_a_turn) + 1:
            before = endpoint.received_count - 1
            asyncio.get_running_loop().call_soon(
                lambda: taken_in_a_turn.append(endpoint.received_count - before)
            )

    served.acceptor.on_message = count_per_turn
    async with open_peer(served) as (peer, endpoint):
        peer.send(masked(TEXT) * 10_000)
        async with asyncio.timeout(WAIT_S):
            while endpoint.received_count < 10_000:
                await endpoint.events.get()
        await turns()
        assert max(taken_in_a_turn) <= websocket.INBOUND_SLICE_BYTES // 6 + 1
        assert endpoint.received_count == 10_000


# Keepalive --------------------------------------------------------------------------------------------------


async def test_a_peer_that_answers_pings_stays() -> None:
    async with (
        serve_websockets(ping_interval_ms=10, ping_timeout_ms=5_000) as served,
        open_peer(served) as (peer, endpoint),
    ):
        for _ in range(5):
            assert await peer.read_frame() == (PING, b"")
            peer.send_frame(PONG)
        assert endpoint.events.empty()


async def test_peer_that_owes_an_answer_to_a_ping_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "SILENT_MS", 0)
    async with (
        serve_websockets(ping_interval_ms=20, ping_timeout_ms=60_000) as served,
        open_peer(served) as (peer, endpoint),
    ):
        assert await peer.read_frame() == (PING, b"")
        seen = [endpoint.socket.is_silent]
        monkeypatch.setattr(websocket, "SILENT_MS", 60_000)
        seen.append(endpoint.socket.is_silent)
        assert seen == [True, False]


@pytest.mark.limit("ping_timeout_ms")
async def test_a_peer_that_answers_no_ping_is_closed_with_4002_and_dropped() -> None:
    async with (
        serve_websockets(ping_interval_ms=10, ping_timeout_ms=20) as served,
        open_peer(served) as (peer, endpoint),
    ):
        assert await peer.read_frame() == (PING, b"")
        assert await peer.expect_close(CloseCode.NO_PONG) == CloseCode.NO_PONG.meaning
        await peer.expect_end()
        await endpoint.expect("lost", CloseCode.NO_PONG, False)
        assert served.open_count == 0


async def test_other_messages_are_no_answer_to_a_ping() -> None:
    async with (
        serve_websockets(ping_interval_ms=10, ping_timeout_ms=30, on_message=echo) as served,
        open_peer(served) as (peer, _),
    ):
        opcode = TEXT
        while opcode != CLOSE:
            peer.send_frame(TEXT, b"busy")
            opcode, payload = await peer.read_frame()  # type: ignore[assignment]
        assert payload[:2] == CloseCode.NO_PONG.to_bytes(2)


async def test_a_peer_whose_answer_waits_behind_a_pause_is_not_dropped(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        endpoint.socket.keep_alive(now_ms() + 20_000)
        assert await peer.read_frame() == (PING, b"")
        endpoint.socket.pause_reading()
        peer.send_frame(PONG)
        endpoint.socket.keep_alive(now_ms() + 60_000)
        endpoint.socket.resume_reading()
        endpoint.socket.send(b"still here")
        assert await peer.read_frame() == (TEXT, b"still here")


async def test_a_pause_that_ends_starts_the_ping_time_out_again(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        endpoint.socket.keep_alive(now_ms() + 20_000)
        assert await peer.read_frame() == (PING, b"")
        endpoint.socket.pause_reading()
        endpoint.socket._pinged_at_ms = now_ms() - 60_000
        endpoint.socket.resume_reading()
        endpoint.socket.keep_alive(now_ms())
        endpoint.socket.send(b"still here")
        assert await peer.read_frame() == (TEXT, b"still here")


async def test_first_pings_are_spread_over_the_interval() -> None:
    async with serve_websockets(ping_interval_ms=1_000_000, ping_timeout_ms=1_000_000) as served:
        due_at_ms = []
        for _ in range(20):
            async with open_peer(served) as (_, endpoint):
                due_at_ms.append(endpoint.socket._pinged_at_ms)
        assert max(due_at_ms) - min(due_at_ms) > 100_000


async def test_no_timer_runs_without_connections() -> None:
    async with (
        serve_websockets(ping_interval_ms=1_000_000, ping_timeout_ms=1_000_000) as served,
        open_peer(served) as (peer, endpoint),
    ):
        shared = endpoint.socket._shared
        assert shared.keepalive._timer is not None
        peer.abort()
        await endpoint.expect("lost", 1006, False)
        shared.keepalive._timer.cancel()
        shared.keepalive._turn()
        assert shared.keepalive._timer is None


BEGUN = b"\x81\xfe" + (30_000).to_bytes(2) + bytes(4) + b"x" * 20_000
"""Two thirds of a message."""
REST = b"x" * 10_000


@pytest.mark.limit("FIRST_MESSAGES_BYTES_MAX", "FIRST_MESSAGE_FREE_BYTES")
@pytest.mark.adversarial("limits: hellos begun and not finished")
async def test_first_messages_that_are_not_complete_share_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "FIRST_MESSAGES_BYTES_MAX", 30_000)
    async with serve_websockets() as served, open_peer(served) as (first, endpoint):
        first.send(BEGUN)
        async with open_peer(served) as (second, dropped):
            second.send(BEGUN)
            await dropped.expect("lost", 1006, False)
        first.send(REST)
        await endpoint.expect("received", b"x" * 30_000)
        # Its bytes count no more.
        async with open_peer(served) as (third, other):
            third.send(BEGUN + REST)
            await other.expect("received", b"x" * 30_000)


async def test_first_messages_of_connections_that_end_count_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "FIRST_MESSAGES_BYTES_MAX", 30_000)
    async with serve_websockets() as served:
        for _ in range(3):
            async with open_peer(served) as (peer, endpoint):
                peer.send(BEGUN)
                peer.writer.close()
                await endpoint.expect("lost", 1006, False)
        async with open_peer(served) as (peer, endpoint):
            peer.send(BEGUN + REST)
            await endpoint.expect("received", b"x" * 30_000)
