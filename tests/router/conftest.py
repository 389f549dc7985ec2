"""Run the router's tests on the event loop that the router runs on."""

import asyncio
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Name the one loop; the plugin asks for it for each asynchronous test."""
    return {"uvloop": uvloop.new_event_loop}
