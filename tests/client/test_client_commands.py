from __future__ import annotations

import asyncio
from typing import Any

from relevo_client import Target

from .scripted import ScriptedRouter, connected
from .wire import session_map, transfer_map

ENTRY = {"seq": 1, "kind": "internal", "at": 5, "by": None, "text": "hola", "transfer": None}


async def test_command_method_sends_its_message(router: ScriptedRouter) -> None:
    session = {"session": session_map()}
    async with connected(router) as (client, connection):
        calls: list[tuple[Any, str, dict[str, Any], dict[str, Any]]] = [
            (
                client.sessions.transfer("c-1", Target.agent("bo"), force=True),
                "session.transfer",
                {"session_id": "c-1", "target": {"kind": "agent", "id": "bo"}, "force": True},
                session | {"transfer": transfer_map()},
            ),
            (
                client.sessions.check_transfer("c-1", Target.agent("bo"), "busy"),
                "session.transfer",
                {
                    "session_id": "c-1",
                    "target": {"kind": "agent", "id": "bo"},
                    "reason": "busy",
                    "check": True,
                },
                {"outcome": "pending"},
            ),
            (client.sessions.watch(), "session.watch", {}, {}),
            (
                client.sessions.watch(resume=("e", 4)),
                "session.watch",
                {"resume": {"epoch": "e", "seq": 4}},
                {"resumed": True},
            ),
            (client.sessions.unwatch(), "session.unwatch", {}, {}),
            (client.directory.unsubscribe(), "directory.unsubscribe", {}, {}),
            (client.refresh_token("new"), "token.refresh", {"token": "new"}, {"expires_at": 5}),
        ]
        for call, command_type, fields, result in calls:
            calling = asyncio.ensure_future(call)
            command = await connection.expect(command_type)
            await connection.reply(command, result)
            await calling
            assert {
                name: value for name, value in command.items() if name not in ("type", "id", "key")
            } == fields


async def test_history_entries_and_sessions_read_page_by_page(router: ScriptedRouter) -> None:
    async def read() -> tuple[list[int], list[str]]:
        entries = [entry.seq async for entry in client.sessions.history("c-1")]
        return entries, [session.id async for session in client.sessions.list(state="queued")]

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
