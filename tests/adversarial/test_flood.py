"""A client above its rate is refused, then closed; the other clients are served as before."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.adversarial.conftest import BURST, RATE
from tests.adversarial.flooder import flooding
from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import Answer, Tenant
from tests.raw_client import FORMATS, LIMIT_S, Message, RawClient
from tests.routers import RouterProcess

# More than the burst, and less than what ends the connection.
FLOOD = BURST + 500
COMMANDS = 30


@pytest.fixture
def crowded(strict: RouterProcess, make_tenant: MakeTenant) -> Tenant:
    """A tenant on the router with small limits."""
    return make_tenant([strict])


async def flood(client: RawClient, count: int, command: Message) -> None:
    """Send a command again and again, in batches."""
    for start in range(0, count, 64):
        await client.send_as_is(
            [{"id": str(number), **command} for number in range(start, min(start + 64, count))]
        )


async def refusals(client: RawClient, count: int) -> list[Message]:
    """Return the errors among the answers to so many pings."""
    await client.until(
        lambda: len(client.unread("pong")) + len(client.unread("reply")) == count, "an answer to each ping"
    )
    return [reply["error"] for reply in client.unread("reply")]


async def refused_over_http(tenant: Tenant, flooding: Sequence[RawClient]) -> Answer:
    """Send a request while others take every token that comes, and return its refusal."""
    async with asyncio.timeout(LIMIT_S):
        while (answer := await tenant.post("session.list")).status == 200:
            for client in flooding:
                await flood(client, 50, {"type": "ping"})
        return answer


@pytest.mark.slow
@pytest.mark.limit("message_rate")
@pytest.mark.adversarial("rate: flood from one connection")
@pytest.mark.parametrize("format", FORMATS)
async def test_message_beyond_the_burst_is_rate_limited_with_a_retry_time(
    crowded: Tenant, format: str
) -> None:
    client = await crowded.connect_agent("ana", format=format)
    await flood(client, FLOOD, {"type": "ping"})
    await client.until(
        lambda: len(client.unread("pong")) + len(client.unread("reply")) == FLOOD, "all answers"
    )
    refused = client.unread("reply")
    # Every one is answered once, and at least the burst is let through.
    assert sorted(int(answer["id"]) for answer in [*client.unread("pong"), *refused]) == list(range(FLOOD))
    assert refused
    assert len(client.unread("pong")) >= BURST - 1
    for reply in refused:
        error = reply["error"]
        assert (error["code"], error["retryable"]) == ("rate_limited", True)
        assert error["details"]["limit"] == "connection"
        assert 1 <= error["details"]["retry_in_ms"] <= 1000 * BURST / RATE
    assert refused[0]["error"]["details"]["retry_in_ms"] <= 1.5 * 1000 / RATE


@pytest.mark.slow
@pytest.mark.limit("agent_message_rate")
@pytest.mark.adversarial("rate: flood from one agent")
async def test_devices_of_an_agent_share_its_rate(crowded: Tenant) -> None:
    bob = await crowded.connect_agent("bob")
    devices = [await crowded.connect_agent("ana") for _ in range(3)]
    for device in devices:
        await flood(device, BURST - 5, {"type": "ping"})
    refused = [error for device in devices for error in await refusals(device, BURST - 5)]
    assert {error["details"]["limit"] for error in refused} == {"agent"}
    assert (await bob.reply(await bob.send("ping")))["type"] == "pong"
    wait_ms = max(error["details"]["retry_in_ms"] for error in refused)
    await asyncio.sleep(wait_ms / 1000)
    assert (await devices[0].reply(await devices[0].send("ping")))["type"] == "pong"


@pytest.mark.slow
@pytest.mark.limit("back_end_message_rate")
@pytest.mark.adversarial("rate: flood over HTTP")
async def test_back_end_shares_its_rate_between_http_and_websockets(
    crowded: Tenant,
) -> None:
    links = [await crowded.connect_service() for _ in range(3)]
    for link in links:
        await flood(link, BURST - 5, {"type": "ping"})
    answer = await refused_over_http(crowded, links)
    assert (answer.status, answer.body["code"]) == (429, "rate_limited")
    assert (answer.body["retryable"], answer.body["details"]["limit"]) == (True, "back_end")
    wait_ms = answer.body["details"]["retry_in_ms"]
    assert int(answer.headers["retry-after"]) == -(-wait_ms // 1000)
    await asyncio.sleep(wait_ms / 1000)
    assert (await crowded.post("session.list")).status == 200


@pytest.mark.slow
@pytest.mark.limit("tenant_message_rate")
@pytest.mark.adversarial("rate: flood from one tenant", "rate: flood over HTTP")
async def test_agents_of_a_tenant_share_its_rate(
    strict: RouterProcess, crowded: Tenant, make_tenant: MakeTenant
) -> None:
    other = await make_tenant([strict]).connect_agent("ana")
    crowd = [await crowded.connect_agent(f"agent-{number}") for number in range(6)]
    for client in crowd:
        await flood(client, BURST - 5, {"type": "ping"})
    refused = [error for client in crowd for error in await refusals(client, BURST - 5)]
    assert {error["details"]["limit"] for error in refused} == {"tenant"}
    assert (await refused_over_http(crowded, crowd)).body["details"]["limit"] == "tenant"
    assert (await other.reply(await other.send("ping")))["type"] == "pong"
    assert strict.metric('relevo_throttled_total{limit="tenant"}') >= len(refused)


@pytest.mark.slow
@pytest.mark.adversarial(
    "rate: flood from one connection", "rate: flood from one agent", "rate: flood from one tenant"
)
@pytest.mark.parametrize(
    "senders",
    [["loud"], ["loud"] * 20, [f"loud-{number}" for number in range(50)]],
    ids=["connection", "agent", "tenant"],
)
async def test_flood_leaves_others_served(
    strict: RouterProcess, crowded: Tenant, make_tenant: MakeTenant, senders: list[str]
) -> None:
    whole_tenant = len(set(senders)) > 1
    client = await (make_tenant([strict]) if whole_tenant else crowded).connect_agent("ana")
    with flooding(strict.port, [crowded.token(sender) for sender in senders]):
        # Without the limits the last of these takes for ever, and each of the others sixty times as long.
        for number in range(COMMANDS):
            await client.command("status.set", status=("pause", "connected")[number % 2])


@pytest.mark.slow
@pytest.mark.adversarial("rate: flood from one tenant")
async def test_tenant_without_limits_leaves_the_store_to_others(
    routers: list[RouterProcess], tenant: Tenant, make_tenant: MakeTenant
) -> None:
    quiet = make_tenant(routers)
    client = await quiet.connect_agent("ana")
    with flooding(routers[0].port, [tenant.token(f"loud-{number}") for number in range(100)]):
        for number in range(30):
            await client.command("status.set", status=("pause", "connected")[number % 2])
            await quiet.do("session.list")
