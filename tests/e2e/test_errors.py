"""Every error code of the contract, produced by a real client at a real router."""

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

import pytest

from tests.e2e import contract
from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import CUSTOMER, Tenant, to_agent
from tests.raw_client import FORMATS, Message, RawClient
from tests.routers import RouterProcess, running_routers, standing_still
from tests.servers import StoreServer, running

Provoke: TypeAlias = Callable[[Tenant, StoreServer, RawClient], Awaitable[Message]]

PROVOKE: dict[str, Provoke] = {}
"""How to get each error: a tenant on its own store, the store, and a connected admin; returns the error."""

# It takes as long as the router waits for its store.
SLOW = ("unavailable",)


def provokes(code: str) -> Callable[[Provoke], Provoke]:
    """Register the way to an error."""

    def register(provoke: Provoke) -> Provoke:
        PROVOKE[code] = provoke
        return provoke

    return register


@pytest.fixture(scope="module")
def frail_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """A store that tests may stop, or write rubbish into."""
    with running(StoreServer(tmp_path_factory.mktemp("frail"))) as server:
        yield server


@pytest.fixture(scope="module")
def frail_routers(
    frail_store: StoreServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[RouterProcess]]:
    """A router on that store, which gives up soon on an answer, and takes few messages of an agent."""
    limits = {"store_timeout_ms": 1000, "agent_message_rate": 10}
    with running_routers(1, frail_store.url, tmp_path_factory.mktemp("frail"), **limits) as one:
        yield one


@pytest.fixture
def frail(frail_routers: list[RouterProcess], make_tenant: MakeTenant) -> Tenant:
    """A tenant on that router."""
    return make_tenant(frail_routers)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "code", [pytest.param(code, marks=[pytest.mark.slow] * (code in SLOW)) for code in contract.error_codes()]
)
async def test_each_error_code_reaches_a_client(
    frail: Tenant, frail_store: StoreServer, code: str, format: str
) -> None:
    adela = await frail.connect_agent("adela", role="admin", format=format)

    error = await PROVOKE[code](frail, frail_store, adela)

    assert error["code"] == code
    assert error["retryable"] == contract.error_codes()[code]["retryable"]
    assert error["message"]


@provokes("bad_message")
async def a_field_that_does_not_fit(_: Tenant, __: StoreServer, adela: RawClient) -> Message:
    error = await adela.refused("session.transfer", session_id="chat-1", target={"kind": "robot", "id": "r2"})
    assert error["details"] == {"path": "$.target.kind"}
    return error


@provokes("unauthorized")
async def a_token_of_another_signer(tenant: Tenant, _: StoreServer, adela: RawClient) -> Message:
    forged = tenant.token("adela", "admin")[:-2] + "AA"
    return await adela.refused("token.refresh", token=forged)


@provokes("forbidden")
async def a_session_of_another_agent(tenant: Tenant, _: StoreServer, __: RawClient) -> Message:
    await tenant.put_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    bob = await tenant.connect_agent("bob")
    return await bob.refused("session.close", session_id="chat-1")


@provokes("not_found")
async def a_session_that_does_not_exist(_: Tenant, __: StoreServer, adela: RawClient) -> Message:
    return await adela.refused("session.get", session_id="nowhere")


@provokes("conflict")
async def a_fence_that_is_not_the_sessions(tenant: Tenant, _: StoreServer, adela: RawClient) -> Message:
    session = await tenant.open_session("chat-1", agent="adela")
    error = await adela.refused("session.close", session_id="chat-1", fence=7)
    assert error["details"] == {
        "fence": 1,
        "state": "in_progress",
        "owner": {"kind": "agent", "id": "adela"},
        "by": {"id": "crm", "name": "crm", "role": "service"},
        "at": session["updated_at"],
    }
    return error


@provokes("closed")
async def a_session_that_has_ended(tenant: Tenant, _: StoreServer, adela: RawClient) -> Message:
    await tenant.open_session("chat-1", agent="adela")
    await adela.command("session.close", session_id="chat-1")
    return await adela.refused("session.note", session_id="chat-1", text="too late")


@provokes("same_target")
async def a_transfer_to_the_present_owner(tenant: Tenant, _: StoreServer, adela: RawClient) -> Message:
    await tenant.open_session("chat-1", agent="adela")
    return await adela.refused("session.transfer", session_id="chat-1", target=to_agent("adela"))


@provokes("at_capacity")
async def one_session_more_than_there_is_room_for(
    tenant: Tenant, _: StoreServer, adela: RawClient
) -> Message:
    await tenant.put_department("sales")
    await tenant.put_agent("adela", role="admin", capacity=1)
    await tenant.open_session("chat-1", agent="adela")
    await tenant.open_session("chat-2", department="sales")
    return await adela.refused("session.accept", session_id="chat-2")


@provokes("not_allowed")
async def a_transfer_that_the_tenants_rule_forbids(
    tenant: Tenant, _: StoreServer, adela: RawClient
) -> Message:
    ana = await tenant.connect_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    await adela.command("settings.put", settings={"rule": {"agents": "none"}})
    return await ana.refused("session.transfer", session_id="chat-1", target=to_agent("adela"))


@provokes("no_origin")
async def the_decline_of_a_session_from_a_back_end(
    tenant: Tenant, _: StoreServer, adela: RawClient
) -> Message:
    await adela.command("status.set", status="pause")
    await tenant.open_session("chat-1", agent="adela")
    return await adela.refused("session.decline", session_id="chat-1")


@provokes("in_use")
async def the_removal_of_an_agent_with_a_session(tenant: Tenant, _: StoreServer, adela: RawClient) -> Message:
    await tenant.put_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    return await adela.refused("agent.remove", agent_id="ana")


@provokes("exists")
async def a_session_that_is_open_already(tenant: Tenant, _: StoreServer, adela: RawClient) -> Message:
    await tenant.open_session("chat-1", agent="adela")
    return await adela.refused("session.open", session_id="chat-1", customer=CUSTOMER)


@provokes("key_reused")
async def a_key_with_another_body(tenant: Tenant, _: StoreServer, adela: RawClient) -> Message:
    await adela.command("status.set", status="pause", key="key-1")
    return await adela.refused("status.set", status="connected", key="key-1")


@provokes("rate_limited")
async def more_messages_than_the_rate_allows(tenant: Tenant, _: StoreServer, adela: RawClient) -> Message:
    answers: list[Message] = []
    while not (refused := [one["error"] for one in answers if "error" in one]):
        sent = [await adela.send("agent.get", agent_id="adela") for _ in range(50)]
        answers += [await adela.reply(one) for one in sent]
    error: Message = refused[0]
    assert error["details"]["retry_in_ms"] > 0
    return error


@provokes("unavailable")
async def a_store_that_does_not_answer(tenant: Tenant, store: StoreServer, adela: RawClient) -> Message:
    department = {"id": "sales", "name": "Sales"}
    with standing_still(store.pid):
        error = await adela.refused("department.put", department=department, key="key-1")
    # It may have been applied or not; with the same key it is applied once, whichever it was.
    await until_served(adela)
    await adela.command("department.put", department=department, key="key-1")
    shown = await adela.open_dialog()
    await adela.sees_department("sales")
    assert list(shown.departments) == ["sales"]
    return error


@provokes("internal")
async def a_record_that_is_not_messagepack(tenant: Tenant, store: StoreServer, adela: RawClient) -> Message:
    store.call("RPUSH", f"relevo:{{{tenant.id}}}:session:chat-1", b"\xc1 is no MessagePack")
    error = await adela.refused("session.get", session_id="chat-1")
    assert error["details"]["incident"]
    return error


async def until_served(client: RawClient) -> None:
    """Return when the store answers this client again."""
    while True:
        reply = await client.reply(await client.send("session.list"))
        if "result" in reply:
            return
        assert reply["error"]["code"] == "unavailable"
