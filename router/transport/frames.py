"""
Frames of RFC 6455, as the `websockets` library does them without I/O.

It adds this protocol's own rules: of which kind a message is, and how large.
"""

import logging
import struct
from typing import Final

from websockets.frames import Frame, Opcode, apply_mask  # type: ignore[attr-defined]  # In C where built.
from websockets.protocol import OPEN, SERVER, Protocol

from relevo.protocol.codec import Codec

__all__ = ["CONTROL_FRAMES_MAX", "LIBRARY_LOGGER", "PING_FRAME", "Core", "Frame", "Opcode", "build_frame"]

CONTROL_FRAMES_MAX: Final = 1_000
"""Most pings, pongs and empty fragments from one peer between two looks of the keepalive."""

PING_FRAME: Final = Frame(Opcode.PING, b"").serialize(mask=False)

_FINAL: Final = 0x80
_MASKED: Final = 0x80
_MASKED_HEADER_BYTES: Final = 6
_SIZE_7_BITS_MAX, _SIZE_16_BITS, _SIZE_16_BITS_MAX = 125, 126, 0xFFFF
_HEADER_16_BITS, _HEADER_64_BITS = struct.Struct("!BBH").pack, struct.Struct("!BBQ").pack

_CONTROL_PAYLOAD_BYTES_MAX: Final = 125  # RFC 6455 section 5.5
_CLOSE_REASON_BYTES_MAX: Final = _CONTROL_PAYLOAD_BYTES_MAX - 2

# The library logs every frame at DEBUG, and a first message carries a token: its level must not be inherited.
LIBRARY_LOGGER: Final = logging.getLogger("relevo.router.transport.frames.library")
LIBRARY_LOGGER.setLevel(logging.ERROR)


def build_frame(codec: Codec, payload: bytes) -> bytes:
    """
    Put an encoded message or batch into a frame, which any number of sockets of this codec may send.

    Args:
        codec: Says whether it is a text or a binary frame.
        payload: The encoded bytes.
    """
    # Written out, a tenth of what the library takes for it: final and unmasked (RFC 6455 section 5.2).
    first, size = _FINAL | (Opcode.BINARY if codec.binary else Opcode.TEXT), len(payload)
    if size <= _SIZE_7_BITS_MAX:
        return bytes((first, size)) + payload
    if size <= _SIZE_16_BITS_MAX:
        return _HEADER_16_BITS(first, _SIZE_16_BITS, size) + payload
    return _HEADER_64_BITS(first, 127, size) + payload


class Core(Protocol):
    """
    The library's core for one connection after its handshake, with this protocol's rules for messages.

    Args:
        codec: What the handshake has chosen.
        message_bytes_max: The limit of a message, whole or in fragments.
    """

    # Slots, since beyond thirty attributes in all objects would no longer share a table of their names.
    __slots__ = (
        *("_first_byte", "_is_between_frames", "_message", "codec", "control_frames", "is_deaf"),
        "message_bytes_max",
    )

    def __init__(self, codec: Codec, message_bytes_max: int) -> None:
        # The library measures a ping between two fragments against what is left for the message, so it is
        # given room for one; take() measures what is complete.
        size_max = message_bytes_max + _CONTROL_PAYLOAD_BYTES_MAX
        super().__init__(SERVER, max_size=size_max, logger=LIBRARY_LOGGER)
        self.codec = codec
        self.message_bytes_max = message_bytes_max
        self.control_frames = 0  # Since the keepalive last set it to 0.
        self._message: bytearray | None = None  # The fragments of a message that is not complete.
        self.is_deaf = False  # This side has closed or failed: take() gives no more messages.
        self._first_byte = _FINAL | (Opcode.BINARY if codec.binary else Opcode.TEXT)
        self._is_between_frames = True  # The library has been given whole frames only.

    @property
    def is_open(self) -> bool:
        """Whether no close was sent or received yet."""
        return self.state is OPEN

    @property
    def close_seen(self) -> tuple[int, bool]:
        """The close code of the side that closed first, 1006 if neither did; and whether it was the peer."""
        if self.close_rcvd is not None and self.close_rcvd_then_sent:
            return int(self.close_rcvd.code), True
        if self.close_sent is not None:
            return int(self.close_sent.code), False
        return 1006, False

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake, with the reason cut to its limit; ``take`` gives no more messages."""
        self.is_deaf = True
        self.send_close(code, reason.encode()[:_CLOSE_REASON_BYTES_MAX].decode(errors="ignore"))

    def take_whole(self, data: bytes) -> bytes | None:
        """
        Return the message that is the one and whole frame in ``data``, past the library's parser.

        Nearly every message of a client arrives so, and the parser's generators cost more than decoding it.
        Everything else is the parser's: this returns None and has changed nothing.

        Args:
            data: All that has arrived and was not given to ``receive_data``.
        """
        if len(data) < _MASKED_HEADER_BYTES or data[0] != self._first_byte:
            return None
        size, start = data[1] - _MASKED, _MASKED_HEADER_BYTES
        if size == _SIZE_16_BITS:
            size, start = int.from_bytes(data[2:4]), _MASKED_HEADER_BYTES + 2
        elif not 0 <= size <= _SIZE_7_BITS_MAX:
            return None
        if len(data) != start + size or size > self.message_bytes_max:
            return None
        if self.is_deaf or not self._is_between_frames or self.current_size is not None or not self.is_open:
            return None
        message: bytes = apply_mask(data[start:], data[start - 4 : start])
        if not self.codec.binary and not message.isascii():
            try:
                message.decode()
            except UnicodeDecodeError:
                return None
        return message

    def receive_data(self, data: bytes | bytearray) -> None:
        """Parse what has arrived, as the library does."""
        self._is_between_frames = False
        super().receive_data(data)

    def recv_frame(self, frame: Frame) -> None:
        """Process a frame as the library does; it calls this for each."""
        if frame.opcode is Opcode.CLOSE:
            # A peer may close between two fragments (RFC 6455 section 5.4); the library calls it wrong.
            self.current_size = None
        self._is_between_frames = not self.reader.buffer
        super().recv_frame(frame)

    def take(self, frame: Frame) -> bytes | None:
        """
        Put a frame in its place, in the order of ``events_received``.

        What breaks a rule fails the connection: the close frame is among ``data_to_send``, and ``eof_sent``
        is true.

        Args:
            frame: Any frame but a close; a ping or pong is only counted.

        Returns:
            The message that this frame completes, if it does.
        """
        opcode, data = frame.opcode, frame.data
        is_control = opcode is Opcode.PING or opcode is Opcode.PONG
        if is_control or (not data and not frame.fin):
            self.control_frames += 1
            if self.control_frames > CONTROL_FRAMES_MAX:
                self._refuse(1008, "too many control frames or empty fragments")
                return None
        if is_control or self.is_deaf:
            return None
        if opcode is Opcode.CONT:
            assert self._message is not None  # The library refuses a continuation of nothing.
            self._message += data
            if not frame.fin:
                return None
            data, self._message = self._message, None
        elif (opcode is Opcode.BINARY) is not self.codec.binary:
            kind = "binary" if self.codec.binary else "text"
            self._refuse(1003, f"{self.codec.subprotocol} has {kind} messages only")
            return None
        elif not frame.fin:
            self._message = bytearray(data)
            return None
        if len(data) > self.message_bytes_max:
            self._refuse(1009)
            return None
        message = bytes(data)
        if not self.codec.binary and not message.isascii():
            try:
                message.decode()
            except UnicodeDecodeError as error:
                self._refuse(1007, f"{error.reason} at position {error.start}")
                return None
        return message

    def fail(self, code: int, reason: str = "") -> None:
        """Close for what the peer did (RFC 6455 section 7.1.7); the library calls it too."""
        if code == 1009:
            # The library would name its own limit, with the room for a ping in it.
            reason = f"a message holds at most {self.message_bytes_max} bytes"
        super().fail(code, reason)

    def _refuse(self, code: int, reason: str = "") -> None:
        self.is_deaf = True
        self.fail(code, reason)

    def release(self) -> None:
        """Let go of the parser, which refers to this object: both would wait for the garbage collector."""
        self.parser.close()
