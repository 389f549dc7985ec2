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
from tests.e2e.conftest import MakeOffice
from tests.e2e.office import ANYBODY, Office, to_agent, to_department
from tests.e2e.test_presence import now_ms
from tests.raw_client import FORMATS, Message, RawClient
from tests.routers import RouterProcess


class Desk:
    """
    Ana, Bob and Adela at their screens, and a conversation with each of the first two.

    Args:
        office: Their office.
        ana: An agent, in sales, the owner of `chat-1`.
        bob: The owner of `chat-2`.
        adela: An admin.
        crm: A back end.
    """

    def __init__(self, office: Office, *people: RawClient) -> None:
        self.office = office
        self.ana, self.bob, self.adela, self.crm = people

    async def pause_bob(self) -> None:
        """Let Bob take nothing new."""
        await self.bob.command("status.set", status="pause")

    async def transfer(self, session_id: str = "chat-1", **fields: Any) -> Message:
        """Let Ana transfer her session, to Bob unless said otherwise."""
        return await self.ana.command(
            "session.transfer", session_id=session_id, **{"target": to_agent("bob")} | fields
        )


Exercise: TypeAlias = Callable[[Desk], Awaitable[Any]]

COMMANDS: dict[str, Exercise] = {}
"""How to send each command, so that it is carried out; returns what answered it."""

PUSHES: dict[str, Exercise] = {}
"""How to get each push; returns it."""

# It needs a router that stops: test_close_codes.py and test_presence.py.
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
async def desk(routers: list[RouterProcess], make_office: MakeOffice, format: str) -> Desk:
    """The people, all in one format, on two routers."""
    office = make_office(routers, (format,))
    await office.put_department("sales")
    people = [
        await office.connect_agent("ana", departments=["sales"]),
        await office.connect_agent("bob", on=1),
        await office.connect_admin(on=1),
        await office.connect_service(),
    ]
    await office.open_session("chat-1", agent="ana")
    await office.open_session("chat-2", agent="bob")
    return Desk(office, *people)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("type", contract.commands())
async def test_command_is_applied_and_its_reply_fits_the_document(desk: Desk, type: str) -> None:
    answer = await COMMANDS[type](desk)

    documented = [name for name in contract.replies_to(type) if name != "reply.error"]
    if documented:
        assert any(contract.fits(name, answer) for name in documented), answer
    else:
        assert answer is None


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("type", [name for name in contract.pushes() if name not in APART])
async def test_push_arrives_and_fits_the_document(desk: Desk, type: str) -> None:
    message = await PUSHES[type](desk)

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
async def hello(desk: Desk) -> Message:
    return desk.ana.welcome


@command("ping")
async def ping(desk: Desk) -> Message:
    return await answer_to(desk.ana, "ping")


@command("token.refresh")
async def token_refresh(desk: Desk) -> Message:
    return await answer_to(desk.ana, "token.refresh", token=desk.office.token("ana"))


@command("status.set")
async def status_set(desk: Desk) -> Message:
    answer = await answer_to(desk.ana, "status.set", status="pause", key="key-1")
    assert answer["result"]["agent"]["status"] == "pause"
    return answer


@command("directory.subscribe")
async def directory_subscribe(desk: Desk) -> Message:
    answer = await answer_to(desk.ana, "directory.subscribe")
    await desk.ana.expect_push("directory.snapshot")
    return answer


@command("directory.unsubscribe")
async def directory_unsubscribe(desk: Desk) -> Message:
    return await answer_to(desk.ana, "directory.unsubscribe")


@command("session.open")
async def session_open(desk: Desk) -> Message:
    answer = await answer_to(
        desk.crm, "session.open", session_id="chat-3", customer=ANYBODY, target=to_department("sales")
    )
    assert answer["result"]["session"]["owner"] == {"kind": "agent", "id": "ana"}
    return answer


@command("session.transfer")
async def session_transfer(desk: Desk) -> Message:
    answer = await answer_to(
        desk.ana, "session.transfer", session_id="chat-1", target=to_agent("bob"), reason="lunch", fence=1
    )
    assert answer["result"]["session"]["owner"] == {"kind": "agent", "id": "bob"}
    return answer


@command("session.accept")
async def session_accept(desk: Desk) -> Message:
    await desk.pause_bob()
    await desk.transfer()
    answer = await answer_to(desk.bob, "session.accept", session_id="chat-1", fence=2)
    assert answer["result"]["session"]["state"] == "in_progress"
    return answer


@command("session.decline")
async def session_decline(desk: Desk) -> Message:
    await desk.pause_bob()
    await desk.transfer()
    answer = await answer_to(desk.bob, "session.decline", session_id="chat-1", reason="not mine")
    assert answer["result"]["session"]["owner"] == {"kind": "agent", "id": "ana"}
    return answer


@command("session.recall")
async def session_recall(desk: Desk) -> Message:
    await desk.pause_bob()
    await desk.transfer()
    answer = await answer_to(desk.ana, "session.recall", session_id="chat-1")
    assert answer["result"]["session"]["owner"] == {"kind": "agent", "id": "ana"}
    return answer


@command("session.note")
async def session_note(desk: Desk) -> Message:
    answer = await answer_to(desk.ana, "session.note", session_id="chat-1", text="a good customer")
    assert answer["result"]["entry"]["kind"] == "internal"
    return answer


@command("session.close")
async def session_close(desk: Desk) -> Message:
    answer = await answer_to(desk.ana, "session.close", session_id="chat-1", fence=1)
    session = answer["result"]["session"]
    assert (session["state"], session["owner"], session["fence"]) == ("closed", None, 2)
    return answer


@command("session.get")
async def session_get(desk: Desk) -> Message:
    return await answer_to(desk.ana, "session.get", session_id="chat-1")


@command("session.place")
async def session_place(desk: Desk) -> Message:
    await desk.ana.command("session.transfer", session_id="chat-1", target=to_department("sales"))
    answer = await answer_to(desk.ana, "session.place", session_id="chat-1")
    assert answer["result"] == {"place": 1}
    return answer


@command("session.history")
async def session_history(desk: Desk) -> Message:
    await desk.ana.command("session.note", session_id="chat-1", text="one")
    await desk.ana.command("session.note", session_id="chat-1", text="two")
    answer = await answer_to(desk.ana, "session.history", session_id="chat-1", after=1, limit=1)
    assert [entry["text"] for entry in answer["result"]["entries"]] == ["one"]
    assert answer["result"]["more"] is True
    return answer


@command("session.list")
async def session_list(desk: Desk) -> Message:
    answer = await answer_to(desk.adela, "session.list", state="in_progress", limit=1)
    assert [session["id"] for session in answer["result"]["sessions"]] == ["chat-1"]
    cursor = answer["result"]["cursor"]
    rest = await desk.adela.command("session.list", state="in_progress", limit=1, cursor=cursor)
    assert [session["id"] for session in rest["sessions"]] == ["chat-2"]
    assert rest["cursor"] is None
    return answer


@command("session.watch")
async def session_watch(desk: Desk) -> Message:
    return await answer_to(desk.adela, "session.watch")


@command("session.unwatch")
async def session_unwatch(desk: Desk) -> Message:
    await desk.adela.command("session.watch")
    answer = await answer_to(desk.adela, "session.unwatch")
    await desk.adela.open_dialog()
    await desk.office.open_session("chat-3", agent="ana")
    await desk.adela.sees_agent("ana", load=2)
    # What changed before may have come while she watched.
    assert "chat-3" not in [push["session"]["id"] for push in desk.adela.unread("session.changed")]
    return answer


@command("session.ack")
async def session_ack(desk: Desk) -> None:
    await desk.transfer()
    acknowledgement = await desk.bob.send("session.ack", session_id="chat-1", fence=2)
    assert (await desk.ana.expect_push("transfer.updated"))["state"] == "delivered"
    # It has no reply: the next command's is the next one.
    await desk.bob.command("session.list")
    assert [message for message in desk.bob.unread("reply") if message["id"] == acknowledgement] == []


@command("agent.put")
async def agent_put(desk: Desk) -> Message:
    agent = {"id": "bob", "name": "Roberto", "role": "agent", "departments": ["sales"], "capacity": 3}
    answer = await answer_to(desk.crm, "agent.put", agent=agent)
    assert agent.items() <= answer["result"]["agent"].items()
    return answer


@command("agent.remove")
async def agent_remove(desk: Desk) -> Message:
    await desk.office.put_agent("zoe")
    return await answer_to(desk.crm, "agent.remove", agent_id="zoe")


@command("department.put")
async def department_put(desk: Desk) -> Message:
    answer = await answer_to(desk.crm, "department.put", department={"id": "sales", "name": "Ventas"})
    assert answer["result"]["department"]["name"] == "Ventas"
    return answer


@command("department.remove")
async def department_remove(desk: Desk) -> Message:
    return await answer_to(desk.crm, "department.remove", department_id="sales")


# Pushes.


@push("session.assigned")
async def session_assigned(desk: Desk) -> Message:
    sent = await desk.transfer(reason="lunch")
    message = await desk.bob.expect_push("session.assigned", session__id="chat-1")
    assert message["transfer"] == sent["transfer"]
    return message


@push("session.pending")
async def session_pending(desk: Desk) -> Message:
    await desk.pause_bob()
    sent = await desk.transfer()
    message = await desk.bob.expect_push("session.pending")
    assert message["session"] == sent["session"]
    return message


@push("session.removed")
async def session_removed(desk: Desk) -> Message:
    await desk.transfer()
    return await desk.ana.expect_push("session.removed", session_id="chat-1", fence=2, why="transferred")


@push("session.entry")
async def session_entry(desk: Desk) -> Message:
    await desk.crm.command("session.note", session_id="chat-1", text="paid already")
    return await desk.ana.expect_push("session.entry", entry__kind="internal", entry__text="paid already")


@push("session.changed")
async def session_changed(desk: Desk) -> Message:
    await desk.adela.command("session.watch")
    sent = await desk.transfer()
    # What changed before may have come while she watched.
    message = await desk.adela.expect_push("session.changed", session__fence=sent["session"]["fence"])
    assert message["session"] == sent["session"]
    return message


@push("transfer.updated")
async def transfer_updated(desk: Desk) -> Message:
    await desk.pause_bob()
    await desk.transfer()
    await desk.bob.command("session.decline", session_id="chat-1")
    return await desk.ana.expect_push("transfer.updated", state="declined")


@push("directory.snapshot")
async def directory_snapshot(desk: Desk) -> Message:
    await desk.ana.command("directory.subscribe")
    return await desk.ana.expect_push("directory.snapshot")


@push("directory.patch")
async def directory_patch(desk: Desk) -> Message:
    await desk.ana.open_dialog()
    await desk.pause_bob()
    return await desk.ana.expect_push("directory.patch")


@push("token.expiring")
async def token_expiring(desk: Desk) -> Message:
    eve = await desk.office.connect_agent("eve", ttl_s=59)
    message = await eve.expect_push("token.expiring")
    assert message["expires_at"] > now_ms()
    return message
