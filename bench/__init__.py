"""Measure routers, their store, and what one would build without them: ``python -m bench``."""
