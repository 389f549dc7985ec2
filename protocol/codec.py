"""
Bytes to messages and back, in JSON and MessagePack.

Whatever the bytes are, decoding gives a list of items or raises :class:`Undecodable`; nothing else leaves
this module. What encoders may differ in is settled here. Of a field that a map holds twice, each value must
fit and the last one counts. Half of a surrogate pair in a JSON string has no UTF-8 form, so it is
undecodable. So is depth that would exhaust the stack.
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

from relevo.protocol.bounds import BATCH_ITEMS_MAX, CommandId, FieldError
from relevo.protocol.commands import COMMANDS, Command

ECHO_CHARACTERS_MAX = 80
FIELDS_ID = "http"


class Undecodable(Exception):
    """Say that bytes are no JSON or MessagePack at all; a connection that sent them is closed with 4503."""


class Refused(msgspec.Struct, frozen=True):
    """
    Say that something decodes but is no command; its sender gets a `bad_message` reply.

    Args:
        id: The message's own id, if it has a valid one.
        path: Where it does not fit, from the message on: ``$.target.kind``.
        message: What was expected there.
    """

    id: str | None
    path: str
    message: str


class _Envelope(msgspec.Struct):
    """Read the id, and nothing else, of a message that does not fit."""

    id: CommandId | None = None


class _Tag(msgspec.Struct):
    """Read the type, and nothing else, of a message that does not fit."""

    type: str = ""


# Both libraries' decoders raise subclasses of ValueError; depth and size come as the other two.
_UNREADABLE = (ValueError, RecursionError, MemoryError)


class Codec:
    """Turn the frames of one subprotocol into commands, and messages into frames."""

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

    def decode(self, data: bytes) -> list[Command | Refused]:
        """
        Return the items of one frame in order; a batch's items are judged one by one.

        Args:
            data: The payload of one websocket message.

        Raises:
            Undecodable: The bytes are not of this encoding, or nest deeper than any message does.
        """
        try:
            items: list[Command | Refused]
            if self._is_array(data):
                items = self._commands.decode(data)
                return items if len(items) <= BATCH_ITEMS_MAX else [_too_many(len(items))]
            return [self._command.decode(data)]
        except msgspec.ValidationError:
            # Judged below, off the fast path.
            pass
        except _UNREADABLE as error:
            raise Undecodable(_reason(error)) from None
        try:
            return self._judge(data)
        except _UNREADABLE as error:
            raise Undecodable(_reason(error)) from None

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

    def _judge(self, data: bytes) -> list[Command | Refused]:
        self._require_well_formed(data)
        if not self._is_array(data):
            return [self._judge_item(data)]
        items = self._items.decode(data)
        if len(items) > BATCH_ITEMS_MAX:
            return [_too_many(len(items))]
        return [self._judge_item(item) for item in items]

    def _judge_item(self, data: bytes | Raw) -> Command | Refused:
        try:
            command: Command = self._command.decode(data)
            return command
        except msgspec.ValidationError as error:
            path, message = _explain(error, COMMANDS.get(self._type_of(data)))
            return Refused(self._id_of(data), path, message)

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


def command_from_fields(command_type: str, fields: bytes, key: str | None = None) -> Command | Refused:
    """
    Return the command that an HTTP request asks for, judged as a websocket message is.

    Args:
        command_type: The `type`, as the request's path names it.
        fields: The body: a JSON map of the command's fields without `type` and `id`. Empty means no fields.
        key: The ``Idempotency-Key`` header; a body with another `key` is refused.

    Returns:
        The command, whose id is :data:`FIELDS_ID`, or why there is none (its id is None). Never raises.
    """
    try:
        parts = _fields_decoder.decode(fields) if fields.strip() else {}
    except msgspec.ValidationError:
        return Refused(None, "$", "Expected `object`")
    except _UNREADABLE as error:
        return Refused(None, "$", _reason(error))
    for name in ("type", "id"):
        if name in parts:
            return Refused(None, f"$.{name}", f"Object contains unknown field `{name}`")
    if key is not None and "key" in parts:
        return Refused(None, "$.key", "Expected the key once: in the body or as Idempotency-Key")
    given: dict[str, Any] = {**parts} if key is None else {**parts, "key": key}
    try:
        (item,) = JSON.decode(msgspec.json.encode({"type": command_type, "id": FIELDS_ID, **given}))
    except UnicodeEncodeError:
        return Refused(None, "$.key", "Expected Unicode text")
    except Undecodable as error:
        return Refused(None, "$", str(error))
    return Refused(None, item.path, item.message) if isinstance(item, Refused) else item


def fingerprint(command: Command) -> bytes:
    """
    Return 16 bytes that two commands share if they ask for the same, whatever brought them here.

    Their `id` and `key` make no difference, nor does a field that is null or left out.
    """
    bare: Any = msgspec.structs.replace(command, id="")
    if hasattr(bare, "key"):
        bare = msgspec.structs.replace(bare, key=None)
    return hashlib.blake2b(msgspec.msgpack.encode(bare), digest_size=16).digest()


def _too_many(count: int) -> Refused:
    return Refused(None, "$", f"Expected an array of at most {BATCH_ITEMS_MAX} messages, got {count}")


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "a string is not UTF-8"
    return str(error)[:ECHO_CHARACTERS_MAX] or type(error).__name__


# msgspec says where in the text of its error: "Expected `str`, got `int` - at `$.target.id`".
_WHERE = re.compile(r" - at `(?:key` in `)?(\$[\w.\[\]]*)`\Z")
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
        return path, "Expected an id: 1 to 64 of A-Z a-z 0-9 _ . @ : + -"
    if text.startswith("Invalid enum value") and command is not None:
        return path, _choices(command, path)
    # The two decoders have different names for what they got, and the same for what they expected.
    return path, text.partition(", got `")[0]


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
    for name in path.split(".")[1:]:
        struct = _alternative(node, inspect.StructType)
        node = next(field.type for field in struct.fields if field.encode_name == name)
    values = _alternative(node, inspect.LiteralType).values
    return "Expected one of " + ", ".join(f"`{value}`" for value in values)


_Node = TypeVar("_Node", bound=inspect.Type)


def _alternative(node: inspect.Type, kind: type[_Node]) -> _Node:
    types = node.types if isinstance(node, inspect.UnionType) else (node,)
    return next(each for each in types if isinstance(each, kind))
