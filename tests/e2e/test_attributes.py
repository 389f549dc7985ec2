"""What a back end keeps with a session: over a websocket and over HTTP alike."""

from __future__ import annotations

from typing import Any

import pytest

from relevo.protocol.bounds import ATTRIBUTES_BYTES_MAX
from tests.e2e.tenant import Tenant, to_agent
from tests.raw_client import Message

CUSTOMER = {"id": "eva", "name": "Eva"}
GIVEN = {"channel": "mail", "vip": True, "orders": 2**53 - 1, "debt": -3, "rate": 1.5, "größe": "ß 😀"}


async def open_with(tenant: Tenant, **fields: Any) -> Message:
    """Open a session with ana over HTTP, and return it."""
    answer = await tenant.do(
        "session.open", session_id="chat", customer=CUSTOMER, target=to_agent("ana"), **fields
    )
    session: Message = answer["session"]
    return session


async def test_attributes_are_pushed_with_the_session_as_they_came(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana")
    assert (await open_with(tenant, attributes=GIVEN))["attributes"] == GIVEN
    pushed = (await ana.expect_push("session.assigned"))["session"]["attributes"]
    assert list(pushed.items()) == list(GIVEN.items())
    assert [type(value) for value in pushed.values()] == [type(value) for value in GIVEN.values()]


async def test_attributes_travel_with_the_session(tenant: Tenant) -> None:
    await tenant.connect_agent("ana")
    bob = await tenant.connect_agent("bob")
    await open_with(tenant, attributes=GIVEN)
    await tenant.do("session.transfer", session_id="chat", target=to_agent("bob"))
    assert (await bob.expect_push("session.assigned"))["session"]["attributes"] == GIVEN
    await tenant.do("session.close", session_id="chat")
    assert (await tenant.get_session("chat"))["attributes"] == GIVEN


async def test_update_by_a_back_end_reaches_owner_and_watchers(tenant: Tenant) -> None:
    ana, admin = await tenant.connect_agent("ana"), await tenant.connect_admin()
    await admin.command("session.watch")
    before = await open_with(tenant)
    await tenant.do("session.update", session_id="chat", attributes={"vip": True})
    for client in (ana, admin):
        session = (await client.expect_push("session.changed", session__attributes={"vip": True}))["session"]
        assert {**session, "attributes": None} == {**before, "attributes": None}


async def test_owner_that_watches_gets_an_update_once(tenant: Tenant) -> None:
    admin = await tenant.connect_admin()
    await admin.command("session.open", session_id="own", customer=CUSTOMER)
    await admin.command("session.watch")
    await admin.command("session.update", session_id="own", attributes={"vip": True})
    await admin.command("session.close", session_id="own")
    await admin.expect_push("session.changed", session__state="closed")
    assert len(admin.unread("session.changed")) <= 1


async def test_update_is_no_answer_and_no_entry(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana")
    await open_with(tenant)
    updated = (await ana.command("session.update", session_id="chat", attributes={"a": 1}))["session"]
    assert ("answered_at" in updated, updated["fence"]) == (False, 1)
    assert [entry["kind"] for entry in await tenant.history("chat")] == ["opened"]


async def test_update_replaces_attributes_as_a_whole(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana")
    await open_with(tenant, attributes={"a": 1, "b": 2})
    for given, kept in (({"c": 3}, {"c": 3}), (None, {"c": 3}), ({}, None)):
        session = (await ana.command("session.update", session_id="chat", attributes=given))["session"]
        assert session.get("attributes") == kept


async def test_update_is_for_owner_admin_and_back_end_of_an_open_session(tenant: Tenant) -> None:
    await tenant.connect_agent("ana")
    bob = await tenant.connect_agent("bob")
    admin = await tenant.connect_admin()
    await open_with(tenant)
    assert (await bob.refused("session.update", session_id="chat", attributes={}))["code"] == "forbidden"
    over_http = await tenant.post("session.update", token=tenant.token("bob"), session_id="chat")
    assert (over_http.status, over_http.body["code"]) == (403, "forbidden")
    await admin.command("session.update", session_id="chat", attributes={"a": 1})
    await tenant.do("session.close", session_id="chat")
    assert (await admin.refused("session.update", session_id="chat", attributes={}))["code"] == "closed"


async def test_session_opened_again_keeps_its_attributes_unless_given(tenant: Tenant) -> None:
    await tenant.connect_agent("ana")
    for given, kept in (({"a": 1}, {"a": 1}), (None, {"a": 1}), ({"b": 2}, {"b": 2})):
        session = await open_with(tenant, attributes=given)
        assert session["attributes"] == kept
        await tenant.do("session.close", session_id="chat")


@pytest.mark.limit("ATTRIBUTES_BYTES_MAX")
async def test_attributes_beyond_4_kib_are_refused_with_their_path(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana")
    await open_with(tenant)
    room = ATTRIBUTES_BYTES_MAX - len('{"x":""}')
    await ana.command("session.update", session_id="chat", attributes={"x": "y" * room})
    over = {"x": "y" * (room + 1)}
    refused = await ana.refused("session.update", session_id="chat", attributes=over)
    assert (refused["code"], refused["details"]["path"]) == ("bad_message", "$.attributes")
    answer = await tenant.post("session.update", session_id="chat", attributes={"x": [1]})
    assert (answer.status, answer.body["code"]) == (400, "bad_message")
    assert answer.body["details"]["path"].startswith("$.attributes")
