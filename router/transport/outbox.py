"""
Collect what one connection is to send within one turn of the event loop, and join it.

Pure: no socket and no clock in it. The shell (websocket.py) asks for the joined bytes once per turn and
writes them with one call, since each write costs a system call however little it carries.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from relevo.protocol.bounds import BATCH_ITEMS_MAX
from relevo.protocol.codec import Codec

BATCH_BYTES_MAX: Final = 64 * 1024
"""Size at which a batch is closed: beyond it joining saves nothing, and receivers limit a message's size."""


@dataclass(frozen=True, slots=True)
class OutboxRules:
    """
    Say how the outboxes of one subprotocol join and how much they hold.

    Args:
        codec: Joins encoded messages into a batch.
        build_frame: Puts one encoded message or batch into a websocket frame.
        hard_bytes: A connection with more than this unsent is to be closed; a shared frame that it was sent
            before it was slow does not count.
    """

    codec: Codec
    build_frame: Callable[[Codec, bytes], bytes]
    hard_bytes: int


class Outbox:
    """
    Keep the order of one connection's messages and frames until they are taken.

    Consecutive messages become one frame: a batch, or the message itself where it is alone. A finished
    frame, which many connections may share, goes out as it is, between what was added before it and after
    it.
    """

    __slots__ = ("_frames", "_messages", "_messages_bytes", "_rules", "size_bytes")

    def __init__(self, rules: OutboxRules) -> None:
        self._rules = rules
        # Both lists exist only while something waits: an idle connection, the common kind, holds none.
        self._frames: list[bytes] | None = None
        self._messages: list[bytes] | None = None
        self._messages_bytes = 0
        self.size_bytes = 0

    def add(self, message: bytes) -> None:
        """
        Queue one encoded message, to be joined with its neighbours.

        Args:
            message: The encoded message, in the format of this outbox's codec.
        """
        size_bytes = len(message)
        self.size_bytes += size_bytes
        messages = self._messages
        if messages is not None:
            if len(messages) < BATCH_ITEMS_MAX and self._messages_bytes + size_bytes <= BATCH_BYTES_MAX:
                messages.append(message)
                self._messages_bytes += size_bytes
                return
            self._close_batch(messages)
        self._messages = [message]
        self._messages_bytes = size_bytes

    def add_frame(self, frame: bytes) -> None:
        """
        Queue a finished websocket frame after everything added before it.

        Args:
            frame: The whole frame, header included.
        """
        self.size_bytes += len(frame)
        if self._messages is not None:
            self._close_batch(self._messages)
            self._messages = None
        if self._frames is None:
            self._frames = [frame]
        else:
            self._frames.append(frame)

    def take(self) -> bytes:
        """
        Return all that waits, as the bytes to write, and leave the outbox empty.

        Returns:
            The frames in order, joined; empty when nothing waits. A single frame is returned itself, not
            copied, so that a frame shared by many connections stays one object in memory.
        """
        if self._messages is not None:
            self._close_batch(self._messages)
            self._messages = None
        frames = self._frames
        self._frames = None
        self.size_bytes = 0
        if frames is None:
            return b""
        return frames[0] if len(frames) == 1 else b"".join(frames)

    def clear(self) -> None:
        """Forget all that waits."""
        self._frames = None
        self._messages = None
        self.size_bytes = 0

    def is_over(self, unsent_bytes: int) -> bool:
        """
        Say whether the connection must be closed for what it has not taken.

        Args:
            unsent_bytes: What was taken from this outbox and the network has not accepted yet.

        Returns:
            True above the hard limit, counting what still waits here.
        """
        return unsent_bytes + self.size_bytes > self._rules.hard_bytes

    def _close_batch(self, messages: list[bytes]) -> None:
        codec = self._rules.codec
        payload = messages[0] if len(messages) == 1 else codec.encode_batch(messages)
        frame = self._rules.build_frame(codec, payload)
        if self._frames is None:
            self._frames = [frame]
        else:
            self._frames.append(frame)
