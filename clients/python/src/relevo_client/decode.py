"""Build frozen dataclasses from decoded maps: known fields strictly, unknown ones passed through."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_Converter = Callable[[object, str], Any]


class _Plan(NamedTuple):
    fields: tuple[tuple[str, str, _Converter, bool], ...]
    known: frozenset[str]
    keeps_extra: bool


# As many as there are classes; made at their first use, because type hints are slow to resolve.
_plans: dict[type[Any], _Plan] = {}


class InvalidDataError(ValueError):
    """What came does not have the shape that the protocol gives it; ``path`` says where."""

    def __init__(self, path: str, expected: str, value: object) -> None:
        super().__init__(f"{path or 'message'}: expected {expected}, got {type(value).__name__}")
        self.path = path


def decode(kind: type[T], value: object, path: str = "") -> T:
    """
    Build a dataclass from a map.

    Unknown fields go into the object's ``extra``, if it has one, unchanged. A missing one takes its default.
    A ``Literal`` is checked to be a string only: a newer router may know one more value than this client,
    and that must not cost a whole directory snapshot.

    Args:
        kind: A frozen dataclass. A field whose name is no Python identifier has ``wire`` in its metadata.
        value: What a codec returned.
        path: Where ``value`` stands in its message, for the error.

    Raises:
        InvalidDataError: ``value`` is no map, misses a field, or a field has another type.
    """
    if not isinstance(value, Mapping):
        raise InvalidDataError(path, "a map", value)
    plan = _plan(kind)
    arguments: dict[str, Any] = {}
    for name, wire, converter, required in plan.fields:
        if wire in value:
            arguments[name] = converter(value[wire], f"{path}.{wire}" if path else wire)
        elif required:
            raise InvalidDataError(f"{path}.{wire}" if path else wire, "a value", None)
    if plan.keeps_extra and not value.keys() <= plan.known:
        arguments["extra"] = {name: item for name, item in value.items() if name not in plan.known}
    return kind(**arguments)


def _plan(kind: type[Any]) -> _Plan:
    known = _plans.get(kind)
    if known is not None:
        return known
    hints = get_type_hints(kind)
    plan = []
    keeps_extra = False
    for field in fields(kind):
        if field.name == "extra":
            keeps_extra = True
        elif field.init:
            required = field.default is MISSING and field.default_factory is MISSING
            wire = field.metadata.get("wire", field.name)
            plan.append((field.name, wire, _converter(hints[field.name]), required))
    names = frozenset((*(wire for _, wire, _, _ in plan), *getattr(kind, "envelope", ())))
    _plans[kind] = _Plan(tuple(plan), names, keeps_extra)
    return _plans[kind]


def _converter(hint: Any) -> _Converter:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        inner = [argument for argument in get_args(hint) if argument is not types.NoneType]
        return _optional(_converter(inner[0]))
    if origin is tuple:
        return _sequence(_converter(get_args(hint)[0]))
    if origin is Literal:
        return _scalar(str)
    if origin is Mapping:
        return _map
    if is_dataclass(hint) and isinstance(hint, type):
        return lambda value, path: decode(hint, value, path)
    if hint in (str, int, bool):
        return _scalar(hint)
    raise TypeError(f"no rule decodes {hint!r}")


def _scalar(kind: type[Any]) -> _Converter:
    def convert(value: object, path: str) -> Any:
        # Exactly: a bool is an int in Python, and is none on the wire.
        if type(value) is not kind:
            raise InvalidDataError(path, kind.__name__, value)
        return value

    return convert


def _map(value: object, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise InvalidDataError(path, "a map", value)
    return value


def _optional(inner: _Converter) -> _Converter:
    return lambda value, path: None if value is None else inner(value, path)


def _sequence(inner: _Converter) -> _Converter:
    def convert(value: object, path: str) -> Any:
        if not isinstance(value, list):
            raise InvalidDataError(path, "an array", value)
        return tuple(inner(item, f"{path}[{index}]") for index, item in enumerate(value))

    return convert
