"""
Messages that decode but do not fit, made from the table of commands: of each field each wrong kind.

What is expected of each is where its answer points, worked out from the command's fields and from nothing
that the codec does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect

from relevo.protocol.bounds import ATTRIBUTES_BYTES_MAX, ID_PATTERN, INTEGER_MAX
from relevo.protocol.commands import COMMANDS, wire_type
from relevo.protocol.examples import COMMAND_EXAMPLES
from relevo.protocol.settings import DepartmentSettings

Message = dict[str, Any]

GOOD: dict[str, Message] = {wire_type(command): msgspec.to_builtins(command) for command in COMMAND_EXAMPLES}
# Of each kind of bad input, what stands where an id should stand.
BAD_IDS: dict[str, tuple[str, ...]] = {
    "ids with braces": ("{acme}", "{", "}", "a{", "a}b", "relevo:{acme}:meta"),
    "ids with a newline at the end": ("ana\n", "ana\r\n", "ana\r", "ana\N{LINE SEPARATOR}"),
    "ids with NUL": ("\x00", "ana\x00", "a\x00na"),
    "over-long ids": ("a" * 129, "a" * 1000),
}
OTHER_IDS = (
    *("", " ", "a b", "ana ", "a\\b", "a*", "a,b", "ä"),
    *("\N{FULLWIDTH LATIN SMALL LETTER A}", "\N{ARABIC-INDIC DIGIT ONE}"),
)
WRONG_KIND = "each field of each wrong kind"
NO_TYPES: tuple[Any, ...] = (None, True, 7, 1.5, [], {})
PAST_2_53 = (INTEGER_MAX + 1, 2**63 - 1, 2**64 - 1, 1e300)


@dataclass(frozen=True)
class InvalidMessage:
    """
    One message that is refused.

    Attributes:
        line: The kind of bad input.
        message: What is sent.
        path: Where the answer points.
    """

    line: str
    message: Any
    path: str

    @property
    def id(self) -> str | None:
        """The id that the answer carries."""
        sent = self.message.get("id") if isinstance(self.message, dict) else None
        return sent if isinstance(sent, str) and 1 <= len(sent) <= 64 else None


def invalid_messages(type: str) -> list[InvalidMessage]:
    """Return every invalid message of one command; each differs from a good message in one thing."""
    good = {"id": "1", **GOOD[type], "type": type}
    struct = inspect.type_info(COMMANDS[type])
    assert isinstance(struct, inspect.StructType)
    found = [InvalidMessage(line, changed, path) for line, changed, path in _of_struct(struct, good, "$")]
    if not any(field.name == "key" for field in struct.fields):
        found.append(InvalidMessage("unknown field", {**good, "key": "k"}, "$.key"))
    untyped = {name: value for name, value in good.items() if name != "type"}
    found.append(InvalidMessage("no type", untyped, "$.type"))
    found += [InvalidMessage("unknown type", {**good, "type": other}, "$.type") for other in _no_types(type)]
    found += [InvalidMessage(WRONG_KIND, {**good, "type": value}, "$.type") for value in NO_TYPES]
    return found


NO_MAPS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    7,
    -1,
    1.5,
    "",
    "hello",
    "{}",
    [[]],
    [[{}]],
    [7],
    [None],
    ["hello"],
    [True],
)
"""What is no map. An array is a batch, and what it holds is judged."""


def _no_types(type: str) -> tuple[str, ...]:
    changed = (type.upper(), f" {type}", f"{type}\n", f"{type}\x00", type + "s")
    return ("", *changed, "reply", "welcome", "session.assigned")


Found = Iterator[tuple[str, Message, str]]


def _of_struct(struct: inspect.StructType, good: Message, path: str) -> Found:
    """Yield the line, the changed map and the path of each way in which one field of a map may be wrong."""
    names = ("x", "Id", "__proto__", "session_id ", "$.id", "type\N{ZERO WIDTH SPACE}")
    for name in names if path == "$" else names[:2]:
        quoted = f".{name}" if name.isidentifier() else f'["{name}"]'
        yield "unknown field", {**good, name: 1}, path + quoted
    for field in struct.fields:
        where = f"{path}.{field.encode_name}"
        if field.required:
            rest = {name: value for name, value in good.items() if name != field.encode_name}
            yield "missing field", rest, where
        for line, value, inner in _wrong(field.type, good.get(field.encode_name), where):
            yield line, {**good, field.encode_name: value}, inner


def _wrong(kind: inspect.Type, good: Any, path: str) -> Iterator[tuple[str, Any, str]]:
    """Yield values that one field must not have."""
    kind, may_be_null = _bare(kind)
    if not may_be_null:
        yield WRONG_KIND, None, path
    for value in _of_other_kinds(kind):
        yield WRONG_KIND, value, path
    match kind:
        case inspect.StrType(pattern=pattern) if pattern == ID_PATTERN:
            for line, values in BAD_IDS.items():
                yield from ((line, value, path) for value in values)
            yield from ((WRONG_KIND, value, path) for value in OTHER_IDS)
        case inspect.StrType(min_length=shortest, max_length=longest):
            assert longest is not None
            yield WRONG_KIND, "x" * (longest + 1), path
            if longest < 10_000:  # As JSON, a longer one would be too long for a frame.
                yield WRONG_KIND, "ü" * (longest + 1), path
            if shortest:
                yield WRONG_KIND, "", path
        case inspect.IntType(ge=least, le=most):
            assert least is not None
            yield WRONG_KIND, least - 1, path
            yield WRONG_KIND, -INTEGER_MAX, path
            yield from (("integers past 2^53", value, path) for value in PAST_2_53)
            yield "NaN", float("nan"), path
            yield "NaN", float("inf"), path
            if most != INTEGER_MAX:
                assert most is not None
                yield WRONG_KIND, most + 1, path
        case inspect.LiteralType(values=values):
            for value in ("", "x", f"{values[0]}\n", str(values[0]).upper(), ",".join(map(str, values))):
                yield WRONG_KIND, value, path
        case inspect.ListType(item_type=item, max_length=longest):
            assert longest is not None
            yield WRONG_KIND, [f"x{number}" for number in range(longest + 1)], path
            yield WRONG_KIND, [good[0], good[0]], path
            for line, value, _ in _wrong(item, good[0], path):
                yield line, [*good, value], f"{path}[{len(good)}]"
        case inspect.StructType(cls=cls) if issubclass(cls, DepartmentSettings):
            pass  # What is in them is in tests/protocol/test_settings.py: each may be left out or null.
        case inspect.StructType():
            yield from _of_struct(kind, good, path)
        case inspect.DictType():
            for value in (None, [], {}, {"x": 1}):
                yield WRONG_KIND, {"x": value}, f"{path}[...]"
            yield "integers past 2^53", {"x": 2**53}, f"{path}[...]"
            yield WRONG_KIND, {"x": "y" * ATTRIBUTES_BYTES_MAX}, path
        case inspect.BoolType():
            pass
        case _:
            raise TypeError(f"{path} is of a new kind: {kind}")


def _bare(kind: inspect.Type) -> tuple[inspect.Type, bool]:
    """Return a field's type without what surrounds it, and whether it may be null."""
    may_be_null = isinstance(kind, inspect.UnionType)
    if isinstance(kind, inspect.UnionType):
        (kind,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
    return (kind.type if isinstance(kind, inspect.Metadata) else kind), may_be_null


def _of_other_kinds(kind: inspect.Type) -> Iterator[Any]:
    """Yield a value of every kind but one."""
    values: dict[type[inspect.Type], tuple[Any, ...]] = {
        inspect.BoolType: (True, False),
        inspect.IntType: (7, 0),
        inspect.FloatType: (1.5,),
        inspect.StrType: ("7", "x"),
        inspect.ListType: ([], ["x"], [[]]),
        inspect.StructType: ({}, {"id": "x"}, {"": {}}),
    }
    own: tuple[type[inspect.Type], ...] = (type(kind),)
    if isinstance(kind, inspect.DictType):
        own = (inspect.StructType,)
    if isinstance(kind, inspect.LiteralType):
        own = (inspect.StrType,)
    for other, each in values.items():
        if other not in own:
            yield from each
