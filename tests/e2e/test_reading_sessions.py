"""Who may read a session, and which sessions a list finds, over a websocket and over HTTP alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from tests.e2e.tenant import CUSTOMER, Tenant, to_agent, to_department
from tests.raw_client import Message

Ask: TypeAlias = Callable[..., Awaitable[Message]]


@pytest.fixture(params=["websocket", "http"])
async def ask(request: pytest.FixtureRequest, tenant: Tenant) -> Ask:
    """Ana, of sales, over a websocket or HTTP: returns the result of a command, or its error."""
    ana = await tenant.connect_agent("ana", departments=["sales"])
    await tenant.connect_agent("bob", departments=["sales"])

    async def over_websocket(command: str, **fields: Any) -> Message:
        reply = await ana.reply(await ana.send(command, **fields))
        return reply["result"] if "result" in reply else reply["error"]  # type: ignore[no-any-return]

    async def over_http(command: str, **fields: Any) -> Message:
        answer = await tenant.post(command, token=tenant.token("ana"), **fields)
        body: Message = answer.body
        found: Message = body.get("error", body)
        return found

    return over_websocket if request.param == "websocket" else over_http


def ids(page: Message) -> list[str]:
    return [session["id"] for session in page["sessions"]]


async def open_for(tenant: Tenant, session_id: str, customer_id: str, target: Message) -> None:
    customer = {"id": customer_id, "name": customer_id.title()}
    await tenant.do("session.open", session_id=session_id, customer=customer, target=target)


async def test_agent_that_had_a_session_reads_it_until_it_is_gone(tenant: Tenant, ask: Ask) -> None:
    await tenant.open_session("chat", agent="ana")
    await tenant.do("session.transfer", session_id="chat", target=to_agent("bob"))
    assert (await ask("session.get", session_id="chat"))["session"]["owner"] == to_agent("bob")
    await tenant.do("session.close", session_id="chat")
    entries = (await ask("session.history", session_id="chat"))["entries"]
    assert [entry["kind"] for entry in entries] == ["opened", "transferred", "closed"]


async def test_agent_that_had_a_session_changes_nothing_of_it(tenant: Tenant, ask: Ask) -> None:
    await tenant.open_session("chat", agent="ana")
    await tenant.do("session.transfer", session_id="chat", target=to_agent("bob"))
    for command, fields in (
        ("session.note", {"text": "mine"}),
        ("session.close", {}),
        ("session.transfer", {"target": to_agent("ana")}),
    ):
        assert (await ask(command, session_id="chat", **fields))["code"] == "forbidden"


async def test_agent_that_had_it_pending_only_does_not_read_it(tenant: Tenant, ask: Ask) -> None:
    await tenant.do("agent.put", agent=profile("ana", capacity=0))
    await tenant.open_session("chat", agent="ana")
    await tenant.do("session.transfer", session_id="chat", target=to_agent("bob"))
    assert (await ask("session.get", session_id="chat"))["code"] == "forbidden"
    assert ids(await ask("session.list", mine=True)) == []


async def test_list_of_mine_has_what_the_agent_had_page_by_page(tenant: Tenant, ask: Ask) -> None:
    for number in range(3):
        await tenant.open_session(f"had-{number}", agent="ana")
        await tenant.do("session.transfer", session_id=f"had-{number}", target=to_agent("bob"))
    await tenant.open_session("has", agent="ana")
    await tenant.do("session.close", session_id="had-1")
    first = await ask("session.list", mine=True, limit=2)
    rest = await ask("session.list", mine=True, limit=2, cursor=first["cursor"])
    assert (ids(first), ids(rest), rest["cursor"]) == (["had-0", "had-1"], ["had-2"], None)
    assert ids(await ask("session.list", mine=True, state="closed")) == ["had-1"]


async def test_customer_is_found_by_an_agent_in_what_it_may_read(tenant: Tenant, ask: Ask) -> None:
    await open_for(tenant, "had", "eva", to_agent("ana"))
    await tenant.do("session.transfer", session_id="had", target=to_agent("bob"))
    await open_for(tenant, "foreign", "eva", to_agent("bob"))
    await open_for(tenant, "other", "tom", to_agent("ana"))
    await open_for(tenant, "has", "eva", to_agent("ana"))
    assert ids(await ask("session.list", customer_id="eva")) == ["had", "has"]
    assert ids(await ask("session.list", customer_id="eva", mine=True)) == ["had"]
    assert ids(await ask("session.list", customer_id="nobody")) == []


async def test_back_end_finds_open_and_closed_sessions_of_a_customer(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    for session_id in ("one", "two", "three"):
        await open_for(tenant, session_id, "eva", to_department("sales"))
    await tenant.do("session.close", session_id="two")
    listed = {state: await tenant.list_sessions(customer_id="eva", state=state) for state in STATES}
    assert {state: [one["id"] for one in found] for state, found in listed.items()} == {
        "queued": ["one", "three"],
        "closed": ["two"],
        "in_progress": [],
    }
    every = await tenant.list_sessions(customer_id="eva", limit=1)
    assert [one["id"] for one in every] == ["one", "three", "two"]


async def test_department_lists_its_sessions_of_each_state(tenant: Tenant) -> None:
    await tenant.connect_agent("bob", departments=["sales"], capacity=1)
    for session_id in ("taken", "waits"):
        await tenant.open_session(session_id, department="sales")
    await tenant.open_session("pends", agent="bob")
    await tenant.open_session("shut", department="sales")
    await tenant.do("session.close", session_id="shut")
    listed = {
        state: [one["id"] for one in await tenant.list_sessions(department_id="sales", state=state)]
        for state in ("in_progress", "queued", "pending", "closed")
    }
    assert listed == {
        "in_progress": ["taken"],
        "queued": ["waits"],
        "pending": ["pends"],
        "closed": ["shut"],
    }
    queue = await tenant.list_sessions(department_id="sales")
    assert [one["id"] for one in queue] == ["waits"]


async def test_list_by_times_of_closing_reads_no_others(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    closed_at = []
    for number in range(6):
        await tenant.open_session(f"s{number}", department="sales")
        closed = await tenant.do("session.close", session_id=f"s{number}")
        closed_at.append(closed["session"]["updated_at"])
    await tenant.open_session("open", department="sales")
    span = {"closed_from_at": closed_at[2], "closed_to_at": closed_at[4]}
    for filters in ({}, {"department_id": "sales"}, {"customer_id": CUSTOMER["id"]}):
        for sort, expected in (("age", ["s2", "s3", "s4"]), ("-age", ["s4", "s3", "s2"])):
            page = await tenant.do("session.list", **span, **filters, sort=sort, limit=3)
            assert ids(page) == expected


async def test_list_from_the_newest_goes_on_page_by_page(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    for number in range(5):
        await tenant.open_session(f"s{number}", department="sales")
    found = await tenant.list_sessions(department_id="sales", sort="-age", limit=2)
    assert [session["id"] for session in found] == ["s4", "s3", "s2", "s1", "s0"]


STATES = ("queued", "closed", "in_progress")


def profile(agent_id: str, capacity: int) -> Message:
    name = agent_id.title()
    return {"id": agent_id, "name": name, "role": "agent", "departments": ["sales"], "capacity": capacity}
