"""Wait for a turn among what a tenant has in hand."""

from __future__ import annotations

import asyncio

from relevo.router.gateway.read_control import Crowd


class Turn:
    """
    Be in hand, once there is room, until the block ends.

    Args:
        crowd: Among whom; who came before has its turn before.
    """

    # Not a generator of contextlib, which takes three times as long.
    __slots__ = ("_crowd",)

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd

    async def __aenter__(self) -> None:
        if self._crowd.has_room:
            self._crowd.enter()
        else:
            await _wait(self._crowd)

    async def __aexit__(self, *_: object) -> None:
        self._crowd.leave()


async def _wait(crowd: Crowd) -> None:
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
