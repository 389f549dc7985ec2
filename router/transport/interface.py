"""
The types between a websocket and what uses it.

A `Socket` carries the messages of one connection to its `Endpoint`; an `Acceptor` decides which handshakes
become connections.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from relevo.protocol.codec import Codec


class Socket(Protocol):
    """
    One accepted connection, as its endpoint sees it. No method blocks.

    Once the connection closes, what is sent is dropped without an error: ``Endpoint.lost`` follows.

    Attributes:
        codec: The format of the messages, by the subprotocol that the handshake chose.
        remote: The client's address, as ``Acceptor.locate`` returned it.
    """

    @property
    def codec(self) -> Codec: ...
    @property
    def remote(self) -> str: ...

    @property
    def buffered_bytes(self) -> int:
        """Bytes sent here that the network has not accepted yet."""

    @property
    def is_silent(self) -> bool:
        """Whether the peer has not answered a ping for a while."""

    def send(self, payload: bytes) -> None:
        """
        Send one encoded message, joined with others of the same turn of the loop.

        Args:
            payload: A message as ``codec`` encoded it.
        """

    def send_frame(self, frame: bytes) -> None:
        """
        Send a frame that was built once for many sockets, in its order among what ``send`` is given.

        It does not count against the outbox's hard limit, however large it is, unless the peer was slow
        already: it goes as the socket takes it, and its bytes are not copied.

        Args:
            frame: What ``frames.build_frame`` returned for the same codec.
        """

    def close(self, code: int, reason: str = "") -> None:
        """
        Send what is queued, then a close frame; drop a peer that does not answer it within 5 s.

        Args:
            code: A close code that may stand in a close frame (RFC 6455 section 7.4).
            reason: For people; cut to the 123 bytes that a close frame holds.
        """

    def abort(self) -> None:
        """Drop the connection at once, with whatever is unsent."""

    def pause_reading(self) -> None:
        """Deliver no message, not even one that has arrived, until ``resume_reading``; TCP holds the peer."""

    def resume_reading(self) -> None:
        """Deliver messages again, beginning with those held back."""


class Endpoint(Protocol):
    """The receiver of one connection's messages and events. No method may raise."""

    def received(self, data: bytes) -> None:
        """Take one complete message of the kind that fits the subprotocol: text is UTF-8. It may be empty."""

    def slow(self) -> None:
        """More bytes than the outbox's soft limit wait for the peer to read (back-pressure begins)."""

    def drained(self) -> None:
        """The peer has caught up after ``slow`` (back-pressure ends)."""

    def lost(self, code: int, by_peer: bool) -> None:
        """
        The connection is gone; the last call.

        Args:
            code: The close code of the side that closed first; 1006 if neither did, 1005 for a close
                without one.
            by_peer: Whether the peer closed first, with this code.
        """


class Acceptor(Protocol):
    """The owner of all connections of a server: it decides on each handshake and makes the endpoints."""

    def locate(self, peer: str | None, forwarded: Sequence[str]) -> str:
        """
        Return the address of a client.

        Args:
            peer: The other end of the TCP connection; None for a unix socket.
            forwarded: The values of X-Forwarded-For, in their order.
        """

    def refuse(self, address: str) -> tuple[int, str] | None:
        """Return the HTTP status and text to reject a handshake from this address with, or None to go on."""

    def accept(self, socket: Socket) -> Endpoint:
        """Return the endpoint of a connection whose handshake is done; it may send at once."""
