"""Bounds of the fields of commands: ids, names, texts and numbers (PROTOCOL.md, Conventions)."""

from __future__ import annotations

import math
import unicodedata
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

INTEGER_MAX = 2**53 - 1
BATCH_ITEMS_MAX = 64
MESSAGE_BYTES_MAX = 64 * 1024
DEPARTMENTS_MAX = 64
NAME_CHARACTERS_MAX = 120
ATTRIBUTES_BYTES_MAX = 4 * 1024
LIMIT_MAX = 500
LIMIT_DEFAULT = 100

# "\A" and "\Z" rather than "^" and "$": "$" also matches before a newline at the end.
ID_PATTERN = r"\A[A-Za-z0-9_.@:+|/='-]{1,128}\Z"
ID_WORDS = "1 to 128 of A-Z a-z 0-9 _ . @ : + | / = ' -"
"""`ID_PATTERN` for people."""
SHORT_ID_PATTERN = r"\A[A-Za-z0-9_.@:+|/='-]{1,64}\Z"
TIME_PATTERN = r"\A(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z"
DATE_PATTERN = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z"
PATTERN_WORDS = {
    ID_PATTERN: f"an id: {ID_WORDS}",
    SHORT_ID_PATTERN: f"an id: {ID_WORDS.replace('128', '64')}",
    TIME_PATTERN: "a time as in `09:30`, or `24:00`",
    DATE_PATTERN: "a date as in `2026-12-25`",
}
"""Every pattern for people."""

Id: TypeAlias = Annotated[str, Meta(pattern=ID_PATTERN, description="An id; the whole string matches.")]
CommandId: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=64, description="Chosen by the client, to match the reply.")
]
Key: TypeAlias = Annotated[
    str,
    Meta(min_length=1, max_length=64, description="Idempotency key: applied at most once in ten minutes."),
]
Name: TypeAlias = Annotated[
    str,
    Meta(min_length=1, max_length=NAME_CHARACTERS_MAX, description="At least one visible character."),
]
ClientName: TypeAlias = Annotated[str, Meta(max_length=120)]
Reason: TypeAlias = Annotated[str, Meta(max_length=1000)]
StatusText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
NoteText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=4000)]
Token: TypeAlias = Annotated[
    str, Meta(max_length=16384, description="A JWT. Without one the answer is `unauthorized`.")
]
Epoch: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=64, description="Names one unbroken run of `seq`; opaque.")
]
Cursor: TypeAlias = Annotated[str, Meta(max_length=64, description="From the previous page; opaque.")]
Attribute: TypeAlias = str | Annotated[int, Meta(ge=-INTEGER_MAX, le=INTEGER_MAX)] | float | bool
Attributes: TypeAlias = Annotated[
    dict[str, Attribute],
    Meta(description=f"At most {ATTRIBUTES_BYTES_MAX} bytes as JSON without spaces, in UTF-8."),
]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=INTEGER_MAX)]
Limit: TypeAlias = Annotated[int, Meta(ge=1, le=LIMIT_MAX, description=f"{LIMIT_DEFAULT} if absent.")]


class FieldError(ValueError):
    """A value breaks a rule that no bound can express; the codec adds ``field`` to the path of the error."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def require_attributes(field: str, attributes: dict[str, Attribute] | None) -> None:
    """
    Check what a back end keeps with a session.

    Args:
        field: The field that holds it.
        attributes: By name.

    Raises:
        FieldError: It is longer than ATTRIBUTES_BYTES_MAX, or holds a number that JSON has not.
    """
    if not attributes:
        return
    if any(isinstance(value, float) and not math.isfinite(value) for value in attributes.values()):
        raise FieldError(field, "Expected finite numbers")
    if len(msgspec.json.encode(attributes)) > ATTRIBUTES_BYTES_MAX:
        raise FieldError(field, f"Expected at most {ATTRIBUTES_BYTES_MAX} bytes as JSON")


def is_visible(name: str) -> bool:
    """Return whether a text has a character other than spaces, controls and format characters."""
    return any(unicodedata.category(character) not in _INVISIBLE for character in name)


def require_visible(field: str, name: str) -> None:
    """
    Check that a name shows something on a screen.

    Args:
        field: The field that holds it.
        name: The name.

    Raises:
        FieldError: It holds only spaces, controls and format characters (Unicode categories Z, Cc and Cf).
    """
    if not is_visible(name):
        raise FieldError(field, "Expected a name with a visible character")


_INVISIBLE = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
