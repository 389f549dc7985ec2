"""Everything that talks to Redis or Valkey."""

from relevo.router.store.counts import Counts
from relevo.router.store.durability import Durability, Level
from relevo.router.store.errors import StoreDefect, Unavailable, Unsupported
from relevo.router.store.link import Limits
from relevo.router.store.store import Store
from relevo.router.store.subscription import Subscriptions

__all__ = [
    "Counts",
    "Durability",
    "Level",
    "Limits",
    "Store",
    "StoreDefect",
    "Subscriptions",
    "Unavailable",
    "Unsupported",
]
