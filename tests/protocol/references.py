"""References of a document: find them and follow them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def references_in(value: Any) -> Iterator[str]:
    """Yield every reference of a document."""
    for each in parts_of(value):
        if isinstance(each.get("$ref"), str):
            yield each["$ref"]


def parts_of(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every map of a document, at any depth."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts_of(each)


def resolve(document: dict[str, Any], reference: str) -> Any:
    """Return what a reference points at."""
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node
