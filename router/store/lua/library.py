"""
The commands' Lua sources, joined into one function library of the server.

A function library rather than a script for each command: what the commands share is compiled once, not at
every call, which saves a third of what a transfer costs the store. Its name holds a digest of its text, so
that routers of two releases, each with its own commands, run side by side on one store.
"""

import hashlib
from pathlib import Path

from relevo.protocol.settings import SETTINGS

FOLDER = Path(__file__).parent
LIBRARIES = "relevo_*"
"""Matches the names of the libraries of all releases."""
SHARED = (
    "records.lua",
    "step.lua",
    "settings.lua",
    "directory.lua",
    "lists.lua",
    "routing.lua",
    "sessions.lua",
    "rules.lua",
    "presence.lua",
    "deadlines.lua",
    "migration.lua",
    "commit.lua",
    "run.lua",
)
"""
The files of `lib`, each before those that call it.

The server's Lua takes 200 local names outside of blocks: a file's own names stand in a block.
"""
DEFAULTS = ", ".join(
    f'{name} = "{row.default}"' if isinstance(row.default, str) else f"{name} = {str(row.default).lower()}"
    for name, row in SETTINGS.items()
    if isinstance(row.default, str | int)
)
"""The settings that hold where nothing is set, as a Lua table; of the others nothing is said by default."""


class Scripts:
    """
    Load every command of a folder.

    Args:
        folder: Holds ``lib`` and ``commands``; a file of the latter registers the command
            that it is named after.

    Raises:
        ValueError: The folder holds no command.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        shared = [file for name in SHARED if (file := folder / "lib" / name).exists()]
        files = sorted((folder / "commands").glob("*.lua"))
        if not files:
            raise ValueError(f"no scripts in {folder}")
        # A function each, because a function of the server's Lua has 200 local names at most.
        commands = [
            b"do local function register()\n%s\nend register() end" % file.read_bytes() for file in files
        ]
        defaults = f"local SETTING_DEFAULTS = {{{DEFAULTS}}}".encode()
        body = b"\n".join([defaults, *(file.read_bytes() for file in shared), *commands])
        # Nothing is protected by the digest; it tells one text from another.
        name = f"relevo_{hashlib.sha1(body, usedforsecurity=False).hexdigest()[:16]}"
        self.name = name
        self.source = f'#!lua name={name}\nlocal LIBRARY = "{name}"\n'.encode() + body
        self._functions = {file.stem: f"{name}_{file.stem}".encode() for file in files}

    def function(self, command: str) -> bytes:
        """Return the name under which the server knows a command; raises KeyError for an unknown one."""
        return self._functions[command]

    @property
    def commands(self) -> tuple[str, ...]:
        """Return the names of all commands."""
        return tuple(self._functions)
