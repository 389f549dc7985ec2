"""What one connection sends within a turn: joined, in order, counted."""

import pytest

from relevo.protocol.codec import JSON, MSGPACK, Codec
from relevo.router.transport.outbox import BATCH_BYTES_MAX, Outbox, OutboxRules


def build_frame(codec: Codec, payload: bytes) -> bytes:
    return (b"B<" if codec.binary else b"T<") + payload + b">"


def make_outbox(codec: Codec = JSON) -> Outbox:
    return Outbox(OutboxRules(codec, build_frame, hard_bytes=1_000))


def test_an_empty_outbox_gives_no_bytes() -> None:
    assert make_outbox().take() == b""


def test_one_message_goes_alone_and_not_as_a_batch() -> None:
    outbox = make_outbox()
    outbox.add(b'{"a":1}')
    assert outbox.take() == b'T<{"a":1}>'


def test_messages_of_one_turn_become_one_batch_in_their_order() -> None:
    outbox = make_outbox()
    for message in (b"{}", b'{"a":1}', b'{"b":2}'):
        outbox.add(message)
    assert outbox.take() == b'T<[{},{"a":1},{"b":2}]>'


def test_messagepack_is_batched_as_messagepack() -> None:
    outbox = make_outbox(MSGPACK)
    outbox.add(b"\x80")
    outbox.add(b"\x81\xa1a\x01")
    assert outbox.take() == b"B<\x92\x80\x81\xa1a\x01>"


def test_a_batch_holds_at_most_64_messages() -> None:
    outbox = make_outbox()
    for _ in range(130):
        outbox.add(b"0")
    full = b"T<[" + b",".join([b"0"] * 64) + b"]>"
    assert outbox.take() == full + full + b"T<[0,0]>"


@pytest.mark.limit("BATCH_BYTES_MAX")
def test_large_messages_are_not_joined_beyond_a_batchs_size() -> None:
    outbox = make_outbox()
    large = b"x" * (BATCH_BYTES_MAX - 1)
    for message in (large, b"0", b"1", b"2"):
        outbox.add(message)
    assert outbox.take() == b"T<[" + large + b",0]>" + b"T<[1,2]>"


def test_a_message_larger_than_a_batch_goes_alone() -> None:
    outbox = make_outbox()
    huge = b"x" * (BATCH_BYTES_MAX * 2)
    for message in (b"0", huge, b"1"):
        outbox.add(message)
    assert outbox.take() == b"T<0>T<" + huge + b">T<1>"


def test_a_shared_frame_keeps_its_place_among_messages() -> None:
    outbox = make_outbox()
    outbox.add(b"1")
    outbox.add(b"2")
    outbox.add_frame(b"SHARED")
    outbox.add(b"3")
    assert outbox.take() == b"T<[1,2]>SHAREDT<3>"


def test_a_shared_frame_alone_is_not_copied() -> None:
    outbox = make_outbox()
    frame = b"one object for every connection"
    outbox.add_frame(frame)
    assert outbox.take() is frame


def test_what_was_taken_is_gone_and_the_outbox_can_be_filled_again() -> None:
    outbox = make_outbox()
    outbox.add(b"1")
    outbox.take()
    assert outbox.take() == b""
    outbox.add(b"2")
    assert outbox.take() == b"T<2>"


def test_queued_bytes_are_counted_until_taken() -> None:
    outbox = make_outbox()
    outbox.add(b"12345")
    outbox.add_frame(b"123")
    assert outbox.size_bytes == 8
    outbox.take()
    assert outbox.size_bytes == 0


def test_the_hard_limit_counts_what_the_network_holds_and_what_still_waits() -> None:
    outbox = make_outbox()
    outbox.add(b"x" * 100)
    assert not outbox.is_over(900)
    assert outbox.is_over(901)
