"""Everything that talks to Redis or Valkey."""

from router.store.counts import Counts
from router.store.durability import Durability, Level
from router.store.errors import StoreDefect, Unavailable, Unsupported
from router.store.link import Limits
from router.store.store import Store
from router.store.subscription import Subscriptions

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
