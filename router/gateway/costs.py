"""
What a command costs beside its message, for fairness and rate limits. Pure.

A command that reads many rows counts as several where commands share a loop iteration, a tenant's room in
flight and a batch to the store. Its answer is charged to the rate limits by the rows and bytes that it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin

import msgspec

from relevo.protocol.bounds import LIMIT_DEFAULT
from relevo.protocol.commands import COMMANDS
from relevo.protocol.errors import Error
from relevo.protocol.results import Result

CHARGED_BYTES = 4 * 1024
"""
So many bytes of an answer cost one token more: an agent may be sent 4 MB a second by default and 16 MB at
once, a tenant 20 MB and 80 MB. Most answers are shorter than 4 KiB, and cost nothing but their message.
"""

CHARGED_ROWS = 16
"""So many rows of an answer cost one token more: to read that many takes the store as long as a command."""

_ROWS: Mapping[type[Result], str] = {
    kind: field.name
    for kind in get_args(Result)
    for field in msgspec.structs.fields(kind)
    if get_origin(field.type) is list
}
"""The results that hold rows, and the name of their field."""


_PAGED = frozenset(kind for kind in COMMANDS.values() if "limit" in kind.__struct_fields__)
"""The commands that read a page of rows."""


def weight(command: Any) -> int:
    """Return as how many commands to count one that is about to start: by the rows that it may read."""
    return 1 if type(command) not in _PAGED else 1 + (command.limit or LIMIT_DEFAULT) // CHARGED_ROWS


def charge(answer: Result | Error, size_bytes: int) -> int:
    """
    Return how many tokens an answer costs beside that of its command's message.

    Args:
        answer: The answer.
        size_bytes: Its size as it was encoded.
    """
    rows = _ROWS.get(type(answer))  # type: ignore[arg-type]
    return size_bytes // CHARGED_BYTES + (len(getattr(answer, rows)) // CHARGED_ROWS if rows else 0)
