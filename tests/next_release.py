"""
A release after this one: with a newer schema, a field in a session's record that only that schema has, an
extra field, which needs no schema, and another function library.

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
EXTRA = "written"
"""The name of the extra field: how many of a session's records this release wrote."""

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
        r"return (schema >= 2 and '\220\0\32' or SESSION_FIELDS) .. pack(",
    ),
    (
        f"{LUA}/records.lua",
        "sub(s.record, s.rest + 1)",
        "sub(s.record, s.rest + 1)"
        f" .. (schema >= 2 and string.byte(s.record, 3) == 31 and pack('{FIELD}') or '')",
    ),
    (
        f"{LUA}/sessions.lua",
        "pack_entry(kind, now, text, by, extra or NO_EXTRA) .. (transfer or NIL)",
        "pack_entry(kind, now, text, by, extra or NO_EXTRA) .. (transfer or NIL)"
        f" .. (schema >= 2 and pack('{FIELD}') or '')",
    ),
    (
        f"{LUA}/sessions.lua",
        "  if transfer then s.transfer_at = s.index end\n",
        f"  if transfer then s.transfer_at = s.index end\n"
        f"  set_extra(s, '{EXTRA}', (s.extra.{EXTRA} or 0) + 1)\n",
    ),
    ("router/store/records.py", "SCHEMA: Final = 1", "SCHEMA: Final = 2"),
    ("router/store/records.py", "frozenset({1})", "frozenset({1, 2})"),
    (
        "router/store/records.py",
        "    transfer: TransferRecord | None = None\n\n\n_meta = ",
        '    transfer: TransferRecord | None = None\n    note: str = ""\n\n\n_meta = ',
    ),
    (
        "router/store/records.py",
        "    since: int = 0\n",
        f"    since: int = 0\n    {EXTRA}: int = 0\n",
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
