"""The AsyncAPI document as a client author reads it: check messages of the router against its schemas."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from tests.raw_client import Message

PATH = Path(__file__).parents[2] / "protocol" / "asyncapi.yaml"

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


_LEFT_OUT = ("string", "integer", "boolean")
# Of these what is not set is left out, whatever it is.
_PARTIAL = ("TenantSettings", "DepartmentSettings", "Overflow", "Week")


@cache
def document() -> Any:
    """Return the document."""
    return msgspec.yaml.decode(PATH.read_bytes())


def commands() -> list[str]:
    """Return the type of every command."""
    return [name for name, operation in document()["operations"].items() if operation["action"] == "receive"]


def pushes() -> list[str]:
    """Return the type of every push."""
    return [name for name, operation in document()["operations"].items() if operation["action"] == "send"]


def replies_to(command: str) -> list[str]:
    """Return the names of the messages that answer a command; none if nothing does."""
    reply = document()["operations"][command].get("reply", {})
    return [reference["$ref"].rpartition("/")[2] for reference in reply.get("messages", [])]


def error_codes() -> dict[str, Message]:
    """Return the table of error codes, by code."""
    return {row["code"]: row for row in document()["x-error-codes"]}


def close_codes() -> dict[int, Message]:
    """Return the table of close codes, by code."""
    return {row["code"]: row for row in document()["x-close-codes"]}


def check(message: Message) -> None:
    """Assert that a message of the router fits the document, field by field."""
    names = [message["type"]]
    if message["type"] == "reply":
        names = [name for name in document()["components"]["messages"] if name.startswith("reply.")]
    assert any(fits(name, message) for name in names), f"not in the document: {message}"


def fits(name: str, message: Message) -> bool:
    """Return whether a message has exactly the fields of the document's message of this name."""
    described = document()["components"]["messages"].get(name)
    return described is not None and _fits(described["payload"], message)


def _fits(schema: Any, value: Any) -> bool:
    if "$ref" in schema:
        return _fits(_referred(schema), value)
    if "oneOf" in schema:
        return any(_fits(each, value) for each in schema["oneOf"])
    if "const" in schema or "enum" in schema:
        return value in schema.get("enum", (schema.get("const"),))
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(_is(kind, value) for kind in kinds):
        return False
    if "prefixItems" in schema:
        return len(value) == len(schema["prefixItems"]) and all(map(_fits, schema["prefixItems"], value))
    if "items" in schema and value is not None:
        return all(_fits(schema["items"], each) for each in value)
    if schema.get("title") == "Error":
        return _fits_error(schema, value)
    return "properties" not in schema or (_is_whole(schema, value) and _fields_fit(schema, value))


def _is_whole(schema: Any, value: Any) -> bool:
    """Return whether all fields are there but those that are left out where they are unset."""
    left_out = {
        name
        for name, each in schema["properties"].items()
        if name not in schema.get("required", ())
        and (
            name in ("passed", "attributes")
            or schema["title"] in _PARTIAL
            or "$ref" in each
            or each.get("type", "") in _LEFT_OUT
        )
    }
    return set(schema["properties"]) - left_out <= set(value) <= set(schema["properties"])


def _fits_error(schema: Any, error: Any) -> bool:
    """Return whether an error holds exactly the `details` of its code."""
    fields = {name: each for name, each in error.items() if name != "details"}
    if set(error) != set(schema["properties"]) or not _fields_fit(schema, fields):
        return False
    reference, details = error_codes()[error["code"]]["details"], error["details"]
    if not reference:
        return not details
    described: dict[str, Any] = _referred(reference)
    names = set(details)
    is_whole = set(described.get("required", ())) <= names <= set(described["properties"])
    return is_whole and _fields_fit(described, details)


def _fields_fit(schema: Any, value: Any) -> bool:
    return all(_fits(schema["properties"][name], each) for name, each in value.items())


def _is(kind: str, value: Any) -> bool:
    # A boolean is an integer in Python, and nowhere else.
    return isinstance(value, _KINDS[kind]) and not (kind == "integer" and isinstance(value, bool))


def _referred(schema: Any) -> Any:
    return document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
