"""Frames, good and bad, over a real server and a real socket."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from relevo.protocol.codec import JSON, MSGPACK, Codec
from relevo.router.transport.frames import Core, build_frame
from tests.router.transport.bad_frames import BINARY, BROKEN, CLOSE, CONT, LIMIT, PING, PONG, TEXT
from tests.router.transport.websocket_peer import (
    JSON_NAME,
    MSGPACK_NAME,
    WAIT_S,
    Served,
    echo,
    masked,
    open_peer,
    serve_websockets,
)

CASES = [
    pytest.param(JSON_NAME, data, code, id=f"{kind}-{number}")
    for kind, cases in BROKEN.items()
    for number, (data, code) in enumerate(cases)
] + [
    pytest.param(JSON_NAME, masked(BINARY, b"{}"), 1003, id="binary in JSON"),
    pytest.param(JSON_NAME, masked(BINARY, b"{", is_final=False), 1003, id="binary fragment in JSON"),
    pytest.param(JSON_NAME, masked(BINARY), 1003, id="empty binary in JSON"),
    pytest.param(MSGPACK_NAME, masked(TEXT, b"{}"), 1003, id="text in MessagePack"),
    pytest.param(MSGPACK_NAME, masked(TEXT, b"{", is_final=False), 1003, id="text fragment in MessagePack"),
    pytest.param(MSGPACK_NAME, masked(TEXT, b"\xff"), 1003, id="no text in MessagePack"),
    pytest.param(MSGPACK_NAME, masked(BINARY, b"x" * (LIMIT + 200)), 1009, id="far too many in MessagePack"),
]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_websockets(on_message=echo) as served:
        yield served


# Messages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subprotocol", "message"), [(JSON_NAME, '{"a": "añ€😀"}'), (MSGPACK_NAME, b"\x81\xa1a\x01")]
)
async def test_a_library_client_is_answered_in_its_own_format(
    served: Served, subprotocol: str, message: str | bytes
) -> None:
    async with connect(served.url, subprotocols=[Subprotocol(subprotocol)]) as client:
        await client.send(message)
        assert await client.recv() == message


@pytest.mark.parametrize("pieces", [[b"a" * LIMIT], [b"a" * (LIMIT - 1), b"a"], [b"", b"ab", b"", b"c", b""]])
async def test_fragments_are_joined_up_to_the_limit(served: Served, pieces: list[bytes]) -> None:
    async with open_peer(served) as (peer, endpoint):
        for number, piece in enumerate(pieces):
            is_final = number == len(pieces) - 1
            peer.send_frame(CONT if number else TEXT, piece, is_final=is_final)
            if not is_final:
                peer.send_frame(PING, b"p" * 125)
        await endpoint.expect("received", b"".join(pieces))


async def test_a_character_may_be_cut_between_fragments(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        text = "€".encode()
        peer.send_frame(TEXT, text[:1], is_final=False)
        peer.send_frame(CONT, text[1:])
        await endpoint.expect("received", text)


async def test_bytes_that_come_one_by_one_make_the_same_message(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        for byte in masked(TEXT, b"slow"):
            peer.send(bytes([byte]))
            await asyncio.sleep(0)
        await endpoint.expect("received", b"slow")


def received_by(pieces: list[bytes], *, takes_whole: bool) -> tuple[list[bytes], list[bytes]]:
    """Return the messages that a core makes of what arrives in these pieces, and what it sends."""
    core = Core(JSON, LIMIT)
    messages: list[bytes] = []
    for piece in pieces:
        whole = core.take_whole(piece) if takes_whole else None
        if whole is not None:
            messages.append(whole)
            continue
        if not core.eof_sent:
            core.receive_data(piece)
        for frame in cast(list[Frame], core.events_received()):
            message = core.take(frame) if frame.opcode is not CLOSE else None
            messages += [message] if message is not None else []
    return messages, core.data_to_send()


@given(
    st.lists(
        st.tuples(
            st.sampled_from([TEXT, TEXT, TEXT, BINARY, CONT, PING, CLOSE]),
            st.sampled_from(
                [b"", b"a", b"ab" * 62, b"c" * 126, b"d" * 70_000, "€".encode()[:1], "é".encode()]
            ),
            st.booleans(),
        ),
        max_size=6,
    ),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_a_whole_frame_means_the_same_as_to_the_library(
    frames: list[tuple[Opcode, bytes, bool]], cuts: list[int]
) -> None:
    pieces = [
        masked(opcode, data[:100], is_final=True)
        if opcode in (PING, CLOSE)
        else masked(opcode, data, is_final=final)
        for opcode, data, final in frames
    ]
    for cut in cuts:
        # A piece in two, or what is left over in one with the next.
        if pieces and cut < 20:
            place = cut % len(pieces)
            pieces[place : place + 2] = [b"".join(pieces[place : place + 2])]
        elif pieces:
            place = cut % len(pieces)
            piece = pieces[place]
            pieces[place : place + 1] = [part for part in (piece[: cut // 20], piece[cut // 20 :]) if part]
    assert received_by(pieces, takes_whole=True) == received_by(pieces, takes_whole=False)


def test_bytes_like_a_whole_frame_inside_another_are_left_to_the_parser() -> None:
    core, inner = Core(MSGPACK, LIMIT), masked(BINARY, b"inner")
    # Not changed by a mask of zeros.
    core.receive_data(bytes([0x82, 0x80 + len(inner), 0, 0, 0, 0]))
    assert core.take_whole(inner) is None
    core.receive_data(inner)
    assert core.take_whole(inner) == b"inner"


def test_a_whole_frame_is_taken_past_the_parser() -> None:
    core = Core(MSGPACK, LIMIT)
    assert core.take_whole(masked(BINARY, b"m" * 300)) == b"m" * 300
    assert core.take_whole(masked(BINARY, b"m") + b"\x82") is None


async def test_an_empty_message_is_passed_on(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        peer.send_frame(TEXT)
        await endpoint.expect("received", b"")


async def test_a_ping_is_answered_with_its_payload(served: Served) -> None:
    async with open_peer(served) as (peer, _):
        peer.send_frame(PING, b"are you there")
        assert await peer.read_frame() == (PONG, b"are you there")


@pytest.mark.limit("CONTROL_FRAMES_MAX")
@pytest.mark.adversarial(*(f"frame: {kind}" for kind in BROKEN))
@pytest.mark.parametrize(("subprotocol", "data", "code"), CASES)
async def test_bytes_that_break_a_rule_are_answered_with_its_close_code(
    served: Served, subprotocol: str, data: bytes, code: int
) -> None:
    async with open_peer(served, subprotocol) as (peer, endpoint):
        peer.send(data)
        await peer.expect_close(code)
        await peer.expect_end()
        peer.abort()
        async with asyncio.timeout(WAIT_S):
            while (event := await endpoint.events.get())[0] != "lost":
                pass
        assert event == ("lost", code, False)


async def test_messages_before_the_bytes_that_break_a_rule_are_delivered(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        peer.send(masked(TEXT, b"1") + masked(TEXT, b"2") + b"\xff\xff" + masked(TEXT, b"3"))
        await peer.expect_close(1002)
        peer.abort()
        await endpoint.expect("received", b"1")
        await endpoint.expect("received", b"2")
        await endpoint.expect("lost", 1002, False)


async def test_messages_after_the_one_that_breaks_a_rule_are_not_delivered(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        peer.send(masked(TEXT, b"1") + masked(BINARY, b"2") + masked(TEXT, b"3"))
        await peer.expect_close(1003)
        peer.abort()
        await endpoint.expect("received", b"1")
        await endpoint.expect("lost", 1003, False)


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 1_000])
async def test_a_message_that_is_too_large_closes_with_the_limit_in_the_reason(
    served: Served, size: int
) -> None:
    async with open_peer(served) as (peer, _):
        peer.send_frame(TEXT, b"x" * size)
        assert await peer.expect_close(1009) == "a message holds at most 65536 bytes"


async def test_the_close_reaches_a_peer_that_is_still_sending(served: Served) -> None:
    async with open_peer(served) as (peer, _):
        # Closed at once, the socket would be reset by what comes in, and the reset would overtake the close.
        peer.send(b"\x81\xff" + (2**30).to_bytes(8) + bytes(4) + bytes(2_000_000))
        await peer.expect_close(1009)
        await peer.expect_end()


# What goes out ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
@pytest.mark.parametrize(("codec", "opcode"), [(JSON, TEXT), (MSGPACK, BINARY)])
def test_a_frame_is_what_the_library_would_write(codec: Codec, opcode: Opcode, size: int) -> None:
    assert build_frame(codec, bytes(size)) == Frame(opcode, bytes(size)).serialize(mask=False)
