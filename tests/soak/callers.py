"""Clients of the kinds that would show a leak: those that do not read, and those that come and go."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from contextlib import suppress

from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

from tests.adversarial.peers import HasPort, member, say
from tests.raw_client import connect_agent

PINGS_AT_ONCE = 64
PAUSE_S = 0.05


async def read_nothing(router: HasPort, token: Callable[[], str]) -> None:
    """
    Ask for much and read none of it, until the router hangs up; then again.

    Args:
        router: Where.
        token: Makes an agent's token.
    """
    while True:
        # It is sent away with 4001, or dropped for having answered no ping: both are what it is here for. A
        # machine that has no time for it may not let it in.
        with suppress(OSError, EOFError, AssertionError, ValueError):
            async with member(router, token()) as peer:
                peer.stop_reading()
                say(peer, {"id": "d", "type": "directory.subscribe"})
                question = json.dumps([{"id": "x" * 60, "type": "ping"}] * PINGS_AT_ONCE).encode()
                while not peer.writer.transport.is_closing():
                    peer.send_frame(Opcode.TEXT, question)
                    await peer.writer.drain()
                    await asyncio.sleep(PAUSE_S)


async def come_and_go(address: str, token: Callable[[str], str]) -> None:
    """
    Connect as one agent after the other, open the dialog, and leave with or without a goodbye.

    Args:
        address: The router's host and port.
        token: Makes a token of an agent.
    """
    for number in itertools.count():
        with suppress(OSError, AssertionError, ConnectionClosed):
            client = await connect_agent(address, token(f"visitor-{number % 50}"))
            await client.open_dialog()
            if number % 2:
                await client.close()
            else:
                client.drop()
                await client.socket.wait_closed()
        await asyncio.sleep(PAUSE_S)
