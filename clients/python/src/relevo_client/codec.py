"""Bytes to maps and back, in the protocol's two formats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import msgpack  # type: ignore[import-untyped]

Format: TypeAlias = Literal["msgpack", "json"]

BATCH_MESSAGES_MAX = 64
MESSAGE_BYTES_MAX = 64 * 1024
"""A router closes a connection that sends more than this in one message."""


class DecodeError(ValueError):
    """A frame holds nothing that the agreed format can be read from."""


class Codec(Protocol):
    """One format: its subprotocol, its kind of frame, and the two directions."""

    @property
    def subprotocol(self) -> str:
        """The websocket subprotocol's name."""

    @property
    def binary(self) -> bool:
        """Whether it travels in binary frames."""

    def encode(self, message: Mapping[str, Any]) -> bytes:
        """
        Encode one message.

        Raises:
            ValueError, TypeError, OverflowError: A value has no form in this format.
        """

    def join(self, messages: Sequence[bytes]) -> bytes:
        """Put encoded messages into one batch."""

    def decode(self, data: bytes) -> list[object]:
        """
        Decode a message or a batch, in order.

        Raises:
            DecodeError: The bytes are not of this format.
        """


class _Json:
    subprotocol = "relevo.v1.json"
    binary = False

    def encode(self, message: Mapping[str, Any]) -> bytes:
        return json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()

    def join(self, messages: Sequence[bytes]) -> bytes:
        return b"[" + b",".join(messages) + b"]"

    def decode(self, data: bytes) -> list[object]:
        try:
            return _as_batch(json.loads(data))
        # The parser recurses: a frame of brackets only ends there, and not in a ValueError.
        except (ValueError, RecursionError) as error:
            raise DecodeError(str(error)) from error


class _Msgpack:
    subprotocol = "relevo.v1.msgpack"
    binary = True

    def encode(self, message: Mapping[str, Any]) -> bytes:
        packed: bytes = msgpack.packb(message)
        return packed

    def join(self, messages: Sequence[bytes]) -> bytes:
        header: bytes = msgpack.Packer().pack_array_header(len(messages))
        return header + b"".join(messages)

    def decode(self, data: bytes) -> list[object]:
        try:
            return _as_batch(msgpack.unpackb(data))
        except (ValueError, msgpack.UnpackException) as error:
            raise DecodeError(str(error)) from error


def _as_batch(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


JSON: Codec = _Json()
MSGPACK: Codec = _Msgpack()
CODECS: Mapping[Format, Codec] = {"json": JSON, "msgpack": MSGPACK}


def pack(codec: Codec, messages: Sequence[bytes]) -> list[bytes]:
    """
    Join encoded messages into as few websocket messages as the router's limits allow, order kept.

    Args:
        codec: The format that they are encoded in.
        messages: Each at most ``MESSAGE_BYTES_MAX`` bytes.
    """
    packed: list[bytes] = []
    group: list[bytes] = []
    size = 0
    for message in messages:
        # One byte for a comma each, and sixteen for the array around them.
        if group and (len(group) == BATCH_MESSAGES_MAX or size + len(message) + 17 > MESSAGE_BYTES_MAX):
            packed.append(_joined(codec, group))
            group, size = [], 0
        group.append(message)
        size += len(message) + 1
    if group:
        packed.append(_joined(codec, group))
    return packed


def _joined(codec: Codec, group: Sequence[bytes]) -> bytes:
    return group[0] if len(group) == 1 else codec.join(group)
