"""Why the router chose an owner: in the history, in a check, and asked for with an agent in mind."""

import json
from typing import Any

import pytest

from tests.e2e.tenant import Tenant, to_agent, to_department
from tests.raw_client import Message

OWNERS = {"owner": 0, "tried": 0, "needs": 0, "capacity": 0, "status": 0}


async def last_decision(tenant: Tenant) -> Any:
    """Return the decision of the last entry of chat-1."""
    return (await tenant.history("chat-1"))[-1]["decision"]


async def explain(tenant: Tenant, **about: Any) -> Message:
    """Ask as the back end."""
    answer = await tenant.post("session.explain", session_id="chat-1", **about)
    assert answer.status == 200, answer.body
    body: Message = answer.body
    return body


async def set_up_sales(tenant: Tenant) -> None:
    """Let ana have chat-1: bea has another, carl none, dora is at her capacity, eve is away."""
    await tenant.put_department("sales")
    for agent in ("ana", "bea", "carl"):
        await tenant.connect_agent(agent, departments=["sales"], capacity=10)
    await tenant.connect_agent("dora", departments=["sales"], capacity=1)
    await tenant.put_agent("eve", departments=["sales"])
    await tenant.open_session("one", agent="bea")
    await tenant.open_session("full", agent="dora")
    await tenant.open_session("chat-1", agent="ana")


async def test_decision_counts_members_and_names_the_first_two(tenant: Tenant) -> None:
    await set_up_sales(tenant)
    asked: dict[str, Any] = {"session_id": "chat-1", "target": to_department("sales")}
    checked = (await tenant.post("session.transfer", **asked, check=True)).body
    await tenant.do("session.transfer", **asked)

    decision = await last_decision(tenant)
    assert decision["chosen"] == {"id": "carl", "load": 0, "capacity": 10, "idle_ms": None}
    assert (decision["next"]["id"], decision["next"]["load"]) == ("bea", 1)
    assert decision["left_out"] == OWNERS | {"owner": 1, "capacity": 1, "status": 1}
    assert (decision["by"], decision["members"], decision["available"]) == ("department", 5, 3)
    assert (decision["tie"], decision["place"]) == ("load", None)
    assert checked["decision"]["chosen"] == decision["chosen"]
    assert (await explain(tenant))["decision"] == decision


@pytest.mark.parametrize(
    ("agent", "why_not"),
    [("ana", "owner"), ("bea", "behind"), ("carl", None), ("dora", "capacity"), ("eve", "status")],
)
async def test_explain_says_why_an_agent_was_not_chosen(
    tenant: Tenant, agent: str, why_not: str | None
) -> None:
    await set_up_sales(tenant)
    await tenant.do("session.transfer", session_id="chat-1", target=to_department("sales"))
    assert (await explain(tenant, agent_id=agent)).get("why_not") == why_not


async def test_explain_of_an_entry_that_is_not_there_is_not_found(tenant: Tenant) -> None:
    await tenant.connect_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    for about in ({"seq": 2}, {"seq": 0}, {"agent_id": "zoe"}):
        answer = await tenant.post("session.explain", session_id="chat-1", **about)
        assert (answer.status, answer.body["code"]) == (404, "not_found")


async def test_explain_of_a_note_is_null_and_the_last_choice_is_behind_it(tenant: Tenant) -> None:
    await tenant.connect_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    await tenant.do("session.note", session_id="chat-1", text="hello")
    assert (await explain(tenant, seq=2))["decision"] is None
    assert (await explain(tenant, seq=1))["decision"]["by"] == "agent"
    assert (await explain(tenant))["decision"]["by"] == "agent"


async def test_forced_transfer_is_a_decision_of_its_own(tenant: Tenant) -> None:
    await tenant.connect_agent("ana")
    bob = await tenant.connect_agent("bob")
    await bob.command("status.set", status="pause")
    await tenant.open_session("chat-1", agent="ana")
    asked: dict[str, Any] = {"session_id": "chat-1", "target": to_agent("bob")}
    waiting = (await tenant.post("session.transfer", **asked, check=True)).body["decision"]
    assert (waiting["by"], waiting["chosen"], waiting["left_out"]["status"]) == ("agent", None, 1)
    await tenant.do("session.transfer", **asked, force=True)
    decision = await last_decision(tenant)
    assert (decision["by"], decision["chosen"]["id"]) == ("forced", "bob")


async def test_place_of_a_queue_is_where_it_waits_and_where_it_was_taken(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    await tenant.open_session("first", department="sales")
    await tenant.open_session("chat-1", department="sales")
    assert (await last_decision(tenant))["place"] == 2
    await tenant.connect_agent("ana", departments=["sales"])
    decision = await last_decision(tenant)
    assert (decision["by"], decision["chosen"]["id"], decision["place"]) == ("queue", "ana", 1)


async def test_decision_of_the_longest_ids_has_at_most_512_bytes(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    for letter in "ab":
        await tenant.connect_agent(letter * 128, departments=["sales"])
    await tenant.open_session("chat-1", department="sales")
    decision = await last_decision(tenant)
    assert len(decision["chosen"]["id"]) == 128
    assert decision["next"] is None
    assert len(json.dumps(decision, separators=(",", ":"))) <= 512


async def test_decision_of_a_large_department_counts_who_is_away_as_one(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    for number in range(65):
        await tenant.put_agent(f"agent-{number}", departments=["sales"])
    await tenant.open_session("chat-1", department="sales")
    decision = await last_decision(tenant)
    assert (decision["members"], decision["available"]) == (65, 0)
    assert decision["left_out"] == OWNERS | {"unavailable": 65}
