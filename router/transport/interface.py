"""What a websocket tells and asks: the endpoint of one connection, and the gate before all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from relevo.router.transport.websocket import WebSocket


class Endpoint(Protocol):
    """What receives the messages of one accepted connection. No method may raise."""

    def received(self, data: bytes) -> None:
        """Take one complete message of the kind that fits the subprotocol: text is UTF-8. It may be empty."""

    def slow(self) -> None:
        """Hear that more than ``outbox_soft_bytes`` wait for the peer to read."""

    def drained(self) -> None:
        """Hear that the peer caught up after ``slow``."""

    def lost(self, code: int, by_peer: bool) -> None:
        """
        Hear, once and last, that the connection is gone.

        Args:
            code: The close code of the side that closed first; 1006 where neither did, 1005 for a close
                without one.
            by_peer: Whether the peer closed first, with this code.
        """


class Gate(Protocol):
    """What decides whether a connection may begin."""

    def locate(self, peer: str | None, forwarded: Sequence[str]) -> str:
        """Return where a connection comes from, by its other end and what proxies say."""

    def refuse(self, address: str) -> tuple[int, str] | None:
        """Return the HTTP status and text to refuse a handshake from there with, or None to go on."""

    def accept(self, socket: WebSocket) -> Endpoint:
        """Return the endpoint of a connection whose handshake is done; it may send at once."""
