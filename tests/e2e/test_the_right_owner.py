"""A conversation finds its right owner: given back, or taken; what is refused says why in numbers."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import CUSTOMER, Tenant, to_agent, to_department
from tests.raw_client import Message, RawClient
from tests.routers import RouterProcess, running_routers
from tests.servers import StoreServer

SHORT = {"presence_grace_ms": 200, "session_grace_ms": 600, "node_lease_ms": 6000}


@pytest.fixture(scope="module")
def short_routers(
    store: StoreServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[RouterProcess]]:
    """Two routers with short graces."""
    with running_routers(2, store.url, tmp_path_factory.mktemp("short"), **SHORT) as pair:
        yield pair


@pytest.fixture
def short(short_routers: list[RouterProcess], make_tenant: MakeTenant) -> Tenant:
    """A tenant on those routers."""
    return make_tenant(short_routers)


def place(session: Message) -> tuple[str, Any]:
    """Return a session's state and its owner's id."""
    return session["state"], session["owner"] and session["owner"]["id"]


async def pause(client: RawClient) -> None:
    """Take a break."""
    await client.command("status.set", status="pause")


# Given back.


async def test_declined_session_skips_an_absent_holder_for_its_department(short: Tenant) -> None:
    await short.put_department("sales")
    carl = await short.connect_agent("carl", departments=["sales"])
    await short.open_session("chat-1", department="sales")
    bea = await short.connect_agent("bea", on=1, departments=["sales"])
    await pause(bea)
    admin = await short.connect_admin()
    await admin.command("session.transfer", session_id="chat-1", target=to_agent("bea"))
    observer = await short.connect_admin("observer")
    await observer.open_dialog()
    await carl.close()
    await observer.sees_agent("carl", status="disconnected")
    dora = await short.connect_agent("dora", departments=["sales"])

    declined = (await bea.command("session.decline", session_id="chat-1"))["session"]

    assert place(declined) == ("in_progress", "dora")
    assert (await dora.expect_push("session.assigned"))["session"] == declined


async def test_declined_session_of_a_back_end_has_no_origin(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana")
    await pause(ana)
    opened = await tenant.open_session("chat-1", agent="ana")

    error = await ana.refused("session.decline", session_id="chat-1")
    over_http = await tenant.post("session.decline", token=tenant.token("ana"), session_id="chat-1")

    assert (error["code"], error["details"]) == ("no_origin", {"owner": to_agent("ana")})
    assert (over_http.status, over_http.body) == (409, error)
    assert await tenant.get_session("chat-1") == opened


@pytest.mark.parametrize("over", ["websocket", "HTTP"])
@pytest.mark.parametrize("kind", ["agent", "department"])
async def test_declined_session_without_origin_goes_to_the_last_resort(
    tenant: Tenant, kind: str, over: str
) -> None:
    await tenant.put_department("sales")
    bob = await tenant.connect_agent("bob")
    ana = await tenant.connect_agent("ana")
    await pause(ana)
    resort = to_agent("bob") if kind == "agent" else to_department("sales")
    await tenant.do("settings.put", settings={"last_resort": resort})
    await tenant.open_session("chat-1", agent="ana")

    if over == "websocket":
        declined = (await ana.command("session.decline", session_id="chat-1"))["session"]
    else:
        answer = await tenant.post("session.decline", token=tenant.token("ana"), session_id="chat-1")
        declined = answer.body["session"]

    if kind == "agent":
        assert place(declined) == ("in_progress", "bob")
        assert (await bob.expect_push("session.assigned"))["session"] == declined
    else:
        assert (place(declined), declined["department"]) == (("queued", "sales"), "sales")


async def test_last_resort_that_is_gone_or_has_the_session_is_no_origin(tenant: Tenant) -> None:
    await tenant.put_agent("bob")
    ana = await tenant.connect_agent("ana")
    await pause(ana)
    await tenant.open_session("chat-1", agent="ana")
    codes = []
    for resort in ("bob", "ana"):
        await tenant.do("settings.put", settings={"last_resort": to_agent(resort)})
        if resort == "bob":
            await tenant.do("agent.remove", agent_id="bob")
        codes.append((await ana.refused("session.decline", session_id="chat-1"))["code"])
    assert codes == ["no_origin", "no_origin"]


async def test_declined_session_of_a_back_end_goes_to_its_department(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    ana = await tenant.connect_agent("ana", departments=["sales"])
    await pause(ana)
    assert (await tenant.open_session("chat-1", agent="ana"))["department"] == "sales"

    declined = (await ana.command("session.decline", session_id="chat-1"))["session"]

    assert place(declined) == ("queued", "sales")


async def test_session_keeps_its_department_only_with_a_member(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    await tenant.put_department("help")
    for name, departments in (("ana", ["sales"]), ("bob", ["sales", "help"]), ("cid", ["help"]), ("dan", [])):
        await tenant.put_agent(name, departments=departments)
    assert (await tenant.open_session("chat-1", department="sales"))["department"] == "sales"

    departments = []
    for name in ("ana", "bob", "cid", "bob", "dan", "bob"):
        sent = await tenant.do("session.transfer", session_id="chat-1", target=to_agent(name))
        departments.append(sent["session"].get("department"))

    # A member of its department, twice; an only department, kept by a member; none, and none of two.
    assert departments == ["sales", "sales", "help", "help", None, None]


@pytest.mark.parametrize("offered", ["pending", "in progress"])
async def test_declined_session_keeps_its_place_in_the_queue(tenant: Tenant, offered: str) -> None:
    await tenant.put_department("sales")
    ana = await tenant.connect_agent("ana", departments=["sales"])
    await pause(ana)
    for name in ("first", "second", "third"):
        await tenant.open_session(name, department="sales")
    bob = await tenant.connect_agent("bob", departments=["help"])
    if offered == "pending":
        await pause(bob)
    await tenant.do("session.transfer", session_id="first", target=to_agent("bob"))
    # Bob is no member: the session goes back where it came from.
    await tenant.put_agent("bob", departments=["sales"], capacity=0)
    sent = await tenant.do("session.transfer", session_id="second", target=to_agent("bob"))

    declined = (await bob.command("session.decline", session_id="second"))["session"]

    assert place(sent["session"]) == ("pending", "bob")
    assert place(declined) == ("queued", "sales")
    listed = await tenant.list_sessions(department_id="sales", state="queued")
    assert [session["id"] for session in listed] == ["second", "third"]


async def test_unanswered_session_in_progress_is_declined(tenant: Tenant) -> None:
    ana, bob = [await tenant.connect_agent(name, on=on) for on, name in enumerate(("ana", "bob"))]
    await tenant.open_session("chat-1", agent="ana")
    await ana.command("session.transfer", session_id="chat-1", target=to_agent("bob"))

    declined = (await bob.command("session.decline", session_id="chat-1"))["session"]

    assert place(declined) == ("in_progress", "ana")
    assert (await ana.expect_push("transfer.updated"))["state"] == "declined"
    assert (await bob.expect_push("session.removed"))["why"] == "declined"


@pytest.mark.parametrize("command", ["session.answer", "session.note"])
async def test_answered_session_is_neither_declined_nor_recalled(tenant: Tenant, command: str) -> None:
    ana, bob = [await tenant.connect_agent(name, on=on) for on, name in enumerate(("ana", "bob"))]
    observer = await tenant.connect_admin()
    await observer.command("session.watch")
    await tenant.open_session("chat-1", agent="ana")
    await ana.command("session.transfer", session_id="chat-1", target=to_agent("bob"))
    text = {"text": "hello"} if command == "session.note" else {}
    await bob.command(command, session_id="chat-1", **text)
    changed = await observer.expect_push("session.changed", session__fence=2)
    while "answered_at" not in changed["session"]:
        changed = await observer.expect_push("session.changed")

    assert changed["session"] == await tenant.get_session("chat-1")
    assert (await bob.refused("session.decline", session_id="chat-1"))["code"] == "conflict"
    assert (await ana.refused("session.recall", session_id="chat-1"))["code"] == "conflict"


async def test_what_a_machine_or_an_admin_does_is_no_answer(tenant: Tenant) -> None:
    ana, bob = [await tenant.connect_agent(name, on=on) for on, name in enumerate(("ana", "bob"))]
    await tenant.open_session("chat-1", agent="ana")
    assert "answered_at" in (await ana.command("session.answer", session_id="chat-1"))["session"]
    sent = await ana.command("session.transfer", session_id="chat-1", target=to_agent("bob"))
    await bob.send("session.ack", session_id="chat-1", fence=sent["session"]["fence"])
    await ana.expect_push("transfer.updated", state="delivered")
    await tenant.do("session.note", session_id="chat-1", text="a back end's")

    assert "answered_at" not in await tenant.get_session("chat-1")
    assert (await ana.refused("session.answer", session_id="chat-1"))["code"] == "forbidden"
    over_http = await tenant.post("session.answer", token=tenant.token("bob"), session_id="chat-1", fence=1)
    assert (over_http.status, over_http.body["code"]) == (409, "conflict")
    recalled = (await ana.command("session.recall", session_id="chat-1"))["session"]
    assert place(recalled) == ("in_progress", "ana")


# Taken.


async def test_accept_of_a_pending_session_is_never_at_capacity(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    ana = await tenant.connect_agent("ana", departments=["sales"], capacity=1)
    for number in range(3):
        await tenant.open_session(f"queued-{number}", department="sales")
    await tenant.open_session("waiting", agent="ana")

    error = await ana.refused("session.accept", session_id="queued-1")
    accepted = (await ana.command("session.accept", session_id="waiting"))["session"]

    assert (error["code"], error["details"]) == ("at_capacity", {"load": 1, "capacity": 1})
    assert place(accepted) == ("in_progress", "ana")


@pytest.mark.parametrize("waits", ["queued", "pending"])
async def test_accept_over_http_without_a_connection_ends_with_the_grace(short: Tenant, waits: str) -> None:
    await short.put_department("sales")
    await short.put_agent("ana", departments=["sales"])
    where = {"department": "sales"} if waits == "queued" else {"agent": "ana"}
    assert (await short.open_session("chat-1", **where))["state"] == waits
    observer = await short.connect_admin()
    await observer.command("session.watch")

    taken = await short.post("session.accept", token=short.token("ana"), session_id="chat-1")

    assert place(taken.body["session"]) == ("in_progress", "ana")
    await observer.expect_push("session.changed", session__fence=2)
    moved = await observer.expect_push("session.changed", session__fence=3)
    assert moved["session"]["state"] != "in_progress"


# Refused, and why.


async def test_removal_in_use_carries_the_numbers(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    ana = await tenant.connect_agent("ana")
    await tenant.open_session("now", agent="ana")
    await pause(ana)
    for number in range(3):
        await tenant.open_session(f"later-{number}", agent="ana")
    await tenant.open_session("queued", department="sales")
    admin = await tenant.connect_admin()

    agent = await admin.refused("agent.remove", agent_id="ana")
    department = await tenant.post("department.remove", department_id="sales")

    assert (agent["code"], agent["details"]) == ("in_use", {"in_progress": 1, "pending": 3})
    assert (department.status, department.body["details"]) == (409, {"queued": 1})


async def test_open_of_an_open_session_carries_it(tenant: Tenant) -> None:
    await tenant.connect_agent("ana")
    admin = await tenant.connect_admin()
    opened = await tenant.open_session("chat-1", agent="ana")
    again: dict[str, Any] = {"session_id": "chat-1", "customer": CUSTOMER, "target": to_agent("ana")}

    error = await admin.refused("session.open", **again)
    over_http = await tenant.post("session.open", **again)

    assert (error["code"], error["details"]) == ("exists", {"session": opened})
    assert (over_http.status, over_http.body) == (409, error)


async def test_open_without_reopen_leaves_a_closed_session(tenant: Tenant) -> None:
    await tenant.connect_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    closed = (await tenant.do("session.close", session_id="chat-1"))["session"]
    again: dict[str, Any] = {"session_id": "chat-1", "customer": CUSTOMER, "target": to_agent("ana")}

    refused = await tenant.post("session.open", **again, reopen=False)
    reopened = await tenant.do("session.open", **again, reopen=True)

    assert (refused.body["code"], refused.body["details"]) == ("exists", {"session": closed})
    assert (reopened["session"]["state"], reopened["session"]["fence"]) == ("in_progress", 3)


# Seen.


async def test_queue_move_sends_the_row_of_the_department(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    ana = await tenant.connect_agent("ana", departments=["sales"], capacity=1)
    observer = await tenant.connect_admin()
    await tenant.open_session("mine", department="sales")
    await tenant.open_session("first", department="sales")
    await tenant.open_session("second", department="sales")
    await observer.open_dialog()
    await observer.sees_department("sales", queued=2)
    await tenant.settle(observer)
    observer.received.clear()

    # Hers joins the queue, and its first leaves it: as many wait as before.
    await ana.command("session.transfer", session_id="mine", target=to_department("sales"))
    await ana.expect_push("session.assigned", session__id="first")
    await tenant.settle(observer)

    rows = [row for message in observer.received for row in message.get("departments", [])]
    assert [row["queued"] for row in rows if row["id"] == "sales"] == [2]


# Lost, and back.


async def away(short: Tenant, observer: RawClient, *clients: RawClient) -> None:
    """Let agents lose their connections, and their sessions with them."""
    for client in clients:
        client.drop()
    for client in clients:
        await observer.sees_agent(client.name, status="disconnected", load=0)


async def test_lost_agent_gets_its_own_back_before_the_queue(short: Tenant) -> None:
    await short.put_department("sales")
    observer = await short.connect_admin()
    await observer.open_dialog()
    ana = await short.connect_agent("ana", departments=["sales"], capacity=2)
    for number in (1, 2):
        await short.open_session(f"hers-{number}", department="sales")
    await away(short, observer, ana)
    for number in (1, 2, 3):
        assert (await short.open_session(f"other-{number}", department="sales"))["state"] == "queued"

    back = await short.connect_agent("ana", on=1)

    in_progress = back.welcome["inbox"]["in_progress"]
    assert [session["id"] for session in in_progress] == ["hers-1", "hers-2"]
    kinds = [(entry["kind"], entry.get("why")) for entry in await short.history("hers-1")]
    assert kinds == [("opened", None), ("moved", "disconnected"), ("moved", None)]


async def test_sessions_of_a_lost_agent_go_to_an_idle_colleague(short: Tenant) -> None:
    await short.put_department("sales")
    observer = await short.connect_admin()
    await observer.open_dialog()
    phone = await short.connect_agent("phone", departments=["sales"])
    for number in (1, 2, 3):
        await short.open_session(f"chat-{number}", department="sales")
    idle = await short.connect_agent("idle", on=1, departments=["sales"], capacity=2)

    await away(short, observer, phone)

    given = [await idle.expect_push("session.assigned") for _ in range(2)]
    assert [push["session"]["id"] for push in given] == ["chat-1", "chat-2"]
    assert place(await short.get_session("chat-3")) == ("queued", "sales")


@pytest.mark.parametrize("why", ["no department", "a setting"])
async def test_session_of_a_lost_agent_waits_in_its_own_list(short: Tenant, why: str) -> None:
    await short.put_department("sales")
    observer = await short.connect_admin()
    await observer.open_dialog()
    departments = ["sales"] if why == "a setting" else []
    if why == "a setting":
        await short.do("settings.put", settings={"after_grace": "pending"})
    ana = await short.connect_agent("ana", departments=departments)
    await short.open_session("chat-1", agent="ana")
    await away(short, observer, ana)
    assert place(await short.get_session("chat-1")) == ("pending", "ana")
    back = await short.connect_agent("ana")
    assert [session["id"] for session in back.welcome["inbox"]["in_progress"]] == ["chat-1"]


async def test_sender_recalls_what_a_lost_agent_never_answered(short: Tenant) -> None:
    await short.put_department("billing")
    observer = await short.connect_admin()
    await observer.open_dialog()
    ana = await short.connect_agent("ana")
    bea = await short.connect_agent("bea", on=1, departments=["billing"])
    await short.open_session("chat-1", agent="ana")
    await ana.command("session.transfer", session_id="chat-1", target=to_department("billing"))
    await away(short, observer, bea)
    assert place(await short.get_session("chat-1")) == ("queued", "billing")
    recalled = (await ana.command("session.recall", session_id="chat-1"))["session"]
    assert place(recalled) == ("in_progress", "ana")


async def test_agent_that_is_back_declines_to_the_sender(short: Tenant) -> None:
    await short.put_department("billing")
    observer = await short.connect_admin()
    await observer.open_dialog()
    ana = await short.connect_agent("ana")
    bea = await short.connect_agent("bea", on=1, departments=["billing"])
    await short.open_session("chat-1", agent="ana")
    await ana.command("session.transfer", session_id="chat-1", target=to_department("billing"))
    await away(short, observer, bea)
    back = await short.connect_agent("bea")
    declined = (await back.command("session.decline", session_id="chat-1"))["session"]
    assert place(declined) == ("in_progress", "ana")


@pytest.mark.parametrize("over_http", [False, True])
async def test_session_offered_outside_its_department_returns_to_it(tenant: Tenant, over_http: bool) -> None:
    await tenant.put_department("sales")
    carl = await tenant.connect_agent("carl", departments=["sales"])
    bea = await tenant.connect_agent("bea")
    adela = await tenant.connect_admin()
    await tenant.open_session("chat-1", department="sales")
    await carl.expect_push("session.assigned")
    shown = await adela.open_dialog()
    await carl.close()
    await adela.sees_agent("carl", status="disconnected")
    dora = await tenant.connect_agent("dora", departments=["sales"])
    await adela.command("session.transfer", session_id="chat-1", target=to_agent("bea"))
    await bea.expect_push("session.assigned")
    assert shown.agents["carl"]["load"] == 1

    if over_http:
        await tenant.post("session.decline", token=tenant.token("bea"), session_id="chat-1")
    else:
        await bea.command("session.decline", session_id="chat-1")

    assigned = await dora.expect_push("session.assigned")
    assert assigned["session"]["department"] == "sales"


# Forced.


@pytest.mark.parametrize("is_http", [False, True])
async def test_forced_transfer_is_in_progress_with_a_paused_agent_at_capacity(
    tenant: Tenant, is_http: bool
) -> None:
    ana, bob = await tenant.connect_agent("ana"), await tenant.connect_agent("bob", capacity=1)
    admin = await tenant.connect_admin()
    await tenant.open_session("chat-0", agent="bob")
    await pause(bob)
    await tenant.open_session("chat-1", agent="ana")

    fields: dict[str, Any] = {"session_id": "chat-1", "target": to_agent("bob"), "force": True}
    if is_http:
        result = await tenant.do("session.transfer", **fields)
    else:
        result = await admin.command("session.transfer", **fields)

    assert (place(result["session"]), result["transfer"]["outcome"]) == (("in_progress", "bob"), "assigned")
    assert (await ana.expect_push("session.removed"))["session_id"] == "chat-1"


async def test_forced_transfer_to_a_disconnected_agent_is_pending(tenant: Tenant) -> None:
    await tenant.connect_agent("ana")
    zoe = {"id": "zoe", "name": "Zoe", "role": "agent", "departments": [], "capacity": 1}
    await tenant.do("agent.put", agent=zoe)
    await tenant.open_session("chat-1", agent="ana")

    result = await tenant.do("session.transfer", session_id="chat-1", target=to_agent("zoe"), force=True)

    assert (place(result["session"]), result["transfer"]["outcome"]) == (("pending", "zoe"), "pending")


async def test_forced_transfer_of_an_agent_is_forbidden(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana")
    await tenant.connect_agent("bob")
    opened = await tenant.open_session("chat-1", agent="ana")
    fields: dict[str, Any] = {"session_id": "chat-1", "target": to_agent("bob"), "force": True}

    error = await ana.refused("session.transfer", **fields)
    over_http = await tenant.post("session.transfer", token=tenant.token("ana"), **fields)

    assert error["code"] == "forbidden"
    assert (over_http.status, over_http.body["code"]) == (403, "forbidden")
    assert await tenant.get_session("chat-1") == opened


async def test_forced_transfer_check_says_assigned_and_changes_nothing(tenant: Tenant) -> None:
    await tenant.connect_agent("ana")
    await pause(await tenant.connect_agent("bob"))
    opened = await tenant.open_session("chat-1", agent="ana")
    fields: dict[str, Any] = {"session_id": "chat-1", "target": to_agent("bob"), "check": True}

    said = [
        (await tenant.do("session.transfer", **fields, **more))["outcome"] for more in ({}, {"force": True})
    ]

    assert said == ["pending", "assigned"]
    assert await tenant.get_session("chat-1") == opened
