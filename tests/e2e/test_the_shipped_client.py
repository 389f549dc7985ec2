"""The story as a program lives it that uses the client we ship, with routers that leave and die."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import pytest
from relevo_client import (
    AsyncCommands,
    AsyncHttpClient,
    Backoff,
    Client,
    Connected,
    Customer,
    EventStream,
    ServerDraining,
    SessionAssigned,
    SessionPending,
    SessionRemoved,
    Target,
    TransferUpdated,
)

from tests.e2e.conftest import MakeTenant, StartRouters
from tests.e2e.tenant import Tenant
from tests.e2e.test_presence import SHORT, observe, statuses_shown
from tests.raw_client import FORMATS, LIMIT_S
from tests.routers import RouterProcess, running_routers, standing_still
from tests.servers import StoreServer

T = TypeVar("T")

CLEO = Customer("customer-1", "Cleo Costa")
SOON = Backoff(0.01, 0.05)


class ShippedClients:
    """Clients of one tenant, which are closed at the end."""

    def __init__(self, tenant: Tenant, stack: AsyncExitStack) -> None:
        self.tenant = tenant
        self._stack = stack

    async def agent(self, agent_id: str, *, on: int = 0, format: Any = "msgpack", **claims: Any) -> Client:
        """Start an agent's client at one router, with the others to go to."""
        routers = [*self.tenant.routers[on:], *self.tenant.routers[:on]]
        client = Client(
            [f"ws://{router.address}/ws" for router in routers],
            token=lambda: self.tenant.token(agent_id, **claims),
            format=format,
            proxy=None,
            reconnect=SOON,
            retry=SOON,
        )
        events_of(client)
        return await self._stack.enter_async_context(client)

    async def back_end(self) -> AsyncHttpClient:
        """Start a back end's client."""
        url = f"http://{self.tenant.routers[0].address}"
        return await self._stack.enter_async_context(
            AsyncHttpClient(url, token=self.tenant.token("crm", "service"))
        )


_streams: WeakKeyDictionary[Client, EventStream] = WeakKeyDictionary()


def events_of(client: Client) -> EventStream:
    """Return a client's events from the first call on, each once."""
    if client not in _streams:
        _streams[client] = client.events()
    return _streams[client]


async def expect_event(client: Client, kind: type[T]) -> T:
    """Return the next event of this kind; the others are read over."""
    async with asyncio.timeout(LIMIT_S):
        async for event in events_of(client):
            if isinstance(event, kind):
                return event
    raise AssertionError("the client was closed")


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is closed at the end of a test."""
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def clients(routers: list[RouterProcess], make_tenant: MakeTenant, stack: AsyncExitStack) -> ShippedClients:
    """Clients on the two shared routers."""
    return ShippedClients(make_tenant(routers), stack)


@pytest.fixture
def clients_of_own_routers(
    start_routers: StartRouters, make_tenant: MakeTenant, stack: AsyncExitStack
) -> ShippedClients:
    """Clients on two routers that a test may end."""
    return ShippedClients(make_tenant(start_routers(2, **SHORT, drain_ms=300)), stack)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
async def test_clients_and_a_back_end_complete_a_transfer(clients: ShippedClients, format: str) -> None:
    crm = await clients.back_end()
    await crm.departments.put("sales", "Sales")
    ana = await clients.agent("ana", format=format, name="Ana", departments=["sales"])
    bob = await clients.agent("bob", on=1, format=format, name="Bob", departments=["sales"], capacity=1)
    await crm.sessions.open("chat-1", CLEO, Target.agent("ana"))
    await crm.sessions.open("chat-2", CLEO, Target.agent("ana"))
    await expect_event(ana, SessionAssigned)
    await expect_event(ana, SessionAssigned)

    directory = await ana.directory.subscribe()
    assert [agent.id for agent in directory.agents_by_readiness()] == ["bob", "ana"]

    done = await ana.sessions.transfer("chat-1", Target.agent("bob"), "speaks Portuguese")
    assert done.transfer.outcome == "assigned"
    assigned = await expect_event(bob, SessionAssigned)
    assert assigned.transfer is not None
    assert (assigned.transfer.by.name, assigned.transfer.reason) == ("Ana", "speaks Portuguese")
    assert list(bob.inbox.in_progress) == ["chat-1"]
    assert (await expect_event(ana, SessionRemoved)).session_id == "chat-1"
    # The client acknowledges by itself.
    assert (await expect_event(ana, TransferUpdated)).state == "delivered"

    # Bob has room for one: the second waits until he takes it up.
    await ana.sessions.transfer("chat-2", Target.agent("bob"))
    assert (await expect_event(bob, SessionPending)).session.id == "chat-2"
    await bob.sessions.close("chat-1")
    await bob.sessions.accept("chat-2")
    assert (await expect_event(ana, TransferUpdated)).state == "accepted"
    assert (list(bob.inbox.in_progress), list(bob.inbox.pending)) == (["chat-2"], [])
    assert [entry.kind async for entry in crm.sessions.history("chat-1")] == [
        "opened",
        "transferred",
        "internal",
        "closed",
    ]


@pytest.mark.slow
async def test_client_of_a_killed_router_goes_on_at_the_other_one(
    clients_of_own_routers: ShippedClients,
) -> None:
    tenant = clients_of_own_routers.tenant
    tenant.back_end_on = 1
    observer = await observe(tenant, on=1)
    ana = await clients_of_own_routers.agent("ana", on=0)
    await ana.directory.subscribe()
    await tenant.open_session("chat-1", agent="ana")
    await expect_event(ana, SessionAssigned)

    # Notes are on their way while the router dies; each is written once.
    texts = [f"note {number}" for number in range(200)]
    writing = [asyncio.create_task(ana.sessions.note("chat-1", text)) for text in texts]
    await writing[0]
    tenant.routers[0].kill()
    await asyncio.gather(*writing)

    assert (await expect_event(ana, Connected)).reconnected
    written = [entry["text"] for entry in await tenant.history("chat-1") if entry["kind"] == "internal"]
    assert sorted(written) == sorted(texts)
    await tenant.put_department("new")
    while "new" not in ana.directory.departments:
        await anext(events_of(ana))
    assert list(ana.inbox.in_progress) == ["chat-1"]
    await tenant.settle(observer)
    assert statuses_shown(observer, "ana") == ["connected"]


@pytest.mark.slow
async def test_note_with_a_lost_reply_is_written_once(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant, stack: AsyncExitStack
) -> None:
    pair = start_routers(2, own_store.url, store_timeout_ms=10_000)
    tenant = make_tenant(pair)
    ana = await ShippedClients(tenant, stack).agent("ana", on=0)
    await tenant.open_session("chat-1", agent="ana")
    texts = [f"note {number}" for number in range(20)]
    sent = pair[0].metric("relevo_store_commands_total") + 1

    # The store has the notes of one batch before it, and is about to write them down, when their router dies;
    # these are all, or the first few.
    with standing_still(own_store.pid):
        writing = [asyncio.create_task(ana.sessions.note("chat-1", text)) for text in texts]
        while await asyncio.to_thread(pair[0].metric, "relevo_store_commands_total") < sent:
            pass
        pair[0].kill()
    tenant.back_end_on = 1
    entries = await asyncio.gather(*writing)

    history = [entry for entry in await tenant.history("chat-1") if entry["kind"] == "internal"]
    assert [entry["text"] for entry in history] == texts
    # Each was told, in the end, which one is its own.
    assert [(entry.seq, entry.text) for entry in entries] == [(one["seq"], one["text"]) for one in history]


@pytest.mark.slow
async def test_client_of_a_draining_router_is_never_disconnected(
    clients_of_own_routers: ShippedClients,
) -> None:
    tenant = clients_of_own_routers.tenant
    observer = await observe(tenant, on=1)
    agents = [await clients_of_own_routers.agent(f"agent-{number}", on=0) for number in range(5)]

    tenant.routers[0].terminate()
    for agent in agents:
        await expect_event(agent, ServerDraining)
        assert (await expect_event(agent, Connected)).reconnected
    assert await asyncio.to_thread(tenant.routers[0].wait_gone) == 0

    # A later drop is seen: by then theirs would have been, too.
    other = await tenant.connect_agent("other", on=1)
    other.drop()
    await observer.sees_agent("other", status="disconnected")
    for number in range(5):
        assert statuses_shown(observer, f"agent-{number}") == ["connected"]


@pytest.fixture(scope="module")
def strict(store: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterProcess]:
    """A router that lets an agent send little."""
    limits = {"agent_message_rate": 10}
    with running_routers(1, store.url, tmp_path_factory.mktemp("strict"), **limits) as (router,):
        yield router


@pytest.mark.slow
@pytest.mark.parametrize("over", [*FORMATS, "http"])
async def test_rate_limited_commands_are_retried_and_done_once(
    strict: RouterProcess, make_tenant: MakeTenant, over: str
) -> None:
    tenant = make_tenant([strict])
    token = tenant.token("ana")
    await tenant.put_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    texts = [f"note {number}" for number in range(60)]
    before = throttled(strict)

    if over == "http":
        async with AsyncHttpClient(f"http://{strict.address}", token) as sender:
            await write(sender, texts)
    else:
        async with Client(f"ws://{strict.address}/ws", token, format=over, proxy=None) as sender:  # type: ignore[arg-type]
            await write(sender, texts)

    notes = [entry["text"] for entry in await tenant.history("chat-1") if entry["kind"] == "internal"]
    assert sorted(notes) == sorted(texts)
    assert throttled(strict) > before


async def write(sender: AsyncCommands, texts: list[str]) -> None:
    """Write notes, all at once."""
    async with asyncio.TaskGroup() as work:
        for text in texts:
            work.create_task(sender.sessions.note("chat-1", text))


def throttled(router: RouterProcess) -> float:
    """Return how many messages of agents the router has refused for their number."""
    try:
        return router.metric('relevo_throttled_total{limit="agent"}')
    except StopIteration:
        return 0
