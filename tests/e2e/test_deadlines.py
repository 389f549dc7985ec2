"""A session that is not answered, or pending for too long, goes on: what each side receives."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import MakeTenant, expect_clean
from tests.e2e.tenant import CUSTOMER, Tenant, to_agent, to_department
from tests.raw_client import Message, RawClient
from tests.routers import RouterProcess, running_routers
from tests.servers import StoreServer, running

# Their leases are renewed after minutes: what is done sooner is done because it is due.
RARE = {"node_lease_ms": 1_200_000, "presence_grace_ms": 200, "session_grace_ms": 600}
ANSWER_MS, ROUND, ROUNDS = 300, 50, 20


@pytest.fixture(scope="module")
def rare_routers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RouterProcess]]:
    """Two routers that renew their leases rarely."""
    with running(StoreServer(tmp_path_factory.mktemp("store"))) as server:
        with running_routers(2, server.url, tmp_path_factory.mktemp("rare"), **RARE) as pair:
            yield pair
        expect_clean(server.url)


@pytest.fixture
def rare(rare_routers: list[RouterProcess], make_tenant: MakeTenant) -> Tenant:
    """A tenant on those routers."""
    return make_tenant(rare_routers)


async def set_up(tenant: Tenant, **settings: object) -> None:
    await tenant.put_department("sales")
    await tenant.do("settings.put", settings=settings)


async def test_unanswered_session_goes_on_and_its_sender_learns_why(tenant: Tenant) -> None:
    await set_up(tenant, answer_ms=400, missed_max=1)
    ana = await tenant.connect_agent("ana", on=0, departments=["sales"])
    bob = await tenant.connect_agent("bob", on=1, departments=["sales"])
    await tenant.open_session("chat-1", agent="ana")
    await ana.command("session.answer", session_id="chat-1")
    await ana.command("session.transfer", session_id="chat-1", target=to_agent("bob"))

    assigned = await bob.expect_push("session.assigned")
    assert assigned["session"]["due_at"] > assigned["session"]["updated_at"]
    assert (await bob.expect_push("session.removed"))["why"] == "unanswered"
    changed = await bob.expect_push("status.changed")
    assert (changed["reason"], changed["agent"]["status"], changed["agent"]["missed"]) == (
        "unanswered",
        "pause",
        1,
    )
    updated = await ana.expect_push("transfer.updated", state="moved")
    assert updated["why"] == "unanswered"
    # The sender answered it before, so it may have it again.
    assert updated["session"]["owner"] == {"kind": "agent", "id": "ana"}
    entry = next(one for one in await tenant.history("chat-1") if one["kind"] == "moved")
    assert entry["why"] == "unanswered"


async def test_answer_over_http_ends_the_deadline(tenant: Tenant) -> None:
    await set_up(tenant, answer_ms=600_000)
    ana = await tenant.connect_agent("ana", departments=["sales"])
    opened = await tenant.open_session("chat-1", department="sales")
    assert opened["due_at"] == opened["updated_at"] + 600_000
    await ana.expect_push("session.assigned")

    answer = await tenant.post("session.answer", token=tenant.token("ana"), session_id="chat-1")

    assert "due_at" not in answer.body["session"]
    assert "due_at" not in await tenant.get_session("chat-1")


async def test_overdue_session_is_given_back(tenant: Tenant) -> None:
    await set_up(tenant, pending_ms=300)
    ana = await tenant.connect_agent("ana", departments=["sales"])
    bob = await tenant.connect_agent("bob")
    await bob.command("status.set", status="pause")
    await tenant.open_session("chat-1", agent="ana")
    await ana.command("session.answer", session_id="chat-1")
    await ana.command("session.transfer", session_id="chat-1", target=to_agent("bob"))

    await bob.expect_push("session.pending")
    assert (await bob.expect_push("session.removed"))["why"] == "overdue"
    assert (await ana.expect_push("transfer.updated"))["why"] == "overdue"
    assert (await tenant.get_session("chat-1"))["owner"]["id"] == "ana"


async def test_member_that_takes_from_the_queue_is_told_to_the_sender(tenant: Tenant) -> None:
    await set_up(tenant)
    ana = await tenant.connect_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    await ana.command("session.transfer", session_id="chat-1", target=to_department("sales"))
    await tenant.connect_agent("bob", departments=["sales"])

    assert (await ana.expect_push("transfer.updated"))["why"] == "queue"


async def test_pending_session_enters_progress_by_itself(tenant: Tenant) -> None:
    await set_up(tenant, pending_take="when_available")
    ana = await tenant.connect_agent("ana")
    await ana.command("status.set", status="pause")
    await tenant.open_session("chat-1", agent="ana")
    await ana.expect_push("session.pending")

    await ana.command("status.set", status="connected")

    assert (await ana.expect_push("session.assigned"))["session"]["id"] == "chat-1"


# A node wakes up.


async def test_node_wakes_up_for_a_session_that_another_node_placed(rare: Tenant) -> None:
    await set_up(rare, answer_ms=ANSWER_MS)
    rare.back_end_on = 1
    ana = await rare.connect_agent("ana", departments=["sales"])
    bob = await rare.connect_agent("bob", departments=["sales"])
    await rare.open_session("chat-1", agent="ana")
    await ana.expect_push("session.assigned")

    assert (await ana.expect_push("session.removed"))["why"] == "unanswered"
    await bob.expect_push("session.assigned")


async def test_session_of_an_agent_that_vanished_goes_on_after_its_grace(rare: Tenant) -> None:
    await rare.put_department("sales")
    ana = await rare.connect_agent("ana", departments=["sales"])
    bob = await rare.connect_agent("bob", departments=["sales"])
    await rare.open_session("chat-1", agent="ana")
    await ana.command("session.answer", session_id="chat-1")
    ana.drop()

    assert (await bob.expect_push("session.assigned"))["session"]["id"] == "chat-1"
    entry = next(one for one in await rare.history("chat-1") if one["kind"] == "moved")
    assert entry["why"] == "disconnected"


async def answer_at(ana: RawClient, session: Message, ms: int) -> str:
    """Send the answer to a session so long after its deadline, or before it; return the command's id."""
    await asyncio.sleep(max(0, (session["due_at"] + ms) / 1000 - time.time()))
    return await ana.send("session.answer", session_id=session["id"])


async def history(client: RawClient, session_id: str) -> list[Message]:
    entries: list[Message] = (await client.command("session.history", session_id=session_id))["entries"]
    return entries


@pytest.mark.slow
async def test_session_is_answered_or_moved_never_both(rare: Tenant) -> None:
    await set_up(rare, answer_ms=ANSWER_MS, missed_max=0)
    await rare.connect_agent("ana", on=0, departments=["sales"], capacity=100_000)
    elsewhere = await rare.connect_agent("ana", on=1, departments=["sales"], capacity=100_000)
    await rare.connect_agent("bob", on=0, departments=["sales"], capacity=100_000)
    desk = await rare.connect_service(on=0)
    answered = moved = 0
    for number in range(ROUNDS):
        opened = []
        for one in range(ROUND):
            fields = {"session_id": f"chat-{number}-{one}", "customer": CUSTOMER, "target": to_agent("ana")}
            opened.append((await desk.command("session.open", **fields))["session"])
        # 5 ms before its deadline, or after it, over another node than the one that opened it.
        sent = await asyncio.gather(
            *(answer_at(elsewhere, session, 5 if one % 2 else -5) for one, session in enumerate(opened))
        )
        for session, command_id in zip(opened, sent, strict=True):
            is_answered = "result" in await elsewhere.reply(command_id)
            await desk.command("session.close", session_id=session["id"])
            entry = (await history(desk, session["id"]))[1]
            assert (entry["kind"], entry.get("why")) == (
                ("closed", None) if is_answered else ("moved", "unanswered")
            )
            answered += is_answered
            moved += not is_answered
    # What came after the deadline came too late; of the others a busy machine may have sent some so.
    assert answered
    assert moved >= ROUNDS * ROUND // 2
