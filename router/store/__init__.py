"""Everything that talks to Redis or Valkey."""

from router.store.errors import StoreDefect, Unavailable, Unsupported
from router.store.link import Counts, Limits
from router.store.store import Store
from router.store.subscription import Subscriptions

__all__ = ["Counts", "Limits", "Store", "StoreDefect", "Subscriptions", "Unavailable", "Unsupported"]
