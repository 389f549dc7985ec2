"""
Transfers from one end to the other, over each format, transport, store and placement of agents on routers.

Ana has a conversation and transfers it to Bob, on a browser and a phone. Eve has the dialog open. Bob is on
a break, the next transfer to him is pending, and Adela, an admin, transfers it on to a department.
"""

import itertools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from redis.crc import key_slot

from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import Tenant, to_agent, to_department
from tests.raw_client import Message, RawClient
from tests.routers import RouterProcess
from tests.servers import SLOTS

THIRD = SLOTS // 3 + 1
REASON = "speaks Portuguese, and knows the refund"


@dataclass(frozen=True)
class Variant:
    """
    One combination of what must make no difference.

    Args:
        routers: The fixture with the routers.
        formats: The format of the clients of each router.
        apart: Whether the agents are on different routers.
        over_http: Whether the agents' commands go over HTTP, and only pushes over websockets.
        shard: On which of three shards the tenant lives.
    """

    routers: str = "routers"
    formats: Sequence[str] = ("json",)
    apart: bool = False
    over_http: bool = False
    shard: int | None = None


VARIANTS = {
    "in_json": Variant(),
    "in_messagepack": Variant(formats=("msgpack",)),
    "half_over_http": Variant(over_http=True),
    "on_different_routers": Variant(apart=True),
    "on_different_routers_in_both_formats": Variant(formats=("json", "msgpack"), apart=True),
    "on_the_first_of_three_shards": Variant("cluster_routers", apart=True, shard=0),
    "on_the_second_of_three_shards": Variant(
        "cluster_routers", formats=("json", "msgpack"), apart=True, shard=1
    ),
    "on_the_third_of_three_shards": Variant("cluster_routers", formats=("msgpack",), apart=True, shard=2),
    "on_redis": Variant("redis_routers", formats=("json", "msgpack"), apart=True),
}


class VariantTenant:
    """A tenant whose clients connect and act as a variant says."""

    def __init__(self, variant: Variant, tenant: Tenant) -> None:
        self._variant = variant
        self.tenant = tenant

    async def connect(self, agent_id: str, *, on: int, **claims: Any) -> RawClient:
        """Connect an agent; only some variants use two routers."""
        return await self.tenant.connect_agent(agent_id, on=on if self._variant.apart else 0, **claims)

    async def act(self, client: RawClient, command: str, **fields: Any) -> Message:
        """Send a command over a client's websocket, or over HTTP with a token of its agent."""
        if not self._variant.over_http:
            return await client.command(command, **fields)
        token = self.tenant.token(client.name, client.welcome["role"])
        return await self.tenant.do(command, token=token, **fields)


@pytest.fixture(params=VARIANTS.values(), ids=list(VARIANTS))
def variant_tenant(request: pytest.FixtureRequest, make_tenant: MakeTenant) -> VariantTenant:
    """A tenant in each variant."""
    variant: Variant = request.param
    routers: list[RouterProcess] = request.getfixturevalue(variant.routers)
    return VariantTenant(variant, make_tenant(routers, variant.formats, tenant_of_shard(variant.shard)))


def tenant_of_shard(shard: int | None) -> str | None:
    """Return a new tenant's id whose slot is in this third of all slots."""
    ids = (f"tenant-{uuid.uuid4().hex[:12]}" for _ in itertools.count())
    return None if shard is None else next(one for one in ids if key_slot(one.encode()) // THIRD == shard)


def gaps(tenant: Tenant) -> list[float]:
    """Return how many gaps each router has found in its feeds."""
    return [router.metric("relevo_feed_gaps_total") for router in tenant.routers]


async def test_transfer_reaches_an_agent_then_the_best_of_a_department(variant_tenant: VariantTenant) -> None:
    tenant, act = variant_tenant.tenant, variant_tenant.act
    gaps_before = gaps(tenant)

    # The morning: two departments, four agents and an admin; Bob on his browser and on his phone.
    await tenant.put_department("sales", "Sales")
    await tenant.put_department("billing", "Billing")
    ana = await variant_tenant.connect("ana", on=0, name="Ana Lima", departments=["sales"], capacity=10)
    bob_browser = await variant_tenant.connect(
        "bob", on=1, name="Bob Reis", departments=["sales"], capacity=10
    )
    bob_phone = await variant_tenant.connect("bob", on=0)
    dora = await variant_tenant.connect("dora", on=1, name="Dora Paz", departments=["billing"], capacity=10)
    hugo = await variant_tenant.connect("hugo", on=0, name="Hugo Sanz", departments=["billing"], capacity=2)
    eve = await variant_tenant.connect("eve", on=1, name="Eve Ruiz")
    adela = await variant_tenant.connect("adela", on=0, role="admin", name="Adela Gil")
    await act(eve, "status.set", status="pause")
    await eve.open_dialog()

    # Two conversations come in for Ana, and one for Hugo.
    await tenant.open_session("chat-1", agent="ana")
    await tenant.open_session("chat-2", agent="ana")
    await tenant.open_session("chat-3", agent="hugo")
    for session_id in ("chat-1", "chat-2"):
        assigned = await ana.expect_push("session.assigned", session__id=session_id)
        assert assigned["session"]["customer"] == {"id": "customer-1", "name": "Cleo Costa"}
        assert assigned["transfer"] is None
    await hugo.expect_push("session.assigned", session__id="chat-3")

    # Ana opens the dialog: departments with counts, agents with status and load, available ones first.
    shown = await ana.open_dialog()
    await ana.sees_agent("hugo", load=1)
    await ana.sees_agent("eve", status="pause")
    assert shown.departments["sales"] == {
        "id": "sales",
        "name": "Sales",
        "agents": 2,
        "available": 2,
        "queued": 0,
    }
    assert shown.departments["billing"]["agents"] == 2
    by_availability = sorted(shown.agents.values(), key=lambda row: (not row["available"], row["name"]))
    assert [
        (row["name"], row["status"], f"{row['load']}/{row['capacity']}", row["available"])
        for row in by_availability
    ] == [
        ("Adela Gil", "connected", "0/10", True),
        ("Ana Lima", "connected", "2/10", True),
        ("Bob Reis", "connected", "0/10", True),
        ("Dora Paz", "connected", "0/10", True),
        ("Hugo Sanz", "connected", "1/2", True),
        ("Eve Ruiz", "pause", "0/10", False),
    ]

    # She transfers the first conversation to Bob, and says why.
    done = await act(
        ana, "session.transfer", session_id="chat-1", target=to_agent("bob"), reason=REASON, fence=1
    )
    transfer = done["transfer"]
    assert transfer["from"] == {"kind": "agent", "id": "ana", "name": "Ana Lima"}
    assert transfer["to"] == {"kind": "agent", "id": "bob", "name": "Bob Reis"}
    assert transfer["by"] == {"id": "ana", "name": "Ana Lima", "role": "agent"}
    assert (transfer["reason"], transfer["outcome"], transfer["assigned_to"]) == (REASON, "assigned", None)
    session = done["session"]
    assert (session["state"], session["owner"]) == ("in_progress", {"kind": "agent", "id": "bob"})
    assert (session["fence"], session["hops"], session["transfer"]) == (2, 1, transfer)

    # Each of Bob's devices learns the sender, the target, and why; Ana that it is hers no more.
    for device in (bob_browser, bob_phone):
        assert await device.expect_push("session.assigned") == {
            "type": "session.assigned",
            "session": session,
            "transfer": transfer,
        }
    assert await ana.expect_push("session.removed") == {
        "type": "session.removed",
        "session_id": "chat-1",
        "fence": 2,
        "why": "transferred",
        "transfer": transfer,
    }

    # His browser has it on the screen, and Ana receives that, once.
    await bob_browser.send("session.ack", session_id="chat-1", fence=2)
    await bob_phone.send("session.ack", session_id="chat-1", fence=2)
    updated = await ana.expect_push("transfer.updated")
    assert (updated["state"], updated["transfer"]["id"]) == ("delivered", transfer["id"])

    # On Eve's dialog both loads change.
    await eve.sees_agent("ana", load=1)
    await eve.sees_agent("bob", load=1)

    # The reason stands in the history, where the agents read it in the chat.
    history = (await act(bob_browser, "session.history", session_id="chat-1"))["entries"]
    assert [(entry["seq"], entry["kind"]) for entry in history] == [
        (1, "opened"),
        (2, "transferred"),
        (3, "internal"),
    ]
    assert history[1]["transfer"]["id"] == transfer["id"]
    assert (history[2]["text"], history[2]["by"]["name"]) == (REASON, "Ana Lima")
    assert [(await bob_phone.expect_push("session.entry"))["entry"]["kind"] for _ in range(2)] == [
        "transferred",
        "internal",
    ]

    # Bob pauses; the next transfer waits in his pending list, with a push.
    await act(bob_browser, "status.set", status="pause")
    await ana.sees_agent("bob", status="pause", available=False)
    second = await act(ana, "session.transfer", session_id="chat-2", target=to_agent("bob"))
    assert second["transfer"]["outcome"] == "pending"
    assert second["session"]["state"] == "pending"
    for device in (bob_browser, bob_phone):
        told_bob = await device.expect_push("session.pending")
        assert (told_bob["session"]["id"], told_bob["transfer"]["by"]["id"]) == ("chat-2", "ana")
    for dialog in (ana, eve):
        await dialog.sees_agent("bob", load=1, pending=1)
    assert ana.unread("transfer.updated") == []

    # Adela sends it on to billing, whose best member has it: Dora with 0/10 before Hugo with 1/2.
    sent_on = await act(adela, "session.transfer", session_id="chat-2", target=to_department("billing"))
    assert sent_on["transfer"]["from"] == {"kind": "agent", "id": "bob", "name": "Bob Reis"}
    assert sent_on["transfer"]["to"] == {"kind": "department", "id": "billing", "name": "Billing"}
    assert (sent_on["transfer"]["outcome"], sent_on["transfer"]["assigned_to"]) == ("assigned", "dora")
    assigned = await dora.expect_push("session.assigned")
    assert assigned["transfer"]["by"] == {"id": "adela", "name": "Adela Gil", "role": "admin"}
    for device in (bob_browser, bob_phone):
        removed = await device.expect_push("session.removed")
        assert (removed["session_id"], removed["why"]) == ("chat-2", "transferred")
    moved = await ana.expect_push("transfer.updated")
    assert (moved["state"], moved["transfer"]["id"]) == ("moved", second["transfer"]["id"])
    await eve.sees_agent("dora", load=1, pending=0)
    await eve.sees_agent("bob", load=1, pending=0)

    # At the end the store holds what the screens say.
    assert [session["id"] for session in await tenant.list_sessions(agent_id="bob")] == ["chat-1"]
    assert [session["id"] for session in await tenant.list_sessions(agent_id="dora")] == ["chat-2"]
    assert await tenant.list_sessions(agent_id="ana") == []

    # The feed brought it all: nothing had to be found out and repaired later.
    assert gaps(tenant) == gaps_before
