from __future__ import annotations

import asyncio

from .scripted import ScriptedRouter, connected
from .wire import session_map

ENTRY = {"seq": 1, "kind": "internal", "at": 5, "by": None, "text": "hola", "transfer": None}


async def test_history_entries_and_sessions_read_page_by_page(router: ScriptedRouter) -> None:
    async def read() -> tuple[list[int], list[str]]:
        entries = [entry.seq async for entry in client.history_entries("c-1")]
        return entries, [session.id async for session in client.sessions(state="queued")]

    async with connected(router) as (client, connection):
        reading = asyncio.create_task(read())
        for after, more in ((None, True), (2, False)):
            command = await connection.expect("session.history")
            assert command.get("after") == after
            start = after or 0
            entries = [ENTRY | {"seq": start + 1}, ENTRY | {"seq": start + 2}]
            await connection.reply(command, {"entries": entries, "more": more})
        for cursor, following in ((None, "next"), ("next", None)):
            command = await connection.expect("session.list")
            assert (command.get("cursor"), command["state"]) == (cursor, "queued")
            sessions = [session_map(f"after-{cursor}")]
            await connection.reply(command, {"sessions": sessions, "cursor": following})

        assert await reading == ([1, 2, 3, 4], ["after-None", "after-next"])
