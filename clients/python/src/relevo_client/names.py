"""Names as people look for them and as lists order them: the same in every client, by vectors/names.json."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# Letters that Unicode decomposes into nothing simpler, as their neighbours on a plain keyboard.
_PLAIN_LETTERS = str.maketrans(
    {
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "ß": "ss",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ħ": "h",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
        "ȷ": "j",
        "ĸ": "k",
        "ł": "l",
        "ŋ": "n",
        "ŧ": "t",
        "ə": "e",
        "ɛ": "e",
        "ɔ": "o",
        "ɓ": "b",
        "ɗ": "d",
        "ƙ": "k",
        "ƴ": "y",
        "\N{GREEK SMALL LETTER FINAL SIGMA}": "\N{GREEK SMALL LETTER SIGMA}",
        "\N{CYRILLIC SMALL LETTER GHE WITH UPTURN}": "\N{CYRILLIC SMALL LETTER GHE}",
    }
)
# Accents of Latin, Greek, Cyrillic, Hebrew and Arabic, and characters without width. A dakuten stays: it
# makes another kana.
_MARKS = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u00ad\u200b-\u200f\u2060\ufeff]"
)
_NUMBER = re.compile("[0-9]+")


def fold_text(text: str) -> str:
    """Return a text as it is searched: without case, accents and width, so that "lukasz" finds "Łukasz"."""
    return _MARKS.sub("", unicodedata.normalize("NFKD", text)).lower().translate(_PLAIN_LETTERS)


def search_terms(search: str) -> list[str]:
    """Return the words of a search, folded."""
    return fold_text(search).split()


def has_terms(terms: Sequence[str], texts: Sequence[str]) -> bool:
    """
    Return whether each word of a search stands in one of the texts.

    Args:
        terms: As of `search_terms`; none of them: everything is found.
        texts: Such as a name and an id.
    """
    if not terms:
        return True
    text = fold_text("\n".join(texts))
    return all(term in text for term in terms)


def order_key(name: str) -> bytes:
    """Return bytes in whose order names stand: folded, numbers as numbers ("Agent 9" before "Agent 10")."""
    # As UTF-16, in whose units JavaScript compares.
    return _NUMBER.sub(_number_key, fold_text(name)).encode("utf-16-be", "surrogatepass")


def _number_key(digits: re.Match[str]) -> str:
    number = digits[0].lstrip("0")
    # Of two numbers the one with more digits is greater.
    return f"0{chr(len(number))}{number}"
