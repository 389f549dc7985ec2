"""Who sends far too much is told so, then sent away; whoever else is there goes on as if nothing were."""

import asyncio

import pytest

from router.limits import REFUSALS_MAX
from tests.hostile.conftest import BURST, RATE, still_served
from tests.hostile.inventory import covers
from tests.raw_client import FORMATS, Message, RawClient
from tests.routers import RouterProcess
from tests.story.conftest import MakeOffice
from tests.story.office import Office

# More than the burst, and less than what ends the connection.
FLOOD = BURST + 500


@pytest.fixture
def crowded(strict: RouterProcess, make_office: MakeOffice) -> Office:
    """A tenant on the router with small limits."""
    return make_office([strict])


async def flood(client: RawClient, count: int, command: Message) -> None:
    """Send a command again and again, in batches."""
    for start in range(0, count, 64):
        await client.send_as_is(
            [{"id": str(number), **command} for number in range(start, min(start + 64, count))]
        )


@covers({"rate: flood from one connection": 2 * FLOOD})
@pytest.mark.parametrize("format", FORMATS)
async def test_beyond_its_burst_each_message_is_told_when_to_come_back(crowded: Office, format: str) -> None:
    client = await crowded.connect_agent("ana", format=format)
    await flood(client, FLOOD, {"type": "ping"})
    await client.until(
        lambda: len(client.unread("pong")) + len(client.unread("reply")) == FLOOD, "all answers"
    )
    refused = client.unread("reply")
    # Every one is answered once; what was let through while it lasted is little.
    assert sorted(int(answer["id"]) for answer in [*client.unread("pong"), *refused]) == list(range(FLOOD))
    assert BURST - 1 <= len(client.unread("pong")) < BURST + 100
    for reply in refused:
        error = reply["error"]
        assert (error["code"], error["retryable"]) == ("rate_limited", True)
        assert 1 <= error["details"]["retry_in_ms"] <= 1000 / RATE + 1
    await asyncio.sleep(refused[-1]["error"]["details"]["retry_in_ms"] / 1000)
    assert (await client.reply(await client.send("ping", id="again")))["type"] == "pong"


@covers({"rate: flood from one connection": 2 * (BURST + 2 * REFUSALS_MAX)})
@pytest.mark.parametrize("format", FORMATS)
async def test_who_never_listens_is_closed_with_4505(crowded: Office, format: str) -> None:
    other_device = await crowded.connect_agent("ana")
    client = await crowded.connect_agent("ana", format=format)
    await flood(client, BURST + 2 * REFUSALS_MAX, {"type": "ping"})
    assert await client.expect_close() == 4505
    assert (await other_device.reply(await other_device.send("ping")))["type"] == "pong"


@covers({"rate: flood from one connection": 2 * FLOOD})
@pytest.mark.parametrize(
    "command",
    [
        {"type": "session.note", "session_id": "chat-1", "text": "x"},
        {"type": "no such type"},
    ],
    ids=["notes", "misfits"],
)
async def test_what_was_refused_for_its_number_was_not_done(crowded: Office, command: Message) -> None:
    client = await crowded.connect_agent("ana")
    await crowded.open_session("chat-1", agent="ana")
    await flood(client, FLOOD, command)
    await client.until(lambda: len(client.unread("reply")) == FLOOD, "all replies")
    done = [reply for reply in client.unread("reply") if "result" in reply]
    history = await crowded.history("chat-1")
    assert len(history) == 1 + len(done)
    codes = {reply["error"]["code"] for reply in client.unread("reply") if "error" in reply}
    assert codes == ({"rate_limited"} if done else {"bad_message", "rate_limited"})


@covers({"rate: flood from one connection": FLOOD})
async def test_acknowledgements_have_no_reply_and_count_all_the_same(crowded: Office) -> None:
    client = await crowded.connect_agent("ana")
    await client.send_as_is([])
    for _ in range(0, FLOOD, 50):
        await client.send_as_is([{"type": "session.ack", "session_id": "chat-1", "fence": 1}] * 50)
    error = await client.refused("ping")
    assert error["code"] == "rate_limited"
    assert client.unread("reply") == []


@covers({"rate: flood from one connection": FLOOD})
async def test_a_flood_before_hello_is_no_flood(crowded: Office) -> None:
    client = await crowded.connect_stranger()
    await flood(client, FLOOD, {"type": "ping"})
    assert await client.expect_close() == 4503


@pytest.mark.slow
@covers({"rate: flood from one tenant": 10 * FLOOD})
async def test_a_flood_from_a_whole_tenant_reaches_no_other_tenant(
    strict: RouterProcess, crowded: Office, make_office: MakeOffice
) -> None:
    quiet = make_office([strict])
    other = await quiet.connect_agent("ana")
    await other.open_dialog()
    crowd = [await crowded.connect_agent(f"agent-{number}") for number in range(10)]
    flooding = asyncio.gather(*(flood(client, FLOOD, {"type": "session.list"}) for client in crowd))
    answered = 0
    while not flooding.done() or answered < 3:
        await still_served(quiet, other)
        answered += 1
    await flooding
    for client in crowd:
        await client.until(lambda client=client: len(client.unread("reply")) == FLOOD, "all replies")  # type: ignore[misc]
        assert {reply["error"]["code"] for reply in client.unread("reply") if "error" in reply} == {
            "rate_limited"
        }
    assert other.unread("reply") == []
