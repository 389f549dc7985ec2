"""
How the keys and channels of a tenant are called.

Each begins with the tenant's prefix, whose braces keep a tenant in one slot of a Cluster. The commands get
the prefix and join the rest themselves: the header of ``lua/lib/step.lua`` lists what there is.
"""

from __future__ import annotations

import re
from typing import Final

_KEY: Final = re.compile(rb"relevo:\{([^{}]+)\}:(.*)", re.DOTALL)


STORE: Final = "~"
"""Stands for a tenant in keys that are the store's own; no tenant has such an id."""


def prefix(tenant: str) -> str:
    """Return what all keys and channels of a tenant start with."""
    return f"relevo:{{{tenant}}}:"


def feed_channel(tenant: str) -> bytes:
    """Return the channel on which a tenant's events are published."""
    return f"{prefix(tenant)}feed".encode()


def parse_key(key: bytes) -> tuple[str, str] | None:
    """Return a key's tenant, and its name after the prefix; None for a key that is no tenant's."""
    match = _KEY.fullmatch(key)
    if match is None or match[1] == STORE.encode():
        return None
    return match[1].decode("utf-8", "backslashreplace"), match[2].decode("utf-8", "backslashreplace")
