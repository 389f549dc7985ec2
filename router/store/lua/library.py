"""
The verbs' Lua sources, joined into one function library of the server.

A function library rather than a script for each verb: what the verbs share is compiled and built once, not at
every call, which saves a third of what a transfer costs the store. Its name holds a digest of its text, so
that routers of two releases, each with its own verbs, run side by side on one store.
"""

import hashlib
from pathlib import Path

FOLDER = Path(__file__).parent
SHARED = ("records.lua", "library.lua", "settle.lua")
"""The files of `lib`, in this order: what every verb needs."""


class Scripts:
    """
    Load every verb of a folder.

    Args:
        folder: Holds ``lib`` and ``commands``; a file of the latter registers the verb that it is named for.

    Raises:
        ValueError: The folder holds no verb.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        shared = [file for name in SHARED if (file := folder / "lib" / name).exists()]
        files = sorted((folder / "commands").glob("*.lua"))
        if not files:
            raise ValueError(f"no scripts in {folder}")
        body = b"\n".join(file.read_bytes() for file in (*shared, *files))
        # Nothing is protected by the digest; it tells one text from another.
        name = f"relevo_{hashlib.sha1(body, usedforsecurity=False).hexdigest()[:16]}"
        self.name = name
        self.source = f'#!lua name={name}\nlocal LIBRARY = "{name}"\n'.encode() + body
        self._functions = {file.stem: f"{name}_{file.stem}".encode() for file in files}

    def function(self, verb: str) -> bytes:
        """Return the name under which the server knows a verb; raises KeyError for an unknown one."""
        return self._functions[verb]

    @property
    def verbs(self) -> tuple[str, ...]:
        """Return the names of all verbs."""
        return tuple(self._functions)
