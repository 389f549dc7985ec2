"""The shell with a fake socket and a fake store: what the effects of a connection become."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from relevo.protocol.commands import StatusSet
from relevo.protocol.errors import CloseCode
from relevo.router.gateway.endpoint import ClientEndpoint
from relevo.router.store import answers
from relevo.router.store.client.errors import StoreUnavailableError
from relevo.router.store.commands import CommandRejectedError
from tests.router.events import session_record, session_view
from tests.router.gateway.fakes import FakeServices, FakeSocket, Message, attached


class Owner:
    """Keeps how its endpoints ended."""

    def __init__(self) -> None:
        self.leave_in_ms: int | None = None
        self.ended: list[tuple[int, bool]] = []

    def lost(self, endpoint: ClientEndpoint, code: int, by_peer: bool) -> None:
        self.ended.append((code, by_peer))


class Client:
    """An endpoint with the fakes around it."""

    def __init__(self, parts: FakeServices | None = None, **changed: Any) -> None:
        self.parts = parts or FakeServices(**changed)
        self.owner = Owner()
        self.socket = FakeSocket()
        self.endpoint = ClientEndpoint(self.parts.services, self.owner, self.socket, "c1")

    async def receive(self, *messages: Message) -> list[Message]:
        """Receive messages, and return what is sent until all tasks wait."""
        for message in messages:
            self.endpoint.received(msgspec.json.encode(message))
        await self.parts.settle()
        return self.socket.sent()

    async def hello(self, token: str = "ana") -> list[Message]:
        return await self.receive({"type": "hello", "id": "h", "token": token})


NOTE = {"type": "session.note", "id": "1", "session_id": "s", "text": "hi", "key": "k"}
GET = {"type": "session.get", "id": "2", "session_id": "s"}


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client()
    yield client
    client.endpoint.lost(1006, False)
    await client.parts.settle()


async def test_hello_registers_the_connection_and_welcomes(client: Client) -> None:
    client.parts.store.attached = attached(
        in_progress=[session_view(session_record("s1", "ana"))], epoch="e", seq=5
    )
    (welcome,) = await client.hello()
    assert (welcome["type"], welcome["agent"]["id"]) == ("welcome", "ana")
    assert [session["id"] for session in welcome["inbox"]["in_progress"]] == ["s1"]
    assert client.parts.store.names() == ["connect"]
    assert (client.parts.registry.entered, client.parts.counts.hellos) == (["c1"], 1)
    assert client.endpoint in client.parts.registry.tenant_hub.clients


async def test_hello_names_the_agents_connections_that_answer_no_ping(client: Client) -> None:
    client.socket.is_silent = True
    await client.hello()
    phone = Client(client.parts)
    await phone.hello()
    assert client.parts.store.asked[-1][1]["silent"] == ["c1"]
    phone.endpoint.lost(1006, False)


async def test_hello_of_a_back_end_registers_nothing(client: Client) -> None:
    client.parts.verifier.role = "service"
    (welcome,) = await client.hello("crm")
    assert (welcome["agent"], client.parts.store.names()) == (None, [])
    assert not client.endpoint.is_registered


@pytest.mark.parametrize(
    ("token", "error", "code", "close"),
    [
        ("bad", None, "unauthorized", CloseCode.UNAUTHORIZED),
        ("later", None, "unavailable", CloseCode.STORE_LOST),
        ("ana", CommandRejectedError("forbidden", {}), "forbidden", CloseCode.REMOVED),
        ("ana", StoreUnavailableError("no answer"), "unavailable", CloseCode.STORE_LOST),
        ("ana", ValueError("a defect"), "internal", CloseCode.STORE_LOST),
    ],
)
async def test_hello_that_fails_is_answered_and_closed(
    client: Client, token: str, error: Exception | None, code: str, close: CloseCode
) -> None:
    client.parts.store.attached = error
    (reply,) = await client.hello(token)
    assert (reply["id"], reply["error"]["code"]) == ("h", code)
    assert client.socket.closed == (close, close.meaning)
    assert client.parts.registry.tenant_hub.clients == set()


async def test_hello_of_a_tenant_too_many_is_unavailable(client: Client) -> None:
    client.parts.registry.error = StoreUnavailableError("this node serves as many tenants as it may")
    (reply,) = await client.hello()
    assert reply["error"]["details"] == {"reason": "this node serves as many tenants as it may"}


async def test_connection_lost_while_registered_is_disconnected_after(client: Client) -> None:
    client.parts.store.gate.clear()
    await client.hello()
    client.endpoint.lost(1001, True)
    client.parts.store.gate.set()
    await client.parts.settle()
    assert client.parts.store.names() == ["connect", "disconnect"]
    assert client.parts.registry.tenant_hub.clients == set()


async def test_connection_lost_after_the_welcome_is_disconnected_cleanly(client: Client) -> None:
    await client.hello()
    client.endpoint.lost(1000, True)
    await client.parts.settle()
    assert client.parts.store.asked[-1] == ("disconnect", {"connection_id": "c1", "clean": True})
    assert client.owner.ended == [(1000, True)]


async def test_command_is_asked_of_the_store_and_answered(client: Client) -> None:
    await client.hello()
    client.parts.store.answer = answers.SessionReply(session_view(session_record("s", "ana")))
    (reply,) = await client.receive(GET)
    assert reply["result"]["session"]["id"] == "s"
    name, request = client.parts.store.asked[-1]
    assert (name, request["tenant"], request["session_id"]) == ("session_get", "acme", "s")
    assert (request["by"].id, request["by"].attached, request["by"].epoch) == ("ana", True, "e")


async def test_command_that_fails_with_a_defect_is_internal(client: Client) -> None:
    await client.hello()
    client.parts.store.answer = ValueError("a defect")
    (reply,) = await client.receive(GET)
    assert reply["error"]["code"] == "internal"
    assert reply["error"]["details"]["incident"]


async def test_sync_changes_the_epoch_in_which_commands_are_asked(client: Client) -> None:
    await client.hello()
    client.endpoint.sync("f", 1)
    await client.receive(GET)
    assert client.parts.store.asked[-1][1]["by"].epoch == "f"
    assert client.endpoint.synced_to == ("f", 1)


async def test_claims_again_are_those_of_a_registered_agent(client: Client) -> None:
    assert client.endpoint.claims_again() is None
    await client.hello()
    claims = client.endpoint.claims_again()
    assert claims is not None
    assert (claims.id, claims.again, claims.attached) == ("ana", True, False)


async def test_directory_subscription_gets_a_snapshot(client: Client) -> None:
    await client.hello()
    reply, snapshot = await client.receive({"type": "directory.subscribe", "id": "3"})
    assert (reply["id"], snapshot["type"]) == ("3", "directory.snapshot")


@pytest.mark.parametrize(
    ("token", "code"),
    [("ana", None), ("bob", "unauthorized"), ("bad", "unauthorized"), ("later", "unavailable")],
)
async def test_token_refresh_is_verified(client: Client, token: str, code: str | None) -> None:
    await client.hello()
    (reply,) = await client.receive({"type": "token.refresh", "id": "r", "token": token})
    assert reply.get("error", {}).get("code") == code


async def test_token_refresh_after_many_refused_tokens_waits() -> None:
    client = Client(refused_token_rate=1)
    await client.hello()
    refresh = {"type": "token.refresh", "id": "r", "token": "bad"}
    replies = await client.receive(*[refresh] * 4)
    assert {reply["error"]["code"] for reply in replies} == {"unauthorized"}
    (reply,) = await client.receive(refresh | {"token": "ana"})
    assert (reply["error"]["code"], reply["error"]["details"]["limit"]) == ("rate_limited", "address")
    client.endpoint.lost(1006, False)
    await client.parts.settle()


async def test_commands_of_a_full_tenant_wait_for_a_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relevo.router.tenant.in_flight.TENANT_IN_FLIGHT_MAX", 1)
    client = Client()
    await client.hello()
    client.parts.store.gate.clear()
    await client.receive(GET, GET)
    assert (client.parts.store.names().count("session_get"), client.socket.is_read) == (1, False)
    client.parts.store.gate.set()
    client.parts.store.answer = answers.SessionReply(session_view(session_record("s", "ana")))
    await client.parts.settle()
    assert (client.parts.store.names().count("session_get"), client.socket.is_read) == (2, True)


async def test_agent_that_reconnects_in_a_loop_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relevo.router.gateway.rate_limit.HELLO_S", 1000)
    parts = FakeServices()
    first, second, other = Client(parts), Client(parts), Client(parts)
    (welcome,) = await first.hello("ana")
    assert (welcome["type"], await second.hello("ana")) == ("welcome", [])
    assert [message["type"] for message in await other.hello("bob")] == ["welcome"]
    assert parts.store.names() == ["connect", "connect"]
    second.endpoint.lost(1001, True)


async def test_rejected_commands_of_many_waiting_clients_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("relevo.router.tenant.in_flight.TENANT_IN_FLIGHT_MAX", 1)
    parts, forbidden = FakeServices(), {"type": "status.set", "id": "1", "status": "disconnected"}
    clients = [Client(parts) for _ in range(300)]
    for number, client in enumerate(clients):
        hello = {"type": "hello", "id": "h", "token": f"agent-{number}"}
        client.endpoint.received(msgspec.json.encode(hello))
    await parts.settle()
    parts.store.gate.clear()
    await clients[0].receive(GET)
    for client in clients:
        client.endpoint.received(msgspec.json.encode(forbidden))
    parts.store.gate.set()
    async with asyncio.timeout(30):
        while parts.counts.commands[StatusSet, "forbidden"] < len(clients):  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_draining_client_is_closed_at_its_time() -> None:
    client = Client()
    await client.hello()
    client.endpoint.drain(0)
    (pushed,) = client.socket.sent()
    assert pushed["type"] == "server.draining"
    assert await client.socket.wait_closed() == (CloseCode.DRAINING, CloseCode.DRAINING.meaning)


async def test_welcome_on_a_draining_node_says_when_to_leave(client: Client) -> None:
    client.owner.leave_in_ms = 60_000
    welcome, draining = await client.hello()
    assert (welcome["type"], draining["reconnect_in_ms"]) == ("welcome", 60_000)


async def test_client_without_hello_is_closed_with_4504(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relevo.router.gateway.connection.HELLO_TIMEOUT_MS", 1)
    client = Client()
    assert await client.socket.wait_closed() == (CloseCode.NO_HELLO, CloseCode.NO_HELLO.meaning)


async def test_slow_client_gets_one_patch_when_it_has_caught_up(client: Client) -> None:
    await client.hello()
    await client.receive({"type": "directory.subscribe", "id": "3"})
    client.endpoint.slow()
    assert client.endpoint.is_slow
    client.endpoint.drained()
    assert not client.endpoint.is_slow
