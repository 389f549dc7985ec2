"""
Write the tables of docs/PROTOCOL.md from the types: ``python -m protocol.reference docs/PROTOCOL.md``.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``. The text around the tables is written by
hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from relevo.protocol.bounds import (
    DATE_PATTERN,
    ID_PATTERN,
    INTEGER_MAX,
    SHORT_ID_PATTERN,
    TIME_PATTERN,
)
from relevo.protocol.commands import COMMANDS, MUTATING, Hello, Ping, SessionAck
from relevo.protocol.errors import CLOSES, ERRORS, CloseCode, Details
from relevo.protocol.objects import (
    Actor,
    Agent,
    Author,
    Candidate,
    Customer,
    Decision,
    Department,
    Entry,
    LeftOut,
    Owner,
    Party,
    Rule,
    Session,
    Transfer,
)
from relevo.protocol.pushes import PUSHES, Inbox, Welcome
from relevo.protocol.results import CheckResult, Empty
from relevo.protocol.schemas import ENUMERATIONS, Schema, ecma_pattern, schemas_of
from relevo.protocol.settings import SETTINGS, DepartmentSettings, Target

OBJECTS: tuple[type[msgspec.Struct], ...] = (
    Agent,
    Department,
    Session,
    Transfer,
    Entry,
    Decision,
    LeftOut,
    Candidate,
    Customer,
    Owner,
    Party,
    Actor,
    Rule,
    Author,
    Inbox,
)
INPUTS = (
    "Target",
    "CustomerProfile",
    "AgentProfile",
    "DepartmentProfile",
    "Resume",
    "RuleProfile",
    "Overflow",
    "Hours",
    "Week",
    "StatusReason",
    "CannedReply",
)

_PATTERNS = {
    ecma_pattern(ID_PATTERN): "id",
    ecma_pattern(SHORT_ID_PATTERN): "id, at most 64",
    ecma_pattern(TIME_PATTERN): "time",
    ecma_pattern(DATE_PATTERN): "date",
}
_MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def _type(schema: Schema) -> str:
    """Return a field's type in a few words, as in ``id``, ``text 1..120`` or ``[Session]``."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "oneOf" in schema:
        kinds = [_type(each) for each in schema["oneOf"] if each != {"type": "null"}]
        return " or ".join([*kinds, *["null"] * (len(kinds) < len(schema["oneOf"]))])
    if "const" in schema:
        return f"`{schema['const']}`"
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    text = _plain_type(kinds[0], schema)
    return f"{text} or null" if "null" in kinds else text


def _plain_type(kind: str, schema: Schema) -> str:
    if kind == "array" and "prefixItems" in schema:
        return f"[{', '.join(_type(each) for each in schema['prefixItems'])}]"
    if kind == "object" and "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}"
    if kind == "array":
        most = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
        return f"[{_type(schema['items'])}{most}]"
    if kind == "integer":
        return f"integer {schema['minimum']}..{schema['maximum']}" if _is_small(schema) else "integer"
    if kind != "string":
        return kind
    if "pattern" in schema:
        return _PATTERNS[schema["pattern"]]
    if "maxLength" in schema:
        return f"text {schema.get('minLength', 0)}..{schema['maxLength']}"
    return "text"


def _is_small(schema: Schema) -> bool:
    """Return whether an integer has bounds of its own: all others are at most 2^53 - 1."""
    maximum: int = schema.get("maximum", INTEGER_MAX)
    return maximum < INTEGER_MAX


def _fields(name: str, schemas: dict[str, Schema], left_out: Iterable[str] = ()) -> str:
    schema = schemas[name]
    required = schema.get("required", ())
    shown = []
    for field, each in schema.get("properties", {}).items():
        if field in left_out:
            continue
        if field in required or each.get("type") == "array":
            # The router sends every list, an empty one as well.
            shown.append(f"`{field}` {_type(each)}")
        else:
            # A field that may be left out may also be null; saying it once is enough.
            shown.append(f"`{field}`? {_type(each).removesuffix(' or null')}")
    return ", ".join(shown)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _commands(schemas: dict[str, Schema]) -> str:
    rows = []
    for name, command in COMMANDS.items():
        fields = _fields(command.__name__, schemas, ("type", "id", "key"))
        if name in MUTATING:
            fields = f"{fields}, `key`?"
        result = command.result
        if command is Hello:
            answer = "a `welcome`"
        elif command is Ping:
            answer = "a `pong`"
        elif command is SessionAck:
            answer = "none"
        elif result is None or result is Empty:
            answer = "`{}`"
        else:
            answer = _fields(result.__name__, schemas)
        checked = getattr(command, "checked", None)
        if checked is not None:
            answer = f"{answer}; with `check` {_fields(checked.__name__, schemas)}"
        rows.append((f"`{name}`", fields, answer))
    return _table(("command", "fields", "result"), rows)


def _pushes(schemas: dict[str, Schema]) -> str:
    rows = [(f"`{name}`", _fields(push.__name__, schemas, ("type",))) for name, push in PUSHES.items()]
    return _table(("push", "fields"), rows)


def _welcome(schemas: dict[str, Schema]) -> str:
    return _table(("message", "fields"), [("`welcome`", _fields("Welcome", schemas, ("type",)))])


def _objects(schemas: dict[str, Schema]) -> str:
    rows = [(each.__name__, _fields(each.__name__, schemas)) for each in OBJECTS]
    return _table(("object", "fields"), rows)


def _inputs(schemas: dict[str, Schema]) -> str:
    return _table(("object", "fields"), [(name, _fields(name, schemas)) for name in INPUTS])


def _enumerations(_: dict[str, Schema]) -> str:
    rows = [(name, ", ".join(f"`{value}`" for value in values)) for name, values in ENUMERATIONS.items()]
    return _table(("enumeration", "values"), rows)


def _errors(schemas: dict[str, Schema]) -> str:
    rows = []
    for code, row in ERRORS.items():
        details = "" if row.details is Details else _fields(row.details.__name__, schemas)
        rows.append(
            (f"`{code.value}`", row.meaning, "yes" if row.retryable else "no", str(row.http_status), details)
        )
    return _table(("code", "meaning", "retryable", "HTTP", "`details`"), rows)


def _closes(_: dict[str, Schema]) -> str:
    rows = [
        (str(int(code)), CLOSES[code], "reconnect" if code.reconnect else "do not reconnect")
        for code in CloseCode
    ]
    return _table(("code", "meaning", "client"), rows)


def _settings(schemas: dict[str, Schema]) -> str:
    rows = []
    shapes = schemas["TenantSettings"]["properties"]
    for name, row in SETTINGS.items():
        default = "none" if row.default in (None, []) else f"`{msgspec.json.encode(row.default).decode()}`"
        scope = "both" if name in DepartmentSettings.__struct_fields__ else "tenant"
        value = _type(shapes[name]).removesuffix(" or null")
        rows.append((f"`{name}`", scope, value, "all allowed" if name == "rule" else default, row.meaning))
    return _table(("setting", "of", "value", "default", "meaning"), rows)


TABLES: dict[str, Callable[[dict[str, Schema]], str]] = {
    "commands": _commands,
    "welcome": _welcome,
    "pushes": _pushes,
    "objects": _objects,
    "inputs": _inputs,
    "settings": _settings,
    "enumerations": _enumerations,
    "errors": _errors,
    "closes": _closes,
}


def rewritten(text: str) -> str:
    """
    Return the text of PROTOCOL.md with each of its tables as the types have it now.

    Raises:
        KeyError: A table has a name that is not one of TABLES.
    """
    results = [command.result for command in COMMANDS.values() if command.result is not None] + [CheckResult]
    types: list[type[Any]] = list(
        dict.fromkeys([*COMMANDS.values(), *results, *PUSHES.values(), *OBJECTS, Welcome, Target])
    )
    _, schemas = schemas_of(types)
    return _MARKED.sub(lambda found: found[1] + TABLES[found[2]](schemas) + found[3], text)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(rewritten(path.read_text()))
