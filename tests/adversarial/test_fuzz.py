"""Random frames and bytes: whatever comes, it ends in messages or in one proper close."""

import asyncio
import json
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from relevo.protocol.codec import JSON, MSGPACK, Codec
from relevo.router.transport.frames import Core
from tests.adversarial.fuzz_codec import check, one_input
from tests.adversarial.peers import any_frame, member, stranger
from tests.e2e.tenant import Tenant
from tests.router.transport.websocket_peer import JSON_NAME, MSGPACK_NAME
from tests.routers import RouterProcess

LIMIT = 1000
# What the router may close with because of what a peer sent.
CLOSES = {1000, 1002, 1003, 1007, 1008, 1009, 4503, 4505}
CODECS = [pytest.param(JSON, id="json"), pytest.param(MSGPACK, id="msgpack")]

payloads = st.binary(max_size=40) | st.sampled_from(
    [
        b"",
        b"{}",
        b"\xff",
        "€".encode(),
        "€".encode()[:2],
        b"x" * 125,
        b"x" * 126,
        b"x" * LIMIT,
        b"x" * (LIMIT + 1),
    ]
)
frames = st.builds(
    lambda opcode, payload, fin: any_frame(opcode, payload, is_final=fin),
    st.sampled_from([0, 0, 1, 1, 2, 2, 8, 9, 10]),
    payloads,
    st.booleans(),
)
# Mostly frames, sometimes bytes of any kind, sometimes a frame that breaks off.
streams = st.lists(
    st.one_of(
        frames,
        frames,
        frames,
        st.binary(max_size=20),
        st.tuples(frames, st.integers(0, 12)).map(lambda cut: cut[0][: cut[1]]),
    ),
    max_size=8,
).map(b"".join)


def run(codec: Codec, pieces: list[bytes]) -> tuple[list[bytes], list[tuple[int, bytes]], bool]:
    """Feed a core; return the messages it gave, the frames it answered with, and whether it is still open."""
    core = Core(codec, LIMIT)
    messages: list[bytes] = []
    sent = b""
    for piece in pieces:
        if core.eof_sent:
            break  # The transport reads no more.
        core.receive_data(piece)
        for frame in core.events_received():
            assert isinstance(frame, Frame)
            if frame.opcode is not Opcode.CLOSE:
                message = core.take(frame)
                messages += [message] if message is not None else []
        sent += b"".join(core.data_to_send())
    return messages, split(sent), core.is_open


def split(data: bytes) -> list[tuple[int, bytes]]:
    """Return the frames that the server sent: each final, unmasked, and a control frame."""
    found = []
    while data:
        first, length = data[0], data[1]
        assert first & 0xF0 == 0x80
        assert length <= 125
        found.append((first & 0x0F, data[2 : 2 + length]))
        data = data[2 + length :]
    return found


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(data=streams)
@pytest.mark.parametrize("codec", CODECS)
def test_any_bytes_give_messages_within_the_limit_and_at_most_one_close(codec: Codec, data: bytes) -> None:
    messages, sent, is_open = run(codec, [data])

    assert all(len(message) <= LIMIT for message in messages)
    if not codec.binary:
        assert all(message.decode() is not None for message in messages)
    kinds = [opcode for opcode, _ in sent]
    assert set(kinds) <= {Opcode.PONG, Opcode.CLOSE}
    assert kinds.count(Opcode.CLOSE) == (0 if is_open else 1)
    for opcode, payload in sent:
        if opcode == Opcode.CLOSE and payload:
            payload[2:].decode()
            assert (
                int.from_bytes(payload[:2]) in CLOSES
                or 3000 <= int.from_bytes(payload[:2]) < 5000
                or (
                    # The peer's own close, sent back.
                    int.from_bytes(payload[:2]) in range(1000, 1015)
                )
            )


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(data=streams, cuts=st.lists(st.integers(0, 3000), max_size=6))
@pytest.mark.parametrize("codec", CODECS)
def test_how_the_bytes_are_cut_makes_no_difference(codec: Codec, data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges) if end > start]

    whole, in_pieces = run(codec, [data] if data else []), run(codec, pieces)

    assert whole[0] == in_pieces[0]
    assert whole[2] == in_pieces[2]
    # Where two rules are broken at once, either may be the one that is named.
    closes = [[opcode for opcode, _ in sent].count(Opcode.CLOSE) for _, sent, _ in (whole, in_pieces)]
    assert closes[0] == closes[1] == (0 if whole[2] else 1)


def some_frames(chance: random.Random) -> bytes:
    """Return frames, good and bad, as a peer gone wrong might send them."""
    parts = []
    for _ in range(chance.randint(1, 6)):
        opcode = chance.choice([0, 1, 1, 1, 2, 2, 8, 9, 10])
        payload = chance.choice(
            [
                b'{"type": "ping", "id": "1"}',
                b'[{"type": "session.list", "id": "1"}, 7]',
                b"\x82\xa4type\xa4ping\xa2id\xa11",
                chance.randbytes(chance.randint(0, 200)),
                b"[" * chance.randint(1, 3000),
                json.dumps({"type": "session.note", "id": "1", "x": ["y"] * chance.randint(0, 50)}).encode(),
            ]
        )
        frame = any_frame(opcode, payload, is_final=chance.random() < 0.8)
        if chance.random() < 0.3:
            position = chance.randrange(len(frame))
            frame = frame[:position] + chance.randbytes(chance.randint(0, 3)) + frame[position + 1 :]
        parts.append(frame)
    return b"".join(parts)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_a_router_survives_peers_gone_wrong(
    routers: list[RouterProcess], tenant: Tenant, seed: int
) -> None:
    async def go_wrong(number: int) -> None:
        chance = random.Random(1000 * seed + number)
        opening: Any = (
            member(routers[0], tenant.token(f"agent-{number % 5}"))
            if number % 2
            else stranger(routers[0], chance.choice([JSON_NAME, MSGPACK_NAME]))
        )
        async with opening as peer:
            peer.send(some_frames(chance))
            if chance.random() < 0.5:
                peer.writer.write_eof()
                async with asyncio.timeout(30):
                    await peer.reader.read()

    for start in range(0, 100, 20):
        await asyncio.gather(*(go_wrong(number) for number in range(start, start + 20)))
    # No session exists that no message opened.
    assert await tenant.list_sessions() == []


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=300))
@pytest.mark.parametrize("codec", CODECS)
def test_what_the_core_passes_on_the_codec_understands_or_refuses(codec: Codec, data: bytes) -> None:
    check(codec, data)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300))
def test_the_fuzzers_target_takes_any_input(data: bytes) -> None:
    one_input(data)
