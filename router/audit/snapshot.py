"""
A tenant's data as a rule reads it: what was read at one instant, and what must be read besides.

A rule is a function of a snapshot. It asks for what it wants to know; what was not read yet ends it, and it
is called again with a snapshot of everything that it has ever asked for. So it follows references as it
needs, and yet all that it has seen when it comes to its end was so at one instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from relevo.router.audit.violation import Violation
from relevo.router.store.answers import ReadError

Read: TypeAlias = tuple[str | int, ...]
"""A command of the store that only reads, a key after the tenant's prefix, and the command's arguments."""


class UnreadKeysError(Exception):
    """
    A rule wants to know what was not read.

    Args:
        reads: What it wants.
    """

    def __init__(self, reads: tuple[Read, ...]) -> None:
        super().__init__(reads)
        self.reads = reads


class WrongTypeError(Exception):
    """
    A key is of a type that a read does not fit.

    Args:
        key: The key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Snapshot:
    """
    Hold what was read at one instant; call it to read.

    Args:
        values: What each read found.
        now_ms: That instant.
    """

    def __init__(self, values: Mapping[Read, Any], now_ms: int) -> None:
        self._values = values
        self.now_ms = now_ms

    def __call__(self, *reads: Read) -> list[Any]:
        """
        Return what the reads found: bytes, a number, a list, or None for nothing.

        Raises:
            UnreadKeysError: Some were not read.
            WrongTypeError: One does not fit its key.
        """
        missing = tuple(read for read in reads if read not in self._values)
        if missing:
            raise UnreadKeysError(missing)
        found = [self._values[read] for read in reads]
        for read, value in zip(reads, found, strict=True):
            if isinstance(value, ReadError):
                raise WrongTypeError(str(read[1]))
        return found


Rule: TypeAlias = Callable[[Snapshot], "Iterator[Violation | Rule]"]
"""Yields what is wrong, and the rules for what it came across."""
