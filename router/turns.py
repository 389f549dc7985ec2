"""Wait for a turn among what a tenant has in hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from router.intake import Crowd


@asynccontextmanager
async def in_turn(crowd: Crowd) -> AsyncIterator[None]:
    """
    Be in hand, once there is room, until the block ends.

    Args:
        crowd: Among whom; who came before has its turn before.
    """
    await _enter(crowd)
    try:
        yield
    finally:
        crowd.leave()


async def _enter(crowd: Crowd) -> None:
    if crowd.has_room:
        crowd.enter()
        return
    turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take_turn() -> None:
        if not turn.done():
            crowd.enter()
            turn.set_result(None)

    crowd.wait(take_turn)
    try:
        await turn
    except asyncio.CancelledError:
        if turn.done() and not turn.cancelled():
            crowd.leave()
        raise
