"""
The client's side of websocket frames, as little of it as a load generator needs.

Frames to send are built once, before the clock runs. Their masking key is zero: the server does the same work
for it as for any other, and the payload stays readable for templates.
"""

from __future__ import annotations

import base64
import os

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

HEAD_BYTES_MAX = 10


def client_frame(payload: bytes, opcode: int) -> bytes:
    """
    Return a masked frame.

    Args:
        payload: What the frame carries.
        opcode: TEXT, BINARY, PING or PONG.
    """
    size = len(payload)
    head = bytes([0x80 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload


def upgrade_request(host: str, path: str, subprotocol: str | None) -> bytes:
    """
    Return the request that opens a websocket.

    Args:
        host: What the Host header says.
        path: The resource, with its query.
        subprotocol: The one offered; None offers none.
    """
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version: 13",
    ]
    if subprotocol is not None:
        lines.append("Sec-WebSocket-Protocol: " + subprotocol)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def split_frames(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """
    Take the complete frames off what a server has sent.

    Args:
        data: Bytes that begin with a frame.

    Returns:
        The frames, as opcode and payload, and the rest. Fragments are not put together: no server here sends
        any.
    """
    frames: list[tuple[int, bytes]] = []
    at, end = 0, len(data)
    while end - at >= 2:
        size, start = data[at + 1], at + 2
        if size == 126:
            size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif size == 127:
            size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
        if start + size > end:
            break
        frames.append((data[at] & 15, data[start : start + size]))
        at = start + size
    return frames, data[at:] if at else data
