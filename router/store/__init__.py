"""Everything that talks to Redis or Valkey."""

from relevo.router.store.client.client import Store
from relevo.router.store.client.durability import Durability, Level
from relevo.router.store.client.errors import StoreDefect, Unavailable, Unsupported
from relevo.router.store.client.pipeline import Limits
from relevo.router.store.client.pubsub import Subscriptions
from relevo.router.store.client.stats import Counts

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
