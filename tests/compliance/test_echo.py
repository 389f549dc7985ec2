"""The echo that conformance suites talk to answers as the router's transport does."""

from collections.abc import AsyncIterator

import pytest
from websockets.frames import Opcode

from tests.compliance.echo import serve_echo
from tests.router.transport.websocket_peer import Peer, masked, raw_peer, upgrade_request

CONT, TEXT, BINARY = Opcode.CONT, Opcode.TEXT, Opcode.BINARY
CLOSE, PING, PONG = Opcode.CLOSE, Opcode.PING, Opcode.PONG


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with serve_echo() as port, raw_peer(port) as peer:
        peer.send(upgrade_request(port, sec_websocket_protocol=None))
        assert (await peer.read_response())[0] == 101
        yield peer


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 1_000_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_a_message_of_either_kind_comes_back_as_it_went(peer: Peer, opcode: Opcode, size: int) -> None:
    peer.send_frame(opcode, b"x" * size)
    assert await peer.read_frame() == (opcode, b"x" * size)


async def test_text_and_binary_fragments_with_pings_between_are_echoed(peer: Peer) -> None:
    for opcode in (TEXT, BINARY, TEXT):
        peer.send(masked(opcode, b"a", is_final=False) + masked(PING, b"p") + masked(CONT, b"b"))
        assert await peer.read_frame() == (PONG, b"p")
        assert await peer.read_frame() == (opcode, b"ab")


async def test_bytes_that_are_no_text_are_taken_as_binary_and_refused_as_text(peer: Peer) -> None:
    peer.send_frame(BINARY, b"\xff")
    assert await peer.read_frame() == (BINARY, b"\xff")
    peer.send_frame(TEXT, b"\xff")
    await peer.expect_close(1007)


async def test_a_close_between_two_fragments_is_answered_in_kind(peer: Peer) -> None:
    peer.send(masked(TEXT, b"a", is_final=False) + masked(CLOSE, (1000).to_bytes(2)) + masked(CONT, b"b"))
    await peer.expect_close(1000)


async def test_a_rule_that_is_broken_ends_the_connection(peer: Peer) -> None:
    peer.send(masked(TEXT, b"a", is_final=False) + masked(TEXT, b"b"))
    await peer.expect_close(1002)
