from __future__ import annotations

import asyncio
from typing import Any

from relevo_client import Customer, Target

from .scripted import ScriptedRouter, connected
from .wire import agent_row, session_map

ENTRY = {"seq": 1, "kind": "internal", "at": 5, "by": None, "text": "hola", "transfer": None}


async def test_command_method_sends_its_message(router: ScriptedRouter) -> None:
    session, agent, department = (
        {"session": session_map()},
        {"agent": agent_row()},
        {"department": {"id": "sales", "name": "Sales", "agents": 0, "available": 0, "queued": 0}},
    )
    async with connected(router) as (client, connection):
        calls: list[tuple[Any, str, dict[str, Any], dict[str, Any]]] = [
            (client.set_status("pause"), "status.set", {"status": "pause"}, agent),
            (
                client.set_status("disconnected", agent_id="bo"),
                "status.set",
                {"status": "disconnected", "agent_id": "bo"},
                agent,
            ),
            (
                client.open_session("c-1", Customer("u-1", "Eva"), Target.department("sales")),
                "session.open",
                {
                    "session_id": "c-1",
                    "customer": {"id": "u-1", "name": "Eva"},
                    "target": {"kind": "department", "id": "sales"},
                },
                session,
            ),
            (client.answer("c-1", fence=2), "session.answer", {"session_id": "c-1", "fence": 2}, session),
            (client.accept("c-1", fence=2), "session.accept", {"session_id": "c-1", "fence": 2}, session),
            (client.decline("c-1", "no"), "session.decline", {"session_id": "c-1", "reason": "no"}, session),
            (client.recall("c-1"), "session.recall", {"session_id": "c-1"}, session),
            (client.note("c-1", "hi"), "session.note", {"session_id": "c-1", "text": "hi"}, {"entry": ENTRY}),
            (client.close_session("c-1"), "session.close", {"session_id": "c-1"}, session),
            (client.get_session("c-1"), "session.get", {"session_id": "c-1"}, session),
            (client.place_in_queue("c-1"), "session.place", {"session_id": "c-1"}, {"place": 3}),
            (
                client.history("c-1", after=2, limit=5),
                "session.history",
                {"session_id": "c-1", "after": 2, "limit": 5},
                {"entries": [ENTRY], "more": False},
            ),
            (
                client.list_sessions(state="queued", department_id="sales", limit=2),
                "session.list",
                {"state": "queued", "department_id": "sales", "limit": 2},
                {"sessions": [session_map()], "cursor": None},
            ),
            (
                client.put_agent("ana", "Ana", departments=["sales"], capacity=3),
                "agent.put",
                {
                    "agent": {
                        "id": "ana",
                        "name": "Ana",
                        "role": "agent",
                        "departments": ["sales"],
                        "capacity": 3,
                    }
                },
                agent,
            ),
            (client.remove_agent("ana"), "agent.remove", {"agent_id": "ana"}, {}),
            (
                client.put_department("sales", "Sales"),
                "department.put",
                {"department": {"id": "sales", "name": "Sales"}},
                department,
            ),
            (
                client.remove_department("sales"),
                "department.remove",
                {"department_id": "sales"},
                {},
            ),
            (client.watch_sessions(), "session.watch", {}, {}),
            (client.unwatch_sessions(), "session.unwatch", {}, {}),
            (client.unsubscribe_directory(), "directory.unsubscribe", {}, {}),
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
