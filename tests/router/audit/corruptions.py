"""What a test plants, and what must be found of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from tests.router.audit.fixture import Ground

Found: TypeAlias = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Plant:
    """
    One thing that no verb would write.

    Args:
        what: What it is.
        plant: Writes it.
        found: The invariants and the keys of all that an audit must find.
        left: What of it is still there after a repair.
    """

    what: str
    plant: Callable[[Ground], object]
    found: set[Found]
    left: frozenset[Found] = frozenset()


def planted(
    what: str, plant: Callable[[Ground], object], *found: Found, left: bool | set[Found] = False
) -> Plant:
    kept = set(found) if left is True else left or set()
    return Plant(what, plant, set(found), frozenset(kept))
