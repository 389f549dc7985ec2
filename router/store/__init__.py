"""Everything that talks to Redis or Valkey."""

from router.store.errors import StoreDefect, Unavailable, Unsupported
from router.store.link import Counts, Limits
from router.store.store import Store

__all__ = ["Counts", "Limits", "Store", "StoreDefect", "Unavailable", "Unsupported"]
