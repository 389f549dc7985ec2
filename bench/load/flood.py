"""Send far too much over many connections, which come back when they are sent away."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from bench.load.engine import NEVER, Engine, Peer
from bench.load.protocols import Relevo

FRAMES_AT_ONCE = 4
MESSAGES_PER_FRAME = 64


class Flood:
    """
    Fill connections with commands as fast as the router reads them, and look at no answer.

    Args:
        engine: Theirs.
        dialect: How to speak.
        indices: The agents that send; one that is named twice has two connections.
    """

    def __init__(self, engine: Engine, dialect: Relevo, indices: Sequence[int]) -> None:
        self._engine = engine
        self._dialect = dialect
        command = {"type": "session.list", "id": "1", "limit": 1}
        self._frames = dialect.frame([command] * MESSAGES_PER_FRAME) * FRAMES_AT_ONCE
        self._waiting = list(indices)
        self._peers: list[Peer] = []

    def run(self, until: float) -> None:
        """Flood until a time of the monotonic clock."""
        while monotonic() < until:
            while self._waiting:
                index = self._waiting.pop()
                self._engine.begin(
                    self._dialect.target, Peer(index, self._dialect.opening(index, False, None))
                )
            self._engine.turn(0.002)
            for peer, _ in self._engine.opened:
                peer.role = self
                self._peers.append(peer)
            self._engine.opened.clear()
            for peer in self._peers:
                if not peer.unsent and peer.socket.fileno() >= 0:
                    self._engine.send(peer, self._frames)
            self._waiting += [peer.index for peer in self._peers if peer.socket.fileno() < 0]
            self._peers = [peer for peer in self._peers if peer.socket.fileno() >= 0]

    def received(self, peer: Peer, data: bytes) -> None:
        """Look at nothing."""

    def next_due(self) -> float:
        """Nothing is due."""
        return NEVER

    def fire(self, now: float) -> None:
        """Do nothing."""
