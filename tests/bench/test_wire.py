"""The websocket frames of the load generator, against the router's own."""

from __future__ import annotations

import pytest

from bench.load.wire import TEXT, client_frame, split_frames
from relevo.protocol.codec import JSON
from relevo.router.transport.frames import build_frame


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_split_frames_reads_frames_of_a_router_cut_anywhere(size: int) -> None:
    payload = b"x" * size
    stream = build_frame(JSON, payload) * 2
    cut = len(stream) - 1
    frames, rest = split_frames(stream[:cut])
    assert frames == [(TEXT, payload)]
    assert split_frames(rest + stream[cut:]) == ([(TEXT, payload)], b"")


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_client_frame_is_masked_with_zeros(size: int) -> None:
    frame = client_frame(b"x" * size, TEXT)
    assert frame[1] & 0x80
    assert frame.endswith(b"\0\0\0\0" + b"x" * size)
