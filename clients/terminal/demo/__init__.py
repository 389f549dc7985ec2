"""The simulated agents of `relevo demo`: clients of the router like any other."""

from __future__ import annotations

import time

from relevo_client import RelevoError

from relevo.clients.terminal.demo.banner import banner
from relevo.clients.terminal.demo.players import Demo, create_people, play

__all__ = ["Demo", "DemoError", "act"]


class DemoError(Exception):
    """The demo cannot start, or cannot go on; the message says why and what to do."""


async def act(demo: Demo, command: str) -> None:
    """
    Create the agents, print the banner, and act until cancelled.

    Args:
        demo: The router's address, and the pace.
        command: How `relevo` is called here.

    Raises:
        DemoError: The router cannot be reached, or rejects the agents.
    """
    try:
        await create_people(demo)
        print(banner(demo, command, time.time_ns() // 1_000_000), flush=True)
        await play(demo)
    except RelevoError as error:
        raise DemoError(f"the demo's agents cannot begin: {error}") from None
