"""Messages that decode but do not fit: each is answered with where, and changes nothing."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from relevo.protocol.commands import COMMANDS
from tests.adversarial.invalid_messages import NO_MAPS, InvalidMessage, invalid_messages
from tests.e2e.tenant import Tenant
from tests.raw_client import FORMATS, RawClient
from tests.routers import RouterProcess

BATCH_ITEMS = 64
BATCH_BYTES = 60_000
# What concerns one connection is no command over HTTP.
OVER_HTTP = sorted(
    name
    for name in COMMANDS
    if not name.startswith(("hello", "ping", "token", "directory"))
    and name not in ("session.watch", "session.unwatch", "session.ack")
)
LINES = sorted({each.line for name in COMMANDS for each in invalid_messages(name)})
LINES_OVER_HTTP = sorted({*LINES} - {"NaN", "no type", "unknown type"})


def in_format(type: str, format: str) -> list[InvalidMessage]:
    """Return the invalid_messages that a format can say; JSON knows no NaN."""
    return [each for each in invalid_messages(type) if format == "msgpack" or each.line != "NaN"]


def as_body(invalid_message: InvalidMessage) -> str | None:
    """Return what is wrong with a message as the body of a request, if that can be said there."""
    if invalid_message.path in ("$.id", "$.type") or invalid_message.line == "NaN":
        return None
    fields = {name: value for name, value in invalid_message.message.items() if name not in ("id", "type")}
    return json.dumps(fields)


def batches(messages: list[Any]) -> Iterator[list[Any]]:
    """Yield the messages in batches that the router takes."""
    batch: list[Any] = []
    size = 0
    for message in messages:
        length = len(json.dumps(message)) * 2
        if batch and (len(batch) == BATCH_ITEMS or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += length
    yield batch


async def verdicts(client: RawClient, messages: list[Any]) -> list[tuple[Any, Any, Any]]:
    """Send messages in batches; return the id, the code and the path of each answer."""
    for batch in batches(messages):
        await client.send_as_is(batch)
    await client.until(lambda: len(client.unread("reply")) >= len(messages), f"{len(messages)} replies")
    return [
        (reply["id"], reply["error"]["code"], reply["error"]["details"]["path"])
        for reply in client.unread("reply")
    ]


@pytest.mark.adversarial(*(f"message: {line}" for line in LINES))
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("type", COMMANDS)
async def test_a_message_that_does_not_fit_its_type_is_answered_with_where(
    tenant: Tenant, type: str, format: str
) -> None:
    client = await tenant.connect_admin(format=format)
    observer = await tenant.connect_agent("observer", on=1)
    await observer.open_dialog()
    await tenant.settle(observer)
    seen = len(observer.dialog.patches)
    bad = in_format(type, format)

    found = await verdicts(client, [each.message for each in bad])

    for (command_id, code, path), each in zip(found, bad, strict=True):
        assert (command_id, code, path) == (each.id, "bad_message", each.path), each
    assert (await client.reply(await client.send("ping", id="last")))["type"] == "pong"
    # And nothing came of it.
    await tenant.settle(observer)
    changed = observer.dialog.patches[seen:]
    assert {row["id"] for patch in changed for row in patch["departments"]} == {"settled"}
    assert [row for patch in changed for row in patch["agents"]] == []
    assert await tenant.list_sessions() == []


@pytest.mark.adversarial(*(f"message: {line}" for line in LINES_OVER_HTTP))
@pytest.mark.parametrize("type", OVER_HTTP)
def test_a_body_that_does_not_fit_is_answered_with_where(
    routers: list[RouterProcess], tenant: Tenant, type: str
) -> None:
    headers = {"authorization": f"Bearer {tenant.token('adela', 'admin')}"}
    with closing(http.client.HTTPConnection("127.0.0.1", routers[0].port, timeout=30)) as connection:
        for each in invalid_messages(type):
            body = as_body(each)
            if body is not None:
                connection.request("POST", f"/api/v1/{type}", body, headers)
                response = connection.getresponse()
                error = json.loads(response.read())
                found = (response.status, error["code"], error["retryable"], error["details"])
                assert found == (400, "bad_message", False, {"path": each.path}), each


@pytest.mark.adversarial("message: not a map")
@pytest.mark.parametrize("format", FORMATS)
async def test_what_is_no_map_is_no_message(tenant: Tenant, format: str) -> None:
    client = await tenant.connect_agent("ana", format=format)
    for value in NO_MAPS:
        await client.send_as_is(value)
    await client.until(lambda: len(client.unread("reply")) >= len(NO_MAPS), "the replies")
    for reply in client.unread("reply"):
        assert (reply["id"], reply["error"]["code"]) == (None, "bad_message")
        assert reply["error"]["details"]["path"] == "$"


@pytest.mark.adversarial("message: not a map")
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("count", [65, 2000])
async def test_a_batch_of_more_than_sixty_four_is_refused_whole(
    tenant: Tenant, count: int, format: str
) -> None:
    client = await tenant.connect_agent("ana", format=format)
    await client.send_as_is([{"type": "ping", "id": "1"}] * count)
    await client.until(lambda: client.unread("reply"), "the refusal")
    (reply,) = client.unread("reply")
    assert (reply["id"], reply["error"]["details"]) == (None, {"path": "$"})
    assert client.unread("pong") == []
    await client.send_as_is([])
    await client.send_as_is([{"type": "ping", "id": "1"}] * 64)
    await client.until(lambda: len(client.unread("pong")) == 64, "the pongs")


@pytest.mark.adversarial("message: ids that look like keys of the store")
@pytest.mark.parametrize("format", FORMATS)
async def test_ids_that_look_like_keys_of_the_store_are_ids_like_any_other(
    tenant: Tenant, format: str
) -> None:
    """Colons are allowed in ids, and the store's keys are made of ids and colons."""
    admin = await tenant.connect_admin(format=format)
    ids = [
        "a",
        "a:b",
        "b:a",
        "session:a",
        "history:a",
        "owned:a",
        "state:closed",
        "meta",
        "agents",
        ":",
        "feed",
    ]
    for number, one in enumerate(ids):
        await admin.command("department.put", department={"id": one, "name": f"D{number}"})
        profile = {"id": one, "name": f"A{number}", "role": "agent", "departments": [one], "capacity": 5}
        await admin.command("agent.put", agent=profile)
        customer = {"id": one, "name": f"C{number}"}
        target = {"kind": "department", "id": one}
        await admin.command("session.open", session_id=one, customer=customer, target=target, key=one)
    for number, one in enumerate(ids):
        await admin.command("session.note", session_id=one, text=f"note {number}", key=f"note:{one}")
    for number, one in enumerate(ids):
        session = (await admin.command("session.get", session_id=one))["session"]
        assert (session["customer"]["name"], session["owner"]) == (
            f"C{number}",
            {"kind": "department", "id": one},
        )
        entries = (await admin.command("session.history", session_id=one))["entries"]
        assert [entry["text"] for entry in entries] == [None, f"note {number}"]
    await admin.open_dialog()
    for number, one in enumerate(ids):
        await admin.sees_agent(one, name=f"A{number}", load=0)
        await admin.sees_department(one, name=f"D{number}", queued=1)
    for one in ids[::2]:
        await admin.command("session.close", session_id=one)
    waiting = await tenant.list_sessions(state="queued")
    assert [session["id"] for session in waiting] == ids[1::2]
