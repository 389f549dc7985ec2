"""
A release after this one: with a newer schema, one more field in a session's record, another function library.

It is made from a copy of the sources, as a router runs from one.
"""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = ("protocol", "router")
NEXT_SCHEMA = 2
FIELD = "of the next release"
"""What the new field holds."""

LUA = "router/store/lua/lib"
CHANGES = [
    (
        f"{LUA}/records.lua",
        "SCHEMA, READABLE = 1, {[1] = true}",
        "SCHEMA, READABLE = 2, {[1] = true, [2] = true}",
    ),
    (
        f"{LUA}/records.lua",
        "return SESSION_FIELDS .. pack(",
        r"return (schema >= 2 and '\220\0\29' or SESSION_FIELDS) .. pack(",
    ),
    (
        f"{LUA}/records.lua",
        "string.sub(s.record, s.rest + 1)",
        "string.sub(s.record, s.rest + 1)"
        f" .. (schema >= 2 and string.byte(s.record, 3) == 28 and pack('{FIELD}') or '')",
    ),
    (
        f"{LUA}/sessions.lua",
        "pack_entry(kind, now, text, by) .. (transfer or NIL)",
        f"pack_entry(kind, now, text, by) .. (transfer or NIL) .. (schema >= 2 and pack('{FIELD}') or '')",
    ),
    ("router/store/records.py", "SCHEMA: Final = 1", "SCHEMA: Final = 2"),
    ("router/store/records.py", "frozenset({1})", "frozenset({1, 2})"),
    (
        "router/store/records.py",
        "    transfer: TransferRecord | None = None\n\n\nclass SessionView",
        '    transfer: TransferRecord | None = None\n    note: str = ""\n\n\nclass SessionView',
    ),
    ("router/__init__.py", '__version__ = "', '__version__ = "next.'),
]
"""Files, what they hold, and what they hold in the next release."""


def copy_sources(folder: Path) -> Path:
    """Copy what a router runs from below a folder, which is then one for PYTHONPATH; return it."""
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / "relevo" / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "relevo/clients").symlink_to(ROOT / "clients")
    return folder


def replace(sources: Path, file: str, old: str, new: str) -> None:
    """Replace the one place in which a copied file holds a text."""
    path = sources / "relevo" / file
    text = path.read_text()
    assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
    path.write_text(text.replace(old, new))


def make_next_release(folder: Path) -> Path:
    """Make the next release's sources below a folder; return it."""
    copy_sources(folder)
    for file, old, new in CHANGES:
        replace(folder, file, old, new)
    return folder
