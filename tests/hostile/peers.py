"""Clients below any library, for real routers: they send any bytes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.frames import Opcode

from tests.router.websocket_peer import JSON_NAME, Peer, raw_peer, upgrade_request
from tests.routers import RouterProcess


@asynccontextmanager
async def stranger(router: RouterProcess, subprotocol: str = JSON_NAME) -> AsyncIterator[Peer]:
    """Open a websocket, without a hello."""
    async with raw_peer(router.port) as peer:
        peer.send(upgrade_request(router.port, sec_websocket_protocol=subprotocol))
        assert (await peer.read_response())[0] == 101
        yield peer


@asynccontextmanager
async def member(router: RouterProcess, token: str) -> AsyncIterator[Peer]:
    """Open a websocket in JSON, and read the welcome."""
    async with stranger(router) as peer:
        say(peer, {"type": "hello", "id": "1", "token": token})
        opcode, payload = await peer.read_frame()
        assert (opcode, json.loads(payload)["type"]) == (Opcode.TEXT, "welcome")
        yield peer


def say(peer: Peer, message: object) -> None:
    """Send a message, or a batch, in JSON."""
    peer.send_frame(Opcode.TEXT, json.dumps(message).encode())
