"""The limit of open files (RLIMIT_NOFILE): raised as far as it goes, and shared out among connections."""

from __future__ import annotations

import os
import resource
from typing import Final, NamedTuple

OPEN_FILES_WANTED: Final = 1_048_576
"""The limit where the hard one is none: some systems take no higher one (Linux: fs.nr_open)."""

RESERVED_FILES: Final = 32
"""What a process opens besides clients: connections to store and workers, the console's files."""

HTTP_SHARE: Final = 4
"""Where files are short, one connection in so many is kept for HTTP: probes find room beside websockets."""


class Shares(NamedTuple):
    """How many websockets and how many HTTP connections a process may have open."""

    websockets: int
    http: int


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one, and return what holds then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
        except (OSError, ValueError):
            # A sandbox may forbid it.
            return soft
    return wanted if soft == resource.RLIM_INFINITY else soft


def count_open() -> int:
    """Return how many files this process has open."""
    return len(os.listdir("/dev/fd"))


def shares(limit: int, open_files: int, websockets_max: int, http_max: int) -> Shares:
    """
    Share out the files that may still be opened. Pure.

    Args:
        limit: The limit of open files.
        open_files: How many are open.
        websockets_max: How many websockets the settings allow.
        http_max: How many HTTP connections are allowed.
    """
    free = max(limit - open_files - RESERVED_FILES, 2)
    if free >= websockets_max + http_max:
        return Shares(websockets_max, http_max)
    http = min(http_max, max(free // HTTP_SHARE, 1))
    return Shares(min(websockets_max, free - http), http)
