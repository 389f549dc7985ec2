"""Flood: send above every rate limit over many connections, and reconnect when they are closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from bench.load.engine import NEVER, Engine, Peer
from bench.load.protocols import RelevoProtocol

FRAMES_AT_ONCE = 4
MESSAGES_PER_FRAME = 64
CHEAP: Sequence[Mapping[str, Any]] = ({"type": "session.list", "limit": 1},)


class Flood:
    """
    Send commands as fast as the router reads them, and ignore the replies.

    Args:
        engine: Holds the connections.
        protocol: Makes the frames.
        indices: The agents that send; one that is named twice has two connections.
        commands: What they send, one after the other and over again, without ids.
    """

    def __init__(
        self,
        engine: Engine,
        protocol: RelevoProtocol,
        indices: Sequence[int],
        commands: Sequence[Mapping[str, Any]] = CHEAP,
    ) -> None:
        self._engine = engine
        self._protocol = protocol
        batch = [{"id": "1", **commands[number % len(commands)]} for number in range(MESSAGES_PER_FRAME)]
        self._frames = protocol.frame(batch) * FRAMES_AT_ONCE
        self._waiting = list(indices)
        self._peers: list[Peer] = []

    def run(self, until: float) -> None:
        """Flood until a time of the monotonic clock."""
        while monotonic() < until:
            while self._waiting:
                index = self._waiting.pop()
                self._engine.begin(
                    self._protocol.target, Peer(index, self._protocol.opening(index, False, None))
                )
            self._engine.poll(0.002)
            for peer, _ in self._engine.opened:
                peer.behaviour = self
                self._peers.append(peer)
            self._engine.opened.clear()
            for peer in self._peers:
                if not peer.unsent and peer.socket.fileno() >= 0:
                    self._engine.send(peer, self._frames)
            self._waiting += [peer.index for peer in self._peers if peer.socket.fileno() < 0]
            self._peers = [peer for peer in self._peers if peer.socket.fileno() >= 0]

    def received(self, peer: Peer, data: bytes) -> None:
        """Ignore the replies."""

    def next_due(self) -> float:
        """Nothing is due."""
        return NEVER

    def fire(self, now: float) -> None:
        """Do nothing."""
