"""Clients below any library, for real routers: they send any bytes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from websockets.frames import Opcode

from tests.router.transport.websocket_peer import JSON_NAME, Peer, raw_peer, upgrade_request


class HasPort(Protocol):
    """What these clients know of a router."""

    @property
    def port(self) -> int: ...


@asynccontextmanager
async def stranger(router: HasPort, subprotocol: str = JSON_NAME) -> AsyncIterator[Peer]:
    """Open a websocket, without a hello."""
    async with raw_peer(router.port) as peer:
        peer.send(upgrade_request(router.port, sec_websocket_protocol=subprotocol))
        assert (await peer.read_response())[0] == 101
        yield peer


@asynccontextmanager
async def member(router: HasPort, token: str) -> AsyncIterator[Peer]:
    """Open a websocket in JSON, and read the welcome."""
    async with stranger(router) as peer:
        say(peer, {"type": "hello", "id": "1", "token": token})
        opcode, payload = await peer.read_frame()
        assert (opcode, json.loads(payload)["type"]) == (Opcode.TEXT, "welcome")
        yield peer


def any_frame(opcode: int, payload: bytes, *, is_final: bool = True) -> bytes:
    """Return a frame as a client sends it, be it one that no library would write."""
    mask = b"\x01\x02\x03\x04"
    length = len(payload)
    if length < 126:
        size = bytes([0x80 | length])
    elif length < 2**16:
        size = bytes([0xFE]) + length.to_bytes(2)
    else:
        size = bytes([0xFF]) + length.to_bytes(8)
    masked = bytes(byte ^ mask[position % 4] for position, byte in enumerate(payload))
    return bytes([0x80 * is_final | opcode]) + size + mask + masked


def say(peer: Peer, message: object) -> None:
    """Send a message, or a batch, in JSON."""
    peer.send_frame(Opcode.TEXT, json.dumps(message).encode())
