"""The offices, routers and stores of the stories."""

from tests.e2e.conftest import make_office, office, own_store, routers, start_routers, store

__all__ = ["make_office", "office", "own_store", "routers", "start_routers", "store"]
