"""
Flood a router as fast as a process can, over any number of connections: a program of its own, so that what it
does takes no time from the test's own clients.

It reads no reply. A connection that is closed reconnects.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from subprocess import PIPE, Popen
from typing import Final

from websockets.frames import Opcode

from tests.adversarial.peers import any_frame, member

BATCH: Final = json.dumps([{"id": "x", "type": "session.list", "limit": 1}] * 64).encode()
SENT_AT_ONCE: Final = 20


@dataclass(frozen=True)
class Address:
    """Where to connect."""

    port: int


@contextmanager
def flooding(port: int, tokens: Sequence[str]) -> Iterator[None]:
    """
    Flood a router over one connection for each token, from when all were welcomed to the end of the block.

    Args:
        port: The router's.
        tokens: One for each connection.
    """
    command = [sys.executable, "-m", "tests.adversarial.flooder", str(port)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(tokens))
            process.stdin.close()
            assert process.stdout.readline() == "flooding\n"
            yield
            assert process.poll() is None, "the flood has ended by itself"
        finally:
            process.kill()


async def flood(port: int, tokens: Sequence[str]) -> None:
    """Flood until cancelled."""
    # The router and the clients under test come first where processors are few.
    os.nice(10)
    welcomed = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as connections:
        for token in tokens:
            connections.create_task(_flood(Address(port), token, welcomed))
        for _ in tokens:
            await welcomed.acquire()
        print("flooding", flush=True)


async def _flood(target: Address, token: str, welcomed: asyncio.Semaphore) -> None:
    frames = any_frame(Opcode.TEXT, BATCH) * SENT_AT_ONCE
    while True:
        with suppress(OSError, EOFError, AssertionError):
            async with member(target, token) as peer:
                welcomed.release()
                answers = asyncio.create_task(peer.reader.read(-1))
                try:
                    while not answers.done():
                        peer.writer.write(frames)
                        await peer.writer.drain()
                finally:
                    answers.cancel()
                    await asyncio.gather(answers, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(flood(int(sys.argv[1]), json.load(sys.stdin)))
