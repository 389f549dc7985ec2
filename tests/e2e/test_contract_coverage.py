"""
Walk the tables of the protocol's document: each command is answered and each push arrives, as it says.

What is added to the protocol has no entry here and fails until it has one. The tables of error and close
codes are walked in the same way by test_errors.py and test_close_codes.py. Besides, every message that any
story receives is held against the document (conftest.py).
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from tests.e2e import contract, test_close_codes, test_errors
from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import CUSTOMER, Tenant, to_agent, to_department
from tests.e2e.test_presence import now_ms
from tests.raw_client import FORMATS, Message, RawClient
from tests.routers import RouterProcess


class Clients:
    """
    The clients of Ana, Bob and Adela, and a session of each of the first two.

    Args:
        tenant: Their tenant.
        ana: An agent, in sales, the owner of `chat-1`.
        bob: The owner of `chat-2`.
        adela: An admin.
        crm: A back end.
    """

    def __init__(self, tenant: Tenant, *clients: RawClient) -> None:
        self.tenant = tenant
        self.ana, self.bob, self.adela, self.crm = clients

    async def pause_bob(self) -> None:
        """Let Bob take nothing new."""
        await self.bob.command("status.set", status="pause")

    async def transfer(self, session_id: str = "chat-1", **fields: Any) -> Message:
        """Let Ana transfer her session, to Bob unless said otherwise."""
        return await self.ana.command(
            "session.transfer", session_id=session_id, **{"target": to_agent("bob")} | fields
        )


Exercise: TypeAlias = Callable[[Clients], Awaitable[Any]]

COMMANDS: dict[str, Exercise] = {}
"""How to send each command, so that it is carried out; returns what answered it."""

PUSHES: dict[str, Exercise] = {}
"""How to get each push; returns it."""

HOURS = {"zone": "Europe/Lisbon", "week": {"mon": [["09:00", "18:00"]]}, "days": {"2026-12-25": []}}

# It needs a router that stops: test_presence.py.
APART = ("server.draining",)


def command(type: str) -> Callable[[Exercise], Exercise]:
    """Register the exercise of a command."""

    def register(exercise: Exercise) -> Exercise:
        COMMANDS[type] = exercise
        return exercise

    return register


def push(type: str) -> Callable[[Exercise], Exercise]:
    """Register the exercise of a push."""

    def register(exercise: Exercise) -> Exercise:
        PUSHES[type] = exercise
        return exercise

    return register


@pytest.fixture
async def clients(routers: list[RouterProcess], make_tenant: MakeTenant, format: str) -> Clients:
    """Clients of one format, on two routers."""
    tenant = make_tenant(routers, (format,))
    await tenant.put_department("sales")
    connected = [
        await tenant.connect_agent("ana", departments=["sales"]),
        await tenant.connect_agent("bob", on=1),
        await tenant.connect_admin(on=1),
        await tenant.connect_service(),
    ]
    await tenant.open_session("chat-1", agent="ana")
    await tenant.open_session("chat-2", agent="bob")
    return Clients(tenant, *connected)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("type", contract.commands())
async def test_command_is_applied_and_its_reply_fits_the_document(clients: Clients, type: str) -> None:
    answer = await COMMANDS[type](clients)

    documented = [name for name in contract.replies_to(type) if name != "reply.error"]
    if documented:
        assert any(contract.fits(name, answer) for name in documented), answer
    else:
        assert answer is None


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("type", [name for name in contract.pushes() if name not in APART])
async def test_push_arrives_and_fits_the_document(clients: Clients, type: str) -> None:
    message = await PUSHES[type](clients)

    assert message["type"] == type
    assert contract.fits(type, message)


def test_exercises_are_those_of_the_document() -> None:
    assert set(COMMANDS) == set(contract.commands())
    assert {*PUSHES, *APART} == set(contract.pushes())
    assert set(test_errors.PROVOKE) == set(contract.error_codes())
    closes = {*test_close_codes.PROVOKE, *test_close_codes.APART}
    assert closes == {*contract.close_codes(), *test_close_codes.STANDARD}


async def answer_to(client: RawClient, type: str, **fields: Any) -> Message:
    """Send a command, and return the whole reply."""
    return await client.reply(await client.send(type, **fields))


# Commands.


@command("hello")
async def hello(clients: Clients) -> Message:
    return clients.ana.welcome


@command("ping")
async def ping(clients: Clients) -> Message:
    return await answer_to(clients.ana, "ping")


@command("token.refresh")
async def token_refresh(clients: Clients) -> Message:
    return await answer_to(clients.ana, "token.refresh", token=clients.tenant.token("ana"))


@command("status.set")
async def status_set(clients: Clients) -> Message:
    answer = await answer_to(clients.ana, "status.set", status="pause", key="key-1")
    assert answer["result"]["agent"]["status"] == "pause"
    return answer


@command("directory.subscribe")
async def directory_subscribe(clients: Clients) -> Message:
    answer = await answer_to(clients.ana, "directory.subscribe")
    await clients.ana.expect_push("directory.snapshot")
    return answer


@command("directory.unsubscribe")
async def directory_unsubscribe(clients: Clients) -> Message:
    return await answer_to(clients.ana, "directory.unsubscribe")


@command("session.open")
async def session_open(clients: Clients) -> Message:
    answer = await answer_to(
        clients.crm, "session.open", session_id="chat-3", customer=CUSTOMER, target=to_department("sales")
    )
    assert answer["result"]["session"]["owner"] == {"kind": "agent", "id": "ana"}
    return answer


@command("session.transfer")
async def session_transfer(clients: Clients) -> Message:
    answer = await answer_to(
        clients.ana, "session.transfer", session_id="chat-1", target=to_agent("bob"), reason="lunch", fence=1
    )
    assert answer["result"]["session"]["owner"] == {"kind": "agent", "id": "bob"}
    return answer


@command("session.answer")
async def session_answer(clients: Clients) -> Message:
    answer = await answer_to(clients.ana, "session.answer", session_id="chat-1", fence=1)
    assert answer["result"]["session"]["answered_at"]
    return answer


@command("session.accept")
async def session_accept(clients: Clients) -> Message:
    await clients.pause_bob()
    await clients.transfer()
    answer = await answer_to(clients.bob, "session.accept", session_id="chat-1", fence=2)
    assert answer["result"]["session"]["state"] == "in_progress"
    return answer


@command("session.decline")
async def session_decline(clients: Clients) -> Message:
    await clients.pause_bob()
    await clients.transfer()
    answer = await answer_to(clients.bob, "session.decline", session_id="chat-1", reason="not mine")
    assert answer["result"]["session"]["owner"] == {"kind": "agent", "id": "ana"}
    return answer


@command("session.recall")
async def session_recall(clients: Clients) -> Message:
    await clients.pause_bob()
    await clients.transfer()
    answer = await answer_to(clients.ana, "session.recall", session_id="chat-1")
    assert answer["result"]["session"]["owner"] == {"kind": "agent", "id": "ana"}
    return answer


@command("session.update")
async def session_update(clients: Clients) -> Message:
    answer = await answer_to(clients.ana, "session.update", session_id="chat-1", attributes={"vip": True})
    assert answer["result"]["session"]["attributes"] == {"vip": True}
    return answer


@command("session.note")
async def session_note(clients: Clients) -> Message:
    answer = await answer_to(clients.ana, "session.note", session_id="chat-1", text="a good customer")
    assert answer["result"]["entry"]["kind"] == "internal"
    return answer


@command("session.close")
async def session_close(clients: Clients) -> Message:
    answer = await answer_to(clients.ana, "session.close", session_id="chat-1", fence=1)
    session = answer["result"]["session"]
    assert (session["state"], session["owner"], session["fence"]) == ("closed", None, 2)
    return answer


@command("session.get")
async def session_get(clients: Clients) -> Message:
    return await answer_to(clients.ana, "session.get", session_id="chat-1")


@command("session.explain")
async def session_explain(clients: Clients) -> Message:
    await clients.ana.command("session.transfer", session_id="chat-1", target=to_department("sales"))
    answer = await answer_to(clients.adela, "session.explain", session_id="chat-1", agent_id="ana")
    assert answer["result"]["decision"]["by"] == "department"
    assert answer["result"]["why_not"] == "owner"
    return answer


@command("session.place")
async def session_place(clients: Clients) -> Message:
    await clients.ana.command("session.transfer", session_id="chat-1", target=to_department("sales"))
    answer = await answer_to(clients.ana, "session.place", session_id="chat-1")
    assert answer["result"] == {"place": 1}
    return answer


@command("session.history")
async def session_history(clients: Clients) -> Message:
    await clients.ana.command("session.note", session_id="chat-1", text="one")
    await clients.ana.command("session.note", session_id="chat-1", text="two")
    answer = await answer_to(clients.ana, "session.history", session_id="chat-1", after=1, limit=1)
    assert [entry["text"] for entry in answer["result"]["entries"]] == ["one"]
    assert answer["result"]["more"] is True
    return answer


@command("session.list")
async def session_list(clients: Clients) -> Message:
    answer = await answer_to(clients.adela, "session.list", state="in_progress", limit=1)
    assert [session["id"] for session in answer["result"]["sessions"]] == ["chat-1"]
    cursor = answer["result"]["cursor"]
    rest = await clients.adela.command("session.list", state="in_progress", limit=1, cursor=cursor)
    assert [session["id"] for session in rest["sessions"]] == ["chat-2"]
    assert rest["cursor"] is None
    return answer


@command("session.watch")
async def session_watch(clients: Clients) -> Message:
    return await answer_to(clients.adela, "session.watch")


@command("session.unwatch")
async def session_unwatch(clients: Clients) -> Message:
    await clients.adela.command("session.watch")
    answer = await answer_to(clients.adela, "session.unwatch")
    await clients.adela.open_dialog()
    await clients.tenant.open_session("chat-3", agent="ana")
    await clients.adela.sees_agent("ana", load=2)
    # What changed before may still have been on its way.
    assert "chat-3" not in [push["session"]["id"] for push in clients.adela.unread("session.changed")]
    return answer


@command("session.ack")
async def session_ack(clients: Clients) -> None:
    await clients.transfer()
    acknowledgement = await clients.bob.send("session.ack", session_id="chat-1", fence=2)
    assert (await clients.ana.expect_push("transfer.updated"))["state"] == "delivered"
    # It has no reply: the next command's is the next one.
    await clients.bob.command("session.list")
    assert [message for message in clients.bob.unread("reply") if message["id"] == acknowledgement] == []


@command("agent.put")
async def agent_put(clients: Clients) -> Message:
    agent = {"id": "bob", "name": "Roberto", "role": "agent", "departments": ["sales"], "capacity": 3}
    answer = await answer_to(clients.crm, "agent.put", agent=agent)
    assert agent.items() <= answer["result"]["agent"].items()
    return answer


@command("agent.remove")
async def agent_remove(clients: Clients) -> Message:
    await clients.tenant.put_agent("zoe")
    return await answer_to(clients.crm, "agent.remove", agent_id="zoe")


@command("department.put")
async def department_put(clients: Clients) -> Message:
    answer = await answer_to(clients.crm, "department.put", department={"id": "sales", "name": "Ventas"})
    assert answer["result"]["department"]["name"] == "Ventas"
    return answer


@command("department.remove")
async def department_remove(clients: Clients) -> Message:
    return await answer_to(clients.crm, "department.remove", department_id="sales")


@command("settings.get")
async def settings_get(clients: Clients) -> Message:
    return await answer_to(clients.adela, "settings.get")


@command("settings.put")
async def settings_put(clients: Clients) -> Message:
    answer = await answer_to(clients.crm, "settings.put", settings={"answer_ms": 5_000, "hours": HOURS})
    assert answer["result"]["settings"]["answer_ms"] == 5_000
    return answer


@command("agent.get")
async def agent_get(clients: Clients) -> Message:
    answer = await answer_to(clients.ana, "agent.get", agent_id="bob")
    assert answer["result"]["agent"]["id"] == "bob"
    return answer


@command("agent.list")
async def agent_list(clients: Clients) -> Message:
    answer = await answer_to(clients.ana, "agent.list", limit=2)
    rest = await clients.ana.command("agent.list", cursor=answer["result"]["cursor"])
    assert {row["id"] for row in [*answer["result"]["agents"], *rest["agents"]]} == {"ana", "bob", "adela"}
    assert rest["cursor"] is None
    return answer


@command("department.get")
async def department_get(clients: Clients) -> Message:
    answer = await answer_to(clients.ana, "department.get", department_id="sales")
    assert answer["result"]["department"]["id"] == "sales"
    return answer


@command("department.list")
async def department_list(clients: Clients) -> Message:
    answer = await answer_to(clients.ana, "department.list")
    assert [row["id"] for row in answer["result"]["departments"]] == ["sales"]
    return answer


# Pushes.


@push("session.assigned")
async def session_assigned(clients: Clients) -> Message:
    sent = await clients.transfer(reason="lunch")
    message = await clients.bob.expect_push("session.assigned", session__id="chat-1")
    assert message["transfer"] == sent["transfer"]
    return message


@push("session.pending")
async def session_pending(clients: Clients) -> Message:
    await clients.pause_bob()
    sent = await clients.transfer()
    message = await clients.bob.expect_push("session.pending")
    assert message["session"] == sent["session"]
    return message


@push("session.removed")
async def session_removed(clients: Clients) -> Message:
    await clients.transfer()
    return await clients.ana.expect_push("session.removed", session_id="chat-1", fence=2, why="transferred")


@push("session.entry")
async def session_entry(clients: Clients) -> Message:
    await clients.crm.command("session.note", session_id="chat-1", text="paid already")
    return await clients.ana.expect_push("session.entry", entry__kind="internal", entry__text="paid already")


@push("session.changed")
async def session_changed(clients: Clients) -> Message:
    await clients.adela.command("session.watch")
    sent = await clients.transfer()
    # What changed before may still have been on its way.
    message = await clients.adela.expect_push("session.changed", session__fence=sent["session"]["fence"])
    assert message["session"] == sent["session"]
    assert message["why"] == "transferred"
    return message


@push("agent.changed")
async def agent_changed(clients: Clients) -> Message:
    await clients.adela.command("status.set", status="pause", agent_id="bob")
    return await clients.bob.expect_push("agent.changed", agent__status="pause")


@push("transfer.updated")
async def transfer_updated(clients: Clients) -> Message:
    await clients.pause_bob()
    await clients.transfer()
    await clients.bob.command("session.decline", session_id="chat-1")
    return await clients.ana.expect_push("transfer.updated", state="declined")


@push("directory.snapshot")
async def directory_snapshot(clients: Clients) -> Message:
    await clients.ana.command("directory.subscribe")
    return await clients.ana.expect_push("directory.snapshot")


@push("directory.patch")
async def directory_patch(clients: Clients) -> Message:
    await clients.ana.open_dialog()
    await clients.pause_bob()
    return await clients.ana.expect_push("directory.patch")


@push("status.changed")
async def status_changed(clients: Clients) -> Message:
    await clients.tenant.connect_admin()
    await clients.tenant.clients[-1].command("status.set", agent_id="ana", status="pause", reason="tea")
    message = await clients.ana.expect_push("status.changed")
    assert (message["by"]["id"], message["reason"]) == ("adela", "tea")
    return message


@push("token.expiring")
async def token_expiring(clients: Clients) -> Message:
    eve = await clients.tenant.connect_agent("eve", ttl_s=59)
    message = await eve.expect_push("token.expiring")
    assert message["expires_at"] > now_ms()
    return message
