"""
JSON Schemas of the protocol's types, for asyncapi.py and openapi.py.

msgspec makes the schemas. This module gives them the form from which generators make types in any language:
``format: int64`` on integers, a schema with a name for each enumeration, nullable fields without a default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, get_args

import msgspec

from relevo.protocol.errors import ERRORS, Because, Details, Error, ErrorCode, LimitName
from relevo.protocol.objects import (
    AgentRole,
    DecisionBy,
    EntryKind,
    Outcome,
    PlaceKind,
    Role,
    RuleAgents,
    RuleReason,
    SessionSort,
    SessionState,
    Status,
    Tie,
    WhyNot,
)
from relevo.protocol.pushes import MovedWhy, RemovedWhy, TransferState
from relevo.protocol.settings import AfterGrace, OverflowOn, PendingTake, PendingThen, WhenClosed

Schema: TypeAlias = dict[str, Any]

ENUMERATIONS: Mapping[str, tuple[str, ...]] = {
    "Role": get_args(Role),
    "AgentRole": get_args(AgentRole),
    "Status": get_args(Status),
    "PlaceKind": get_args(PlaceKind),
    "SessionState": get_args(SessionState),
    "SessionSort": get_args(SessionSort),
    "Outcome": get_args(Outcome),
    "EntryKind": get_args(EntryKind),
    "DecisionBy": get_args(DecisionBy),
    "Tie": get_args(Tie),
    "WhyNot": get_args(WhyNot),
    "MovedWhy": get_args(MovedWhy),
    "RemovedWhy": get_args(RemovedWhy),
    "TransferState": get_args(TransferState),
    "Because": get_args(Because),
    "LimitName": get_args(LimitName),
    "RuleAgents": get_args(RuleAgents),
    "RuleReason": get_args(RuleReason),
    "PendingThen": get_args(PendingThen),
    "AfterGrace": get_args(AfterGrace),
    "PendingTake": get_args(PendingTake),
    "OverflowOn": get_args(OverflowOn),
    "WhenClosed": get_args(WhenClosed),
}
"""Every enumeration but ErrorCode, which msgspec names itself: its name and its values in order."""

_NAMES = {frozenset(values): name for name, values in ENUMERATIONS.items()}


def reference(name: str) -> Schema:
    """Return a reference to the schema of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def merged(name: str, description: str, types: Iterable[type[msgspec.Struct]]) -> type[msgspec.Struct]:
    """
    Return a type that has the fields of all types, each optional: it reads any of their objects.

    A typed language needs it where only the context says which of them stands there.
    """
    fields: dict[str, Any] = {}
    for each in types:
        for field in msgspec.structs.fields(each):
            fields[field.name] = field.type | None
    return msgspec.defstruct(
        name,
        [(field, kind, None) for field, kind in fields.items()],
        namespace={"__doc__": description},
    )


ErrorDetails = merged(
    "ErrorDetails",
    "The `details` of an error: the fields of its code's own details, and no others.",
    [row.details for row in ERRORS.values()],
)


def details_of(code: ErrorCode) -> Schema | None:
    """Return a reference to the schema of a code's `details`, or None if they are empty."""
    kind = ERRORS[code].details
    return None if kind is Details else reference(kind.__name__)


def schemas_of(types: Sequence[type[msgspec.Struct]]) -> tuple[list[Schema], dict[str, Schema]]:
    """
    Return a reference to the schema of each type, and the schemas of all that they hold, by name.

    The schemas of ErrorCode, of ErrorDetails and of each code's own details are always among them.

    Args:
        types: Messages or objects of the protocol, whose names are distinct.
    """
    details = [row.details for row in ERRORS.values() if row.details is not Details]
    references, components = msgspec.json.schema_components(
        [*types, Error, ErrorDetails, *details], ref_template="#/components/schemas/{name}"
    )
    components["Error"]["properties"]["details"] = reference("ErrorDetails")
    used: set[str] = set()
    schemas = {name: _portable(schema, used.add) for name, schema in components.items()}
    schemas |= {
        name: {"title": name, "type": "string", "enum": list(ENUMERATIONS[name])}
        for name in ENUMERATIONS
        if name in used
    }
    schemas["ErrorCode"] = {
        "title": "ErrorCode",
        "description": _first_line(ErrorCode.__doc__),
        "type": "string",
        "enum": [code.value for code in ErrorCode],
    }
    return list(references[: len(types)]), schemas


def ecma_pattern(pattern: str) -> str:
    """Return a pattern in ECMA 262, to which JSON Schema refers: there "$" is the very end."""
    return pattern.replace(r"\A", "^").replace(r"\Z", "$")


def summary(message: type[msgspec.Struct]) -> str:
    """Return the first paragraph of a type's docstring as one line."""
    return _first_line(message.__doc__)


def _first_line(text: str | None) -> str:
    return " ".join((text or "").strip().split("\n\n")[0].split())


def _portable(schema: Any, use: Callable[[str], None]) -> Any:
    if isinstance(schema, list):
        return [_portable(each, use) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "anyOf" in schema:
        return _choice(schema, use)
    if "enum" in schema:
        return _enumeration(schema, use)
    portable = {key: _portable(value, use) for key, value in schema.items() if key != "default"}
    if "properties" in schema:
        # A field may be called `default`, and a property is no keyword.
        portable["properties"] = {name: _portable(each, use) for name, each in schema["properties"].items()}
        portable["description"] = _first_line(schema.get("description"))
    if portable.get("type") == "integer":
        portable["format"] = "int64"
    if "pattern" in portable:
        portable["pattern"] = ecma_pattern(portable["pattern"])
    return portable


def _enumeration(schema: Schema, use: Callable[[str], None]) -> Schema:
    values = schema["enum"]
    if len(values) == 1:
        return {"type": "string", "const": values[0]}
    name = _NAMES.get(frozenset(values))
    if name is None:
        # ErrorCode, which is a component already.
        return schema
    use(name)
    return reference(name)


def _choice(schema: Schema, use: Callable[[str], None]) -> Schema:
    kinds = [_portable(each, use) for each in schema["anyOf"] if each != {"type": "null"}]
    if len(kinds) == len(schema["anyOf"]):
        return {"oneOf": kinds}
    if len(kinds) == 1 and isinstance(kinds[0].get("type"), str):
        return {**kinds[0], "type": [kinds[0]["type"], "null"]}
    return {"oneOf": [*kinds, {"type": "null"}]}
