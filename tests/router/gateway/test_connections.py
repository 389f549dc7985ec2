"""Accept, count and drain, with fake sockets."""

import asyncio
from typing import Any

import msgspec
import pytest

from relevo.router.gateway.connections import Connections
from relevo.router.gateway.endpoint import ClientEndpoint
from tests.router.gateway.fakes import FakeServices, FakeSocket


class NodeConnections:
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
    node = NodeConnections()
    first, second = (node.connections.accept(FakeSocket()) for _ in range(2))
    assert first.connection_id != second.connection_id
    assert (len(node.connections), node.parts.counts.accepted) == (2, 2)
    first.lost(1006, False)
    assert (len(node.connections), node.parts.counts.accepted) == (1, 2)


@pytest.mark.parametrize(
    ("by_peer", "code", "counted"), [(True, 4999, "client"), (False, 4003, "4003"), (False, 1006, "1006")]
)
async def test_closes_are_counted_by_the_side_that_closed(by_peer: bool, code: int, counted: str) -> None:
    node = NodeConnections()
    node.connections.accept(FakeSocket()).lost(code, by_peer)
    assert node.parts.counts.closes == {counted: 1}


@pytest.mark.limit("connections_max")
async def test_a_node_with_connections_max_refuses_more() -> None:
    node = NodeConnections(connections_max=1)
    assert node.connections.refuse("192.0.2.1") is None
    endpoint = node.connections.accept(FakeSocket())
    assert node.connections.refuse("192.0.2.2") == (503, "too many connections")
    endpoint.lost(1006, False)
    assert node.connections.refuse("192.0.2.2") is None


async def test_an_address_with_its_maximum_is_refused_more() -> None:
    node = NodeConnections(connections_per_address_max=1)
    endpoint = node.connections.accept(FakeSocket(remote="192.0.2.1"))
    assert node.connections.refuse("192.0.2.1") == (429, "too many connections from this address")
    assert node.connections.refuse("192.0.2.2") is None
    endpoint.lost(1006, False)
    assert node.connections.refuse("192.0.2.1") is None


async def test_an_address_behind_a_trusted_proxy_is_the_forwarded_one() -> None:
    node = NodeConnections(trusted_proxies=("10.0.0.0/8",))
    assert node.connections.locate("10.0.0.1", ["192.0.2.7"]) == "192.0.2.7"
    assert node.connections.locate("192.0.2.1", ["192.0.2.7"]) == "192.0.2.1"


async def test_a_draining_node_refuses_and_tells_its_clients() -> None:
    node = NodeConnections(drain_ms=60_000)
    socket = FakeSocket()
    endpoint = await node.welcome(socket)
    socket.sent()
    draining = asyncio.create_task(node.connections.drain())
    await asyncio.sleep(0)
    assert node.connections.refuse("192.0.2.1") == (503, "draining")
    assert [message["type"] for message in socket.sent()] == ["server.draining"]
    endpoint.lost(4000, False)
    async with asyncio.timeout(30):
        await draining


async def test_a_drain_without_clients_ends_at_once() -> None:
    async with asyncio.timeout(30):
        await NodeConnections(drain_ms=3_600_000).connections.drain()


def leave_in_ms(node: NodeConnections) -> int:
    delay_ms = node.connections.leave_in_ms
    assert delay_ms is not None
    return delay_ms


async def test_the_time_to_leave_is_within_the_drain() -> None:
    node = NodeConnections(drain_ms=1000)
    assert node.connections.leave_in_ms is None
    node.connections.is_draining = True
    assert all(0 <= leave_in_ms(node) <= 1000 for _ in range(100))


async def test_a_lost_client_leaves_its_tenant() -> None:
    node = NodeConnections()
    endpoint = await node.welcome(FakeSocket())
    assert node.parts.registry.entered == [endpoint.connection_id]
    endpoint.lost(1006, False)
    assert node.parts.registry.entered == []


async def test_an_address_with_many_refused_tokens_is_refused_and_others_are_not() -> None:
    node = NodeConnections(refused_token_rate=1)
    for _ in range(4):
        assert node.connections.refuse("192.0.2.1") is None
        endpoint = node.connections.accept(FakeSocket(remote="192.0.2.1"))
        endpoint.received(msgspec.json.encode({"type": "hello", "id": "h", "token": "bad"}))
        await node.parts.settle()
    refused = (429, "too many refused tokens from this address")
    assert node.connections.refuse("192.0.2.1") == refused
    assert node.connections.refuse("192.0.2.2") is None
    assert node.connections.refuse("") is None
    assert node.parts.counts.refused == {refused[1]: 1}
    assert node.parts.services.sign_ins.refused == {"signature": 4}


async def test_an_address_that_connects_too_fast_is_refused_and_others_are_not() -> None:
    node = NodeConnections(connect_rate=1)
    answers = [node.connections.refuse("192.0.2.1") for _ in range(5)]
    assert answers == [None] * 4 + [(429, "too many new connections from this address")]
    assert node.connections.refuse("192.0.2.2") is None
