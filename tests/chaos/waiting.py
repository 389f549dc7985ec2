"""Wait for what a router does by itself after a fault, with patience but not for ever."""

import asyncio
from typing import Any

from tests.raw_client import LIMIT_S, Message, RawClient
from tests.routers import RouterProcess

PAUSE_S = 0.02
"""Between two tries: a client that may repeat a command does not do so at once either."""


async def insist(client: RawClient, type: str, **fields: Any) -> Message:
    """Send a command with its key again and again, as long as the router says that it may be repeated."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            reply = await client.reply(await client.send(type, **fields))
            if "error" not in reply:
                result: Message = reply["result"]
                return result
            assert (reply["error"]["code"], reply["error"]["retryable"]) == ("unavailable", True), reply
            await asyncio.sleep(PAUSE_S)


async def until_ready(router: RouterProcess, ready: bool = True) -> str:
    """Ask a router whether it can serve until it says so, or says that it cannot; return what it says."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            status, text = await asyncio.to_thread(router.get, "/readyz")
            if (status == 200) is ready:
                return text
            await asyncio.sleep(PAUSE_S)


async def until_metric(router: RouterProcess, name: str, least: float) -> None:
    """Ask a router for a count until it is as high as this."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            if await asyncio.to_thread(router.metric, name) >= least:
                return
            await asyncio.sleep(PAUSE_S)


async def still_answered(*clients: RawClient) -> None:
    """Fail unless the router answers each of these, so that their connections have stayed."""
    for client in clients:
        assert (await client.reply(await client.send("ping")))["type"] == "pong"
