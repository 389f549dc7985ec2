"""What can be measured, in the order in which `all` does it."""

from __future__ import annotations

from collections.abc import Callable

from bench.results import Outcome
from bench.scenarios import connect, durability, fanout, flood, growth, idle, peers, scale, storm, transfer
from bench.setup import Bench

SCENARIOS: dict[str, Callable[[Bench], Outcome]] = {
    "fanout": fanout.run,
    "transfer": transfer.run,
    "durability": durability.run,
    "flood": flood.run,
    "connect": connect.run,
    "storm": storm.run,
    "idle": idle.run,
    "growth": growth.run,
    "scale": scale.run,
    "peers": peers.run,
}

WITH_THEIR_OWN_SERVERS = frozenset({"durability", "flood", "scale", "peers"})
"""What a running router cannot be measured by: they compare servers that they set up themselves."""
