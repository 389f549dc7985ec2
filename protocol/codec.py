"""
Decode and encode messages in JSON and MessagePack.

Any bytes decode to a list of items or raise :class:`UndecodableError`; no other error leaves this module.
Encoders may differ in three ways, and the codec settles each. Of a field that stands in a map twice, each
value must fit and the last one counts. Half of a surrogate pair in a JSON string has no UTF-8 form: its
message is invalid. Nesting that would exhaust the stack is undecodable.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Raw, inspect

from relevo.protocol.bounds import BATCH_ITEMS_MAX, PATTERN_WORDS, CommandId, FieldError
from relevo.protocol.commands import COMMANDS, Command

ECHO_CHARACTERS_MAX = 80
PATH_SEGMENTS_MAX = 8
FIELDS_ID = "http"


class UndecodableError(Exception):
    """The bytes are not JSON or not MessagePack; the router closes the connection with 4503."""


class InvalidMessage(msgspec.Struct, frozen=True):
    """
    A message that decodes and is no command; the router answers `bad_message` (PROTOCOL.md, Errors).

    Args:
        id: The message's own id, or None if it has no valid one.
        path: The field that does not fit, from the message on: ``$.target.kind``.
        message: What is expected there.
    """

    id: str | None
    path: str
    message: str


class _Envelope(msgspec.Struct):
    """The id of a message that is no command; its other fields are not decoded."""

    id: CommandId | None = None


class _Tag(msgspec.Struct):
    """The type of a message that is no command; its other fields are not decoded."""

    type: str = ""


# Both libraries' decoders raise subclasses of ValueError; depth and size come as the other two.
_DECODE_ERRORS = (ValueError, RecursionError, MemoryError)


class Codec:
    """
    Decode and encode the messages of one subprotocol.

    Args:
        encoding: ``json`` for text frames, ``msgpack`` for binary frames.

    Attributes:
        subprotocol: Its name in ``Sec-WebSocket-Protocol``.
        binary: Whether its frames are binary.
    """

    def __init__(self, encoding: Literal["json", "msgpack"]) -> None:
        library: Any = msgspec.json if encoding == "json" else msgspec.msgpack
        self.subprotocol = f"relevo.v1.{encoding}"
        self.binary = encoding == "msgpack"
        self._encoder = library.Encoder()
        self._command = library.Decoder(Command)
        self._commands = library.Decoder(list[Command])
        self._items = library.Decoder(list[Raw])
        self._envelope = library.Decoder(_Envelope)
        self._tag = library.Decoder(_Tag)
        self._anything = library.Decoder()

    def decode(self, data: bytes) -> list[Command | InvalidMessage]:
        """
        Return the items of one websocket message in order; each item of a batch is checked alone.

        Args:
            data: The payload: one map, or an array of at most 64 (PROTOCOL.md, Frames and batches).

        Returns:
            A command, or an InvalidMessage, for each map. A longer array is one InvalidMessage.

        Raises:
            UndecodableError: The bytes are not of this encoding, or nest deeper than any message does.
        """
        try:
            items: list[Command | InvalidMessage]
            if self._is_array(data):
                items = self._commands.decode(data)
                return items if len(items) <= BATCH_ITEMS_MAX else [_too_many(len(items))]
            return [self._command.decode(data)]
        except msgspec.ValidationError:
            # Decoded item by item below, off the fast path.
            pass
        except _DECODE_ERRORS as error:
            return self._decode_beside_surrogates(data, error)
        try:
            return self._decode_each(data)
        except _DECODE_ERRORS as error:
            return self._decode_beside_surrogates(data, error)

    def encode(self, message: msgspec.Struct) -> bytes:
        """Return one message as bytes; None is null, and a field that is UNSET is left out."""
        encoded: bytes = self._encoder.encode(message)
        return encoded

    def encode_batch(self, messages: Sequence[bytes]) -> bytes:
        """
        Return already encoded messages as one batch, in order.

        Args:
            messages: At most 64 messages, each as :meth:`encode` returned it.

        Raises:
            ValueError: There are more than a batch may hold.
        """
        count = len(messages)
        if count > BATCH_ITEMS_MAX:
            raise ValueError(f"a batch holds at most {BATCH_ITEMS_MAX} messages, not {count}")
        if not self.binary:
            return b"[" + b",".join(messages) + b"]"
        header = bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2)
        return header + b"".join(messages)

    def _is_array(self, data: bytes) -> bool:
        if self.binary:
            return data[:1] in _MSGPACK_ARRAYS
        return data.lstrip()[:1] == b"["

    def _decode_each(self, data: bytes) -> list[Command | InvalidMessage]:
        self._require_well_formed(data)
        if not self._is_array(data):
            return [self._decode_item(data)]
        items = self._items.decode(data)
        if len(items) > BATCH_ITEMS_MAX:
            return [_too_many(len(items))]
        return [self._decode_item(item) for item in items]

    def _decode_item(self, data: bytes | Raw) -> Command | InvalidMessage:
        try:
            command: Command = self._command.decode(data)
            return command
        except msgspec.ValidationError as error:
            path, message = _explain(error, COMMANDS.get(self._type_of(data)))
            return InvalidMessage(self._id_of(data), path, message)

    def _decode_beside_surrogates(self, data: bytes, error: BaseException) -> list[Command | InvalidMessage]:
        """
        Return the items of JSON that msgspec does not read since half of a surrogate pair stands in it.

        Raises:
            UndecodableError: That is not the reason.
        """
        values = None if self.binary else _json_with_surrogates(data)
        if values is None:
            raise UndecodableError(_reason(error)) from None
        items = values if isinstance(values, list) else [values]
        if len(items) > BATCH_ITEMS_MAX:
            return [_too_many(len(items))]
        try:
            return [self._decode_beside_surrogate(item) for item in items]
        except _DECODE_ERRORS as other:
            raise UndecodableError(_reason(other)) from None

    def _decode_beside_surrogate(self, item: Any) -> Command | InvalidMessage:
        path = _surrogate_path(item)
        if path is None:
            return self._decode_item(json.dumps(item).encode())
        return InvalidMessage(_plain_id(item), path, _NOT_UNICODE)

    def _id_of(self, data: bytes | Raw) -> str | None:
        try:
            command_id: str | None = self._envelope.decode(data).id
            return command_id
        except msgspec.ValidationError:
            return None

    def _type_of(self, data: bytes | Raw) -> str:
        try:
            command_type: str = self._tag.decode(data).type
            return command_type
        except msgspec.ValidationError:
            return ""

    def _require_well_formed(self, data: bytes) -> None:
        # A typed decoder stops at the first thing that does not fit: what comes after may not even be JSON.
        try:
            self._anything.decode(data)
        except msgspec.ValidationError:
            # Well formed, with a number past what a float or an integer of Python can hold.
            if not self.binary:
                data.decode()


JSON = Codec("json")
MSGPACK = Codec("msgpack")
_MSGPACK_ARRAYS = frozenset(bytes([first]) for first in (*range(0x90, 0xA0), 0xDC, 0xDD))

_fields_decoder = msgspec.json.Decoder(dict[str, Raw])


def command_from_fields(command_type: str, fields: bytes, key: str | None = None) -> Command | InvalidMessage:
    """
    Return the command of an HTTP request, checked as a websocket message is (PROTOCOL.md, HTTP).

    Args:
        command_type: The `type`, as the request's path names it.
        fields: The body: a JSON map of the command's fields without `type` and `id`. Empty means no fields.
        key: The ``Idempotency-Key`` header, or None. A body that holds `key` as well is invalid.

    Returns:
        The command, whose id is :data:`FIELDS_ID`, or an InvalidMessage whose id is None. It never raises.
    """
    try:
        parts = _fields_decoder.decode(fields) if fields.strip() else {}
    except msgspec.ValidationError:
        return InvalidMessage(None, "$", "Expected `object`")
    except _DECODE_ERRORS as error:
        values = _json_with_surrogates(fields)
        if values is not None:
            return InvalidMessage(None, _surrogate_path(values) or "$", _NOT_UNICODE)
        return InvalidMessage(None, "$", _reason(error))
    for name in ("type", "id"):
        if name in parts:
            return InvalidMessage(None, f"$.{name}", f"Object contains unknown field `{name}`")
    if key is not None and "key" in parts:
        return InvalidMessage(None, "$.key", "Expected the key once: in the body or as Idempotency-Key")
    given: dict[str, Any] = {**parts} if key is None else {**parts, "key": key}
    try:
        (item,) = JSON.decode(msgspec.json.encode({"type": command_type, "id": FIELDS_ID, **given}))
    except UnicodeEncodeError:
        return InvalidMessage(None, "$.key", "Expected Unicode text")
    except UndecodableError as error:
        return InvalidMessage(None, "$", str(error))
    return InvalidMessage(None, item.path, item.message) if isinstance(item, InvalidMessage) else item


def fingerprint(command: Command) -> bytes:
    """
    Return the 16 bytes by which an idempotency key recognises the body of a command (BLAKE2b).

    Equal commands have equal fingerprints in either encoding and over HTTP. `id` and `key` do not count, nor
    do fields that the command does not carry: an optional field that another release knows changes nothing.
    """
    carried = _carried(msgspec.to_builtins(command))
    return hashlib.blake2b(msgspec.msgpack.encode(carried, order="deterministic"), digest_size=16).digest()


def _carried(fields: dict[str, Any], without: tuple[str, ...] = ("id", "key")) -> dict[str, Any]:
    """Return the fields that have a value, those of objects in them likewise. Of settings, null is one."""
    return {
        name: _carried(value, ()) if isinstance(value, dict) and name != "settings" else value
        for name, value in fields.items()
        if value is not None and name not in without
    }


def _too_many(count: int) -> InvalidMessage:
    return InvalidMessage(None, "$", f"Expected an array of at most {BATCH_ITEMS_MAX} messages, got {count}")


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "a string is not UTF-8"
    return str(error)[:ECHO_CHARACTERS_MAX] or type(error).__name__


# msgspec says where in the text of its error: "Expected `str`, got `int` - at `$.target.id`".
_WHERE = re.compile(r" - at `(?:key` in `)?(\$[\w.\[\]]*)`\Z")
_STEP = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_NOT_UNICODE = "Expected Unicode text"
_UNKNOWN = "Object contains unknown field `"
_MISSING = "Object missing required field `"


def _explain(error: msgspec.ValidationError, command: type[Command] | None) -> tuple[str, str]:
    """Return the path of what did not fit, and what was expected there."""
    text, path = str(error), "$"
    where = _WHERE.search(text)
    # The name of an unknown field is the sender's own, and may look like a path.
    if where and not (text.startswith(_UNKNOWN) and text[where.start() - 1] != "`"):
        text, path = text[: where.start()], where[1]
    if text.startswith(_MISSING):
        return f"{path}.{text[len(_MISSING) : -1]}", "Missing required field"
    if text.startswith(_UNKNOWN):
        return path + _segment(text[len(_UNKNOWN) : -1]), "Unknown field"
    if path == "$.type" and text.startswith("Invalid value"):
        return path, "Unknown type"
    if isinstance(error.__cause__, FieldError):
        return f"{path}.{error.__cause__.field}", text
    if "matching regex" in text:
        words = next(words for pattern, words in PATTERN_WORDS.items() if repr(pattern) in text)
        return path, f"Expected {words}"
    if text.startswith("Invalid enum value") and command is not None:
        return path, _choices(command, path)
    # The two decoders have different names for what they got, and the same for what they expected.
    return path, text.partition(", got `")[0]


def _json_with_surrogates(data: bytes) -> Any | None:
    """Return what JSON holds if half of a surrogate pair stands in it, else None."""
    if not _SURROGATE_ESCAPE.search(data):
        return None
    try:
        values = json.loads(data.decode())
        return values if _surrogate_path(values) is not None else None
    except _DECODE_ERRORS:
        return None


def _surrogate_path(value: Any) -> str | None:
    """Return the path of the first string that holds half of a surrogate pair, or None."""
    segments = _surrogate_segments(value)
    # No field of the protocol is deeper, so a longer path says no more.
    return None if segments is None else "$" + "".join(segments[: -PATH_SEGMENTS_MAX - 1 : -1])


def _surrogate_segments(value: Any) -> list[str] | None:
    """Return the segments of that path, the last one first, so that only a path that is found is built."""
    if isinstance(value, str):
        return [] if _SURROGATE.search(value) else None
    if isinstance(value, list):
        for each in value:
            # Like msgspec, a path names no index.
            if (segments := _surrogate_segments(each)) is not None:
                return [*segments, "[...]"]
    elif isinstance(value, dict):
        for name, each in value.items():
            segments = [] if _SURROGATE.search(name) else _surrogate_segments(each)
            if segments is not None:
                return [*segments, _segment(name.encode("utf-8", "replace").decode())]
    return None


def _plain_id(message: Any) -> str | None:
    command_id = message.get("id") if isinstance(message, dict) else None
    fits = isinstance(command_id, str) and 1 <= len(command_id) <= 64 and not _SURROGATE.search(command_id)
    return command_id if fits else None


def _segment(name: str) -> str:
    """Return a field's name as a part of a path; what comes from the sender is shortened."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and len(name) <= ECHO_CHARACTERS_MAX:
        return f".{name}"
    return f"[{json.dumps(_shortened(name), ensure_ascii=False)}]"


def _shortened(text: str) -> str:
    return text if len(text) <= ECHO_CHARACTERS_MAX else f"{text[: ECHO_CHARACTERS_MAX - 3]}..."


@functools.lru_cache(maxsize=256)
def _choices(command: type[Command], path: str) -> str:
    """Return which values a command takes at a path that leads to a literal."""
    node: inspect.Type = inspect.type_info(command)
    for name, index in _STEP.findall(path):
        if index:
            node = _alternative(node, inspect.ListType).item_type
        else:
            struct = _alternative(node, inspect.StructType)
            node = next(field.type for field in struct.fields if field.encode_name == name)
    values = _alternative(node, inspect.LiteralType).values
    return "Expected one of " + ", ".join(f"`{value}`" for value in values)


_Node = TypeVar("_Node", bound=inspect.Type)


def _alternative(node: inspect.Type, kind: type[_Node]) -> _Node:
    types = node.types if isinstance(node, inspect.UnionType) else (node,)
    return next(each for each in types if isinstance(each, kind))
