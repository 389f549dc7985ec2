"""
One node of the job on python-socketio, as its documentation advises: the Redis manager, the msgpack
serializer, websockets only, no compression, uvicorn with uvloop.

usage: python socketio_server.py PORT REDIS_PORT
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import redis.asyncio as redis
import socketio
import uvicorn

from bench.peers.messages import row, sent


def application(redis_port: int) -> Any:
    """Return the ASGI application of one node."""
    url = f"redis://127.0.0.1:{redis_port}"
    store = redis.Redis.from_url(url)
    io = socketio.AsyncServer(
        async_mode="asgi",
        client_manager=socketio.AsyncRedisManager(url),
        serializer="msgpack",
        transports=["websocket"],
    )
    agents: dict[str, str] = {}

    @io.event  # type: ignore[untyped-decorator]
    async def hello(sid: str, message: dict[str, Any]) -> None:
        agents[sid] = message["agent"]
        await io.enter_room(sid, f"agent {message['agent']}")
        if message["dialog"]:
            await io.enter_room(sid, "dialogs")
        await io.emit("welcome", to=sid)

    @io.event  # type: ignore[untyped-decorator]
    async def status(sid: str, message: dict[str, Any]) -> None:
        changed = row(agents[sid], message["status"], time.time_ns() // 1_000_000)
        await store.hset("agents", agents[sid], json.dumps(changed))
        await io.emit("row", changed, room="dialogs")
        await io.emit("reply", message["id"], to=sid)

    @io.event  # type: ignore[untyped-decorator]
    async def transfer(sid: str, message: dict[str, Any]) -> None:
        news = sent(message["session_id"], agents[sid], message["to"], time.time_ns() // 1_000_000)
        await store.hset("sessions", message["session_id"], json.dumps(news["session"]))
        await io.emit("session.assigned", news, room=f"agent {message['to']}")
        await io.emit("session.removed", {"session_id": message["session_id"], "id": message["id"]}, to=sid)

    return socketio.ASGIApp(io)


if __name__ == "__main__":
    uvicorn.run(
        application(int(sys.argv[2])),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        ws_per_message_deflate=False,
        log_level="warning",
    )
