"""
One node of the job on the websockets library and Redis pub/sub, as the library's documentation advises:
broadcast() for what goes to many, no compression, uvloop.

usage: python websockets_server.py PORT REDIS_PORT
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from typing import Any

import redis.asyncio as redis
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench.peers.messages import row, sent


class Node:
    """Hold the connections of one node, and pass on what the others publish."""

    def __init__(self, redis_port: int) -> None:
        self.store: Any = redis.Redis(port=redis_port)
        self.dialogs: set[ServerConnection] = set()
        self.agents: defaultdict[str, set[ServerConnection]] = defaultdict(set)

    async def listen(self) -> None:
        """Take what any node publishes, this one included."""
        channel = self.store.pubsub(ignore_subscribe_messages=True)
        await channel.subscribe("dialogs", "agents")
        async for message in channel.listen():
            text = message["data"].decode()
            if message["channel"] == b"dialogs":
                broadcast(self.dialogs, text)
            else:
                agent, _, news = text.partition(" ")
                broadcast(self.agents.get(agent, ()), news)

    async def serve(self, connection: ServerConnection) -> None:
        """Serve one client until it leaves."""
        hello = json.loads(await connection.recv())
        agent = hello["agent"]
        self.agents[agent].add(connection)
        if hello["dialog"]:
            self.dialogs.add(connection)
        await connection.send(json.dumps({"type": "welcome"}))
        try:
            async for data in connection:
                await self.receive(connection, agent, json.loads(data))
        finally:
            self.dialogs.discard(connection)
            self.agents[agent].discard(connection)

    async def receive(self, connection: ServerConnection, agent: str, message: dict[str, Any]) -> None:
        """Carry a command out: write it down, tell whom it concerns, answer."""
        at = time.time_ns() // 1_000_000
        pipeline = self.store.pipeline(transaction=False)
        if message["type"] == "status":
            changed = row(agent, message["status"], at)
            pipeline.hset("agents", agent, json.dumps(changed))
            pipeline.publish("dialogs", json.dumps({"type": "row", "row": changed}))
            answer = {"type": "reply", "id": message["id"]}
        else:
            news = sent(message["session_id"], agent, message["to"], at)
            pipeline.hset("sessions", message["session_id"], json.dumps(news["session"]))
            pipeline.publish("agents", f"{message['to']} " + json.dumps({"type": "session.assigned", **news}))
            answer = {"type": "session.removed", "session_id": message["session_id"], "id": message["id"]}
        await pipeline.execute()
        await connection.send(json.dumps(answer))


async def main(port: int, redis_port: int) -> None:
    """Serve until the process is stopped."""
    node = Node(redis_port)
    async with serve(node.serve, "127.0.0.1", port, compression=None, max_size=65_536):
        await node.listen()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
