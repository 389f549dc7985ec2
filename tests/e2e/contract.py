"""The protocol's published document, as a client author reads it: what may be said, and how it looks."""

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
    """Fail unless what the router sent is a message of the document, field by field."""
    names = [message["type"]]
    if message["type"] == "reply":
        names = [name for name in document()["components"]["messages"] if name.startswith("reply.")]
    assert any(fits(name, message) for name in names), f"not in the document: {message}"


def fits(name: str, message: Message) -> bool:
    """Return whether a message is what the document calls by this name; nothing missing, nothing more."""
    described = document()["components"]["messages"].get(name)
    return described is not None and _fits(described["payload"], message)


def _fits(schema: Any, value: Any) -> bool:
    if "$ref" in schema:
        return _fits(document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]], value)
    if "anyOf" in schema:
        return any(_fits(each, value) for each in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    kind = schema.get("type")
    # A boolean is an integer in Python, and nowhere else.
    if kind is not None and (not isinstance(value, _KINDS[kind]) or (kind == "integer" and value is True)):
        return False
    if kind == "array":
        return all(_fits(schema.get("items", {}), each) for each in value)
    if "properties" in schema:
        fields = schema["properties"]
        return set(value) == set(fields) and all(_fits(fields[name], value[name]) for name in fields)
    return True
