"""Every command from every caller without the right to it: the exact refusal, and nothing changed."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from relevo.protocol.commands import COMMANDS
from tests.adversarial.invalid_messages import GOOD
from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import Tenant, to_agent
from tests.raw_client import FORMATS, Message, RawClient
from tests.routers import RouterProcess

OVER_HTTP = sorted(
    name
    for name in COMMANDS
    if name not in ("hello", "ping", "token.refresh", "session.watch", "session.unwatch", "session.ack")
    and not name.startswith("directory.")
)
DONE = "done"


def order(type: str, **fields: Any) -> Message:
    """Return a good command about Ana's session, agent or department, changed a little."""
    message: Message = {**GOOD[type], "id": f"{type} 1", **fields}
    message.pop("key", None)
    message.pop("fence", None)
    if "session_id" in message:
        message["session_id"] = fields.get("session_id", "chat-1")
    if "agent_id" in message:
        message["agent_id"] = fields.get("agent_id", "ana")
    if type == "session.ack":
        message["fence"] = 1
    if type == "session.transfer":
        message["target"] = to_agent("ben")
    return message


def body(message: Message) -> Message:
    """Return a command's fields, as a request has them."""
    return {name: value for name, value in message.items() if name not in ("type", "id")}


async def answer(client: RawClient, message: Message) -> str:
    """Return the code of the error, or that it was done; of what has no reply, that it was passed over."""
    await client.send_as_is(message)
    if message["type"] == "session.ack":
        return "no reply"
    reply = await client.reply(message["id"])
    return str(reply["error"]["code"]) if "error" in reply else DONE


async def everything(tenant: Tenant) -> tuple[Any, ...]:
    """Return all that a tenant holds, but for the observer."""
    observer = await tenant.connect_admin("observer")
    dialog = await observer.open_dialog()
    await tenant.settle(observer)
    await observer.close()
    sessions = await tenant.list_sessions()
    histories = [await tenant.history(session["id"]) for session in sessions]
    agents = {name: row for name, row in dialog.agents.items() if name != "observer"}
    departments = {name: row for name, row in dialog.departments.items() if name != "settled"}
    return sessions, histories, agents, departments


# Before hello -----------------------------------------------------------------------------------------------


@pytest.mark.adversarial("rights: no hello")
@pytest.mark.parametrize("format", FORMATS)
async def test_without_a_hello_no_command_is_even_answered(tenant: Tenant, format: str) -> None:
    await tenant.put_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    before = await everything(tenant)
    for name in COMMANDS:
        if name != "hello":
            client = await tenant.connect_without_hello(format=format)
            await client.send_as_is(order(name))
            assert await client.expect_close() == 4503
            assert client.received == []
    assert await everything(tenant) == before


@pytest.mark.adversarial("rights: no hello")
@pytest.mark.parametrize("format", FORMATS)
async def test_a_hello_that_comes_second_does_not_help_what_came_first(tenant: Tenant, format: str) -> None:
    await tenant.put_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    before = await everything(tenant)
    hello = {"type": "hello", "id": "h", "token": tenant.token("adela", "admin")}
    for name in COMMANDS:
        if name != "hello":
            client = await tenant.connect_without_hello(format=format)
            await client.send_as_is([order(name), hello, order(name)])
            assert await client.expect_close() == 4503
            assert client.received == []
    assert await everything(tenant) == before


@pytest.mark.adversarial("rights: no hello")
async def test_without_a_token_nothing_is_done_over_http(tenant: Tenant) -> None:
    await tenant.put_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    before = await everything(tenant)
    for name in OVER_HTTP:
        assert (await tenant.post(name, token="", **body(order(name)))).status == 401
    assert await everything(tenant) == before


# Another agent's --------------------------------------------------------------------------------------------

# The answers to an agent that asks for what is another's.
STRANGERS_ANSWER = {
    "hello": "bad_message",
    "ping": DONE,
    "token.refresh": "unauthorized",
    "status.set": "forbidden",
    "directory.subscribe": DONE,
    "directory.unsubscribe": DONE,
    "session.open": "forbidden",
    "session.transfer": "forbidden",
    "session.answer": "forbidden",
    "session.update": "forbidden",
    "session.accept": "forbidden",
    "session.decline": "forbidden",
    "session.recall": "forbidden",
    "session.note": "forbidden",
    "session.close": "forbidden",
    "session.get": "forbidden",
    "session.history": "forbidden",
    "session.list": "forbidden",
    "session.explain": "forbidden",
    "session.place": "forbidden",
    "session.watch": "forbidden",
    "session.unwatch": "forbidden",
    "session.ack": "no reply",
    "agent.get": DONE,
    "agent.list": DONE,
    "agent.put": "forbidden",
    "agent.remove": "forbidden",
    "department.get": DONE,
    "department.list": DONE,
    "department.put": "forbidden",
    "department.remove": "forbidden",
    "settings.get": "forbidden",
    "settings.put": "forbidden",
}
# And a back end, of a session that no command has touched.
SERVICES_ANSWER = STRANGERS_ANSWER | {
    "session.open": "exists",
    "session.update": DONE,
    "session.note": DONE,
    "session.get": DONE,
    "session.history": DONE,
    "session.list": DONE,
    "session.explain": DONE,
    "session.place": "conflict",
    "session.transfer": DONE,
    "session.recall": "forbidden",
    "session.close": DONE,
    "session.watch": DONE,
    "session.unwatch": DONE,
    "settings.get": DONE,
    "settings.put": DONE,
    "department.put": DONE,
    "department.remove": DONE,
    "agent.put": DONE,
    "agent.remove": "in_use",
}


async def in_progress(tenant: Tenant) -> None:
    await tenant.connect_agent("ana", departments=["sales"])
    await tenant.open_session("chat-1", agent="ana")


async def pending(tenant: Tenant) -> None:
    await tenant.put_agent("ana", departments=["sales"])
    await tenant.open_session("chat-1", agent="ana")


async def queued(tenant: Tenant) -> None:
    await tenant.put_agent("ana", departments=["sales"])
    await tenant.open_session("chat-1", department="sales")


@pytest.mark.origin("any agent could transfer any chat through the API")
@pytest.mark.adversarial("rights: agent not owner")
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("state", [in_progress, pending, queued], ids=lambda state: state.__name__)
async def test_an_agent_does_nothing_with_what_is_anothers(
    tenant: Tenant, state: Callable[[Tenant], Any], format: str
) -> None:
    await tenant.put_department("sales")
    await tenant.put_department("support")
    await state(tenant)
    ben = await tenant.connect_agent("ben", departments=["support"], format=format)
    assert set(STRANGERS_ANSWER) == set(COMMANDS)
    before = await everything(tenant)
    for name, expected in STRANGERS_ANSWER.items():
        if name != "session.list":
            assert await answer(ben, order(name)) == expected, name
    for filters in (
        {"agent_id": "ana"},
        {"department_id": "sales"},
        {"agent_id": "ana", "department_id": "support"},
    ):
        assert (await ben.refused("session.list", **filters))["code"] == "forbidden"
    assert (await ben.command("session.list"))["sessions"] == []
    assert ben.unread("session.changed") == []
    assert await everything(tenant) == before


@pytest.mark.origin("any agent could transfer any chat through the API")
@pytest.mark.adversarial("rights: agent not owner")
async def test_an_agent_does_nothing_over_http_with_what_is_anothers(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    await in_progress(tenant)
    await tenant.put_agent("ben")
    before = await everything(tenant)
    for name in (name for name in OVER_HTTP if STRANGERS_ANSWER[name] != DONE):
        fields = {"agent_id": "ana"} if name == "session.list" else body(order(name))
        found = await tenant.post(name, token=tenant.token("ben"), **fields)
        assert (found.status, found.body["code"]) == (403, "forbidden"), name
    assert await everything(tenant) == before


@pytest.mark.adversarial("rights: service")
@pytest.mark.parametrize("format", FORMATS)
async def test_a_back_end_does_what_it_may_and_nothing_else(tenant: Tenant, format: str) -> None:
    for department in ("sales", "support"):
        await tenant.put_department(department)
    await tenant.put_agent("ben")
    await in_progress(tenant)
    crm = await tenant.connect_agent("crm", role="service", format=format)
    commands = {name: order(name) for name in SERVICES_ANSWER}
    commands["session.list"] = {"type": "session.list", "id": "l", "agent_id": "ana"}
    commands["agent.put"]["agent"] = {**commands["agent.put"]["agent"], "id": "bruno", "departments": []}
    before = await everything(tenant)
    for name, expected in SERVICES_ANSWER.items():
        if expected != DONE:
            assert await answer(crm, commands[name]) == expected, name
    assert await everything(tenant) == before
    for name, expected in SERVICES_ANSWER.items():
        if expected == DONE:
            assert await answer(crm, commands[name]) == DONE, name
    dialog = await (await tenant.connect_agent("ana")).open_dialog()
    assert "crm" not in dialog.agents


# An expired token -------------------------------------------------------------------------------------------


@pytest.mark.adversarial("rights: expired token")
@pytest.mark.parametrize("format", FORMATS)
async def test_what_follows_an_expired_hello_is_not_looked_at(tenant: Tenant, format: str) -> None:
    await tenant.put_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    before = await everything(tenant)
    client = await tenant.connect_without_hello(format=format)
    hello = {"type": "hello", "id": "h", "token": tenant.token("adela", "admin", ttl_s=-1)}
    await client.send_as_is([hello, *(order(name) for name in COMMANDS)])
    assert await client.expect_close() == 4500
    (reply,) = client.received
    assert (reply["id"], reply["error"]["code"]) == ("h", "unauthorized")
    assert await everything(tenant) == before


@pytest.mark.adversarial("rights: expired token")
async def test_with_an_expired_token_nothing_is_done_over_http(tenant: Tenant) -> None:
    await tenant.put_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    before = await everything(tenant)
    token = tenant.token("adela", "admin", ttl_s=-1)
    for name in OVER_HTTP:
        assert (await tenant.post(name, token=token, **body(order(name)))).status == 401
    assert await everything(tenant) == before


@pytest.mark.slow
@pytest.mark.adversarial("rights: expired token")
async def test_command_with_an_expired_token_is_not_done(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    device = await tenant.connect_agent("ana", ttl_s=1)
    assert await device.expect_close() == 4501
    token = tenant.token("ana", ttl_s=-10)
    assert (await tenant.post("session.note", token=token, session_id="chat-1", text="x")).status == 401
    assert (await ana.command("session.history", session_id="chat-1"))["entries"][-1]["kind"] == "opened"


# Another tenant's -------------------------------------------------------------------------------------------

THEIRS, UNKNOWN = "theirs", "unknown"
CREATING = {("session.open", "session_id"), ("agent.put", "agent.id"), ("department.put", "department.id")}


def naming() -> Iterator[tuple[str, str, Message]]:
    """Yield every field of every command that can name something: the type, the path, and the command."""
    paths = ("session_id", "agent_id", "department_id", "agent.id", "agent.departments", "department.id")
    for name in COMMANDS:
        message = order(name)
        for path in paths:
            outer, _, inner = path.partition(".")
            if outer in message and (not inner or inner in message[outer]):
                yield name, path, named(message, path)
        if "target" in message:
            for kind in ("agent", "department"):
                yield name, f"target {kind}", {**message, "target": {"kind": kind, "id": "?"}}
    for filters in ({"agent_id": "?"}, {"department_id": "?"}, {"agent_id": "?", "state": "pending"}):
        yield "session.list", " ".join(filters), {"type": "session.list", "id": "l", **filters}


def named(message: Message, path: str) -> Message:
    """Return a command with a question mark in place of one name."""
    outer, _, inner = path.partition(".")
    message = copy.deepcopy(message)
    if not inner:
        message[outer] = "?"
    else:
        message[outer][inner] = ["?"] if inner == "departments" else "?"
    return message


NAMING = list(naming())


@pytest.mark.adversarial("rights: other tenant", "rights: foreign as what does not exist")
@pytest.mark.parametrize("role", ["agent", "admin", "service"])
@pytest.mark.parametrize(("type", "path", "command"), NAMING, ids=[f"{row[0]} {row[1]}" for row in NAMING])
async def test_what_is_foreign_answers_exactly_as_what_does_not_exist(
    routers: list[RouterProcess], make_tenant: MakeTenant, type: str, path: str, command: Message, role: str
) -> None:
    ours, theirs = make_tenant(routers), make_tenant(routers)
    await ours.put_department("support")
    await ours.put_agent("ana", departments=["support"])
    await ours.put_agent("ben")
    await ours.open_session("chat-1", agent="ana")
    await theirs.put_department(THEIRS)
    await theirs.put_agent(THEIRS, departments=[THEIRS])
    await theirs.open_session(THEIRS, agent=THEIRS)
    before = await everything(theirs)
    caller = await ours.connect_agent("ana", role=role, format="msgpack" if "target" in path else "json")

    answers = [await told(caller, ours, role, command, name) for name in (THEIRS, UNKNOWN)]

    assert answers[0] == answers[1]
    if (type, path) not in CREATING and type != "session.ack":
        assert all(error["code"] in ("not_found", "forbidden", "bad_message") for error in answers[0])
    assert await everything(theirs) == before


async def told(caller: RawClient, tenant: Tenant, role: str, command: Message, name: str) -> list[Any]:
    """Return the answers about a name, over a websocket and over HTTP, with the name taken out."""
    filled = json.loads(json.dumps(command).replace('"?"', f'"{name}"'))
    await caller.send_as_is(filled)
    if filled["type"] == "session.ack":
        return [(await caller.reply(await caller.send("ping")))["type"]]
    reply = await caller.reply(filled["id"])
    if "result" in reply:
        # Made here, under a name that is also known there: a thing of its own.
        return ["made"]
    answers = [reply["error"]]
    if filled["type"] in OVER_HTTP:
        token = tenant.token("ana", role)
        answers.append((await tenant.post(filled["type"], token=token, **body(filled))).body)
    return [json.loads(json.dumps(each).replace(name, "?")) for each in answers]
