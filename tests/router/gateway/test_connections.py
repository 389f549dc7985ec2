"""Accept, count and drain, with fake sockets."""

import asyncio
from typing import Any

import msgspec
import pytest

from relevo.router.gateway.connections import Connections
from relevo.router.gateway.endpoint import ClientEndpoint
from tests.router.gateway.fakes import FakeServices, FakeSocket


class Door:
    """The connections of a node of fakes."""

    def __init__(self, **changed: Any) -> None:
        self.parts = FakeServices(**changed)
        self.connections = Connections(self.parts.services)

    async def welcome(self, socket: FakeSocket) -> ClientEndpoint:
        endpoint = self.connections.accept(socket)
        endpoint.received(msgspec.json.encode({"type": "hello", "id": "h", "token": "ana"}))
        await self.parts.settle()
        return endpoint


async def test_accepted_sockets_are_counted_and_named_apart() -> None:
    door = Door()
    first, second = (door.connections.accept(FakeSocket()) for _ in range(2))
    assert first.connection_id != second.connection_id
    assert (len(door.connections), door.parts.counts.accepted) == (2, 2)
    first.lost(1006, False)
    assert (len(door.connections), door.parts.counts.accepted) == (1, 2)


@pytest.mark.parametrize(
    ("by_peer", "code", "counted"), [(True, 4999, "client"), (False, 4003, "4003"), (False, 1006, "1006")]
)
async def test_closes_are_counted_by_the_side_that_closed(by_peer: bool, code: int, counted: str) -> None:
    door = Door()
    door.connections.accept(FakeSocket()).lost(code, by_peer)
    assert door.parts.counts.closes == {counted: 1}


async def test_a_node_with_connections_max_refuses_more() -> None:
    door = Door(connections_max=1)
    assert door.connections.refuse("192.0.2.1") is None
    endpoint = door.connections.accept(FakeSocket())
    assert door.connections.refuse("192.0.2.2") == (503, "too many connections")
    endpoint.lost(1006, False)
    assert door.connections.refuse("192.0.2.2") is None


async def test_an_address_with_its_maximum_is_refused_more() -> None:
    door = Door(connections_per_address_max=1)
    endpoint = door.connections.accept(FakeSocket(remote="192.0.2.1"))
    assert door.connections.refuse("192.0.2.1") == (429, "too many connections from this address")
    assert door.connections.refuse("192.0.2.2") is None
    endpoint.lost(1006, False)
    assert door.connections.refuse("192.0.2.1") is None


async def test_an_address_behind_a_trusted_proxy_is_the_forwarded_one() -> None:
    door = Door(trusted_proxies=("10.0.0.0/8",))
    assert door.connections.locate("10.0.0.1", ["192.0.2.7"]) == "192.0.2.7"
    assert door.connections.locate("192.0.2.1", ["192.0.2.7"]) == "192.0.2.1"


async def test_a_draining_node_refuses_and_tells_its_clients() -> None:
    door = Door(drain_ms=60_000)
    socket = FakeSocket()
    endpoint = await door.welcome(socket)
    socket.sent()
    draining = asyncio.create_task(door.connections.drain())
    await asyncio.sleep(0)
    assert door.connections.refuse("192.0.2.1") == (503, "draining")
    assert [message["type"] for message in socket.sent()] == ["server.draining"]
    endpoint.lost(4000, False)
    async with asyncio.timeout(30):
        await draining


async def test_a_drain_without_clients_ends_at_once() -> None:
    async with asyncio.timeout(30):
        await Door(drain_ms=3_600_000).connections.drain()


def leave_in_ms(door: Door) -> int:
    delay_ms = door.connections.leave_in_ms
    assert delay_ms is not None
    return delay_ms


async def test_the_time_to_leave_is_within_the_drain() -> None:
    door = Door(drain_ms=1000)
    assert door.connections.leave_in_ms is None
    door.connections.is_draining = True
    assert all(0 <= leave_in_ms(door) <= 1000 for _ in range(100))


async def test_a_lost_client_leaves_its_tenant() -> None:
    door = Door()
    endpoint = await door.welcome(FakeSocket())
    assert door.parts.registry.entered == [endpoint.connection_id]
    endpoint.lost(1006, False)
    assert door.parts.registry.entered == []
