"""Frames that break RFC 6455 or flood, by kind, each with the code of the close that answers it."""

from websockets.frames import Opcode

from tests.router.transport.websocket_peer import masked

CONT, TEXT, BINARY = Opcode.CONT, Opcode.TEXT, Opcode.BINARY
CLOSE, PING, PONG = Opcode.CLOSE, Opcode.PING, Opcode.PONG
LIMIT = 64 * 1024
MASK = bytes(4)


def head(first: int, length: int = 0x80) -> bytes:
    """Return the first bytes of a frame, masked with zeros."""
    return bytes([first, length]) + MASK


def fragments(pieces: int, size: int) -> bytes:
    """Return a text message in pieces."""
    middle = masked(CONT, b"x" * size, is_final=False) * (pieces - 2)
    return masked(TEXT, b"x" * size, is_final=False) + middle + masked(CONT, b"x" * size)


# What is sent, and the code of the close.
BROKEN: dict[str, list[tuple[bytes, int]]] = {
    "unmasked": [
        (b"\x81\x02{}", 1002),
        (b"\x82\x02{}", 1002),
        (b"\x89\x00", 1002),
        (b"\x88\x02\x03\xe8", 1002),
        (b"\x81\x00", 1002),
    ],
    "reserved bits": [(head(bits | kind), 1002) for bits in range(0x90, 0x100, 0x10) for kind in (1, 8, 9)],
    "reserved opcodes": [(head(0x80 | kind), 1002) for kind in (*range(3, 8), *range(11, 16))]
    + [(head(kind), 1002) for kind in (3, 7, 11, 15)],
    "fragmented control frames": [(head(kind), 1002) for kind in (8, 9, 10)],
    "oversize control frames": [
        (bytes([0x80 | kind, 0xFE, 0, length]) + MASK + b"x" * length, 1002)
        for kind in (8, 9, 10)
        for length in (126, 127, 255)
    ]
    + [(bytes([0x80 | kind, 0xFF]) + b"\xff" * 8 + MASK, 1009) for kind in (8, 9, 10)],
    "stray continuations": [
        (masked(CONT, b"x"), 1002),
        (masked(CONT, b"x", is_final=False), 1002),
        (masked(CONT), 1002),
        (masked(PING) + masked(CONT, b"x"), 1002),
        (fragments(3, 1) + masked(CONT, b"x"), 1002),
    ],
    "interleaved continuations": [
        (masked(TEXT, b"x", is_final=False) + masked(TEXT, b"y"), 1002),
        (masked(TEXT, b"x", is_final=False) + masked(TEXT, b"y", is_final=False), 1002),
        (masked(TEXT, b"x", is_final=False) + masked(BINARY, b"y"), 1002),
        (masked(TEXT, b"x", is_final=False) + masked(PING) + masked(TEXT, b"y"), 1002),
    ],
    "invalid UTF-8": [
        (masked(TEXT, text), 1007)
        for text in (
            b"\xff",
            b"\xc0\xaf",
            b"\xe2\x82",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xf8\x88\x80\x80\x80",
            b'{"type": "ping", "id": "\xfe"}',
            b"\x80",
            b"a" * 5000 + b"\xc3",
        )
    ]
    + [
        (masked(TEXT, b"\xe2", is_final=False) + masked(CONT, b"\x28\xa1"), 1007),
        (masked(TEXT, b"ok", is_final=False) + masked(CONT, b"\xff"), 1007),
        (masked(CLOSE, (1000).to_bytes(2) + b"\xff"), 1007),
        (masked(CLOSE, (1000).to_bytes(2) + b"\xe2\x82"), 1007),
    ],
    "2^64-1 lengths": [
        (b"\x81\xff" + b"\xff" * 8 + MASK, 1009),
        (b"\x81\xff" + b"\x80" + bytes(7) + MASK, 1009),
        (b"\x81\xff\x7f" + b"\xff" * 7 + MASK, 1009),
        (b"\x81\xff" + (2**53).to_bytes(8) + MASK + b"x" * 1000, 1009),
        (b"\x81\xff" + (2**32).to_bytes(8) + MASK, 1009),
        (masked(TEXT, b"x", is_final=False) + b"\x80\xff" + b"\xff" * 8 + MASK, 1009),
    ],
    "over the limit whole": [
        (masked(TEXT, b"x" * size), 1009) for size in (LIMIT + 1, LIMIT + 125, LIMIT + 126, 1_000_000)
    ],
    "over the limit in pieces": [
        (fragments(2, LIMIT // 2 + 1), 1009),
        (fragments(17, LIMIT // 16), 1009),
        (fragments(5000, 14), 1009),
        (masked(TEXT, b"x" * LIMIT, is_final=False) + masked(CONT, b"x" * 126, is_final=False), 1009),
        (masked(TEXT, b"x" * LIMIT, is_final=False) + masked(PING, b"x" * 125) + masked(CONT, b"x"), 1009),
    ],
    "empty-fragment flood": [
        (masked(TEXT, is_final=False) + masked(CONT, is_final=False) * 2000, 1008),
        (masked(TEXT, b"{", is_final=False) + masked(CONT, is_final=False) * 2000, 1008),
    ],
    "ping flood": [
        (masked(PING) * 2000, 1008),
        (masked(PING, b"x" * 125) * 2000, 1008),
        (masked(PONG) * 2000, 1008),
    ],
    "invalid close codes": [
        (masked(CLOSE, code.to_bytes(2)), 1002)
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    ]
    + [(masked(CLOSE, b"\x03"), 1002), (masked(CLOSE, (1006).to_bytes(2) + b"gone"), 1002)],
}
