"""What a test corruptions, and what must be found of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from tests.router.audit.fixture import Fixture

Found: TypeAlias = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Corruption:
    """
    One thing that no command would write.

    Args:
        what: What it is.
        apply: Writes it.
        found: The invariants and the keys of all that an audit must find.
        left: What of it is still there after a rebuild.
    """

    what: str
    apply: Callable[[Fixture], object]
    found: set[Found]
    left: frozenset[Found] = frozenset()


def corruption(
    what: str, apply: Callable[[Fixture], object], *found: Found, left: bool | set[Found] = False
) -> Corruption:
    """Return a corruption of which a rebuild leaves nothing, some, or all that no event tells of."""
    kept = {one for one in found if one[0] != "S10"} if left is True else left or set()
    return Corruption(what, apply, set(found), frozenset(kept))
