"""A router is frozen and goes on, or drains under load."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, suppress

import pytest
from relevo_client import Client, Connected, Target, TransferResult

from tests.chaos.conftest import SHORT
from tests.chaos.waiting import until_ready
from tests.e2e.conftest import MakeTenant, StartRouters
from tests.e2e.tenant import to_agent
from tests.e2e.test_presence import handshake_status, observe, statuses_shown
from tests.e2e.test_the_shipped_client import ShippedClients, events_of, expect_event
from tests.raw_client import Message, RawClient
from tests.routers import standing_still

# A busy machine takes its time.


async def answers_until_the_close(client: RawClient, command: str) -> tuple[list[Message], int]:
    """Return the replies to a command, of which there may be none, and the code of the close behind it."""
    code = await client.expect_close()
    return [message for message in client.unread("reply") if message["id"] == command], code


@pytest.mark.slow
@pytest.mark.fault("a router stands still past its lease and goes on")
async def test_router_frozen_past_its_lease_closes_its_sockets(
    start_routers: StartRouters, make_tenant: MakeTenant, stack: AsyncExitStack
) -> None:
    pair = start_routers(2, **SHORT)
    tenant = make_tenant(pair)
    tenant.back_end_on = 1
    observer = await observe(tenant, on=1)
    bob = await tenant.connect_agent("bob", on=1)
    ana = await tenant.connect_agent("ana", on=0)
    await ana.open_dialog()
    carl = await ShippedClients(tenant, stack).agent("carl", on=0)
    await expect_event(carl, Connected)
    for name in ("ana", "carl"):
        await tenant.open_session(f"chat-{name}", agent=name)
    await ana.expect_push("session.assigned")
    await observer.sees_agent("carl", load=1)

    with standing_still(pair[0].process_id):
        # The other one takes its agents away, and their sessions wait for them; one is passed on.
        for name in ("ana", "carl"):
            await observer.sees_agent(name, status="disconnected", load=0, pending=1)
        await tenant.do("session.transfer", session_id="chat-ana", target=to_agent("bob"))
        await bob.expect_push("session.assigned", session__id="chat-ana")
        # Meanwhile she presses a button, for a session that she has no more.
        late = await ana.send("session.transfer", session_id="chat-ana", target=to_agent("carl"), key="late")

    replies, code = await answers_until_the_close(ana, late)
    assert code == 4003
    assert [reply["error"]["code"] for reply in replies] in ([], ["forbidden"], ["unavailable"])
    # Up to the close her screen showed nothing that was not so once, and in that order.
    shown, true = statuses_shown(ana, "ana"), statuses_shown(observer, "ana")
    assert shown == true[: len(shown)]
    assert not {"disconnected"} & set(statuses_shown(observer, "bob"))
    # Her clients come back, to the same router, and all have one view of it.
    assert (await expect_event(carl, Connected)).reconnected
    assert list(carl.inbox.in_progress) == ["chat-carl"]
    again = await tenant.connect_agent("ana", on=0)
    assert again.welcome["inbox"] == {"in_progress": [], "pending": []}
    await again.open_dialog()
    await tenant.settle(again, observer)
    assert again.dialog.rows == observer.dialog.rows
    assert {row["status"] for row in again.dialog.agents.values()} == {"connected"}
    assert [entry["kind"] for entry in await tenant.history("chat-ana")] == ["opened", "moved", "transferred"]
    assert (await tenant.get_session("chat-ana"))["owner"] == to_agent("bob")


@pytest.mark.slow
@pytest.mark.fault("a router stands still past its lease and goes on")
async def test_router_frozen_within_its_lease_keeps_its_sockets(
    start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    pair = start_routers(2, **SHORT | {"node_lease_ms": 6000})
    tenant = make_tenant(pair)
    tenant.back_end_on = 1
    observer = await observe(tenant, on=1)
    ana = await tenant.connect_agent("ana", on=0)
    await ana.open_dialog()

    with standing_still(pair[0].process_id):
        # Longer than both graces: Bob's end meanwhile.
        bob = await tenant.connect_agent("bob", on=1)
        await tenant.open_session("chat-bob", agent="bob")
        bob.drop()
        await observer.sees_agent("bob", status="disconnected", pending=1)
        await tenant.open_session("chat-ana", agent="ana")

    await ana.expect_push("session.assigned", session__id="chat-ana")
    await ana.sees_agent("bob", status="disconnected", pending=1)
    assert ana.dialog.snapshots == 1
    assert statuses_shown(observer, "ana") == ["connected"]


class TransferRing:
    """Agents in a ring, each of which transfers every session it gets to the next."""

    def __init__(self, agents: dict[str, Client]) -> None:
        self.agents = agents
        self.made: list[TransferResult] = []
        self._enough = asyncio.Event()
        self._wanted = 0
        self._is_over = False

    async def run(self) -> None:
        """Work until `end`; a transfer that fails ends it at once."""
        names = list(self.agents)
        await asyncio.gather(
            *(self._pass_on(name, names[(number + 1) % len(names)]) for number, name in enumerate(names))
        )

    async def further(self, count: int) -> None:
        """Return when so many further transfers were made."""
        self._wanted = len(self.made) + count
        self._enough.clear()
        await self._enough.wait()

    def end(self) -> None:
        """Let all keep what they have."""
        self._is_over = True

    async def _pass_on(self, name: str, to: str) -> None:
        client = self.agents[name]
        while not self._is_over:
            session_id = next(iter(client.inbox.in_progress), None)
            if session_id is not None:
                self.made.append(await client.sessions.transfer(session_id, Target.agent(to)))
                if len(self.made) >= self._wanted:
                    self._enough.set()
            with suppress(TimeoutError):
                # What is passed on leaves the screen a moment later; and the end has to be seen.
                async with asyncio.timeout(0.05):
                    while session_id is None or session_id in client.inbox.in_progress:
                        await anext(events_of(client))
                        session_id = session_id or next(iter(client.inbox.in_progress), None)


@pytest.mark.slow
@pytest.mark.fault("a router drains")
async def test_draining_router_fails_no_transfer_and_hides_no_agent(
    start_routers: StartRouters, make_tenant: MakeTenant, stack: AsyncExitStack
) -> None:
    leaving, staying = pair = start_routers(2, **SHORT | {"node_lease_ms": 6000}, drain_ms=2000)
    tenant = make_tenant(pair)
    tenant.back_end_on = 1
    programs = ShippedClients(tenant, stack)
    relay = TransferRing({f"agent-{n}": await programs.agent(f"agent-{n}", on=n % 2) for n in range(6)})
    observer = await observe(tenant, on=1)
    sessions = [f"chat-{number}" for number in range(6)]
    for number, session_id in enumerate(sessions):
        await tenant.open_session(session_id, agent=f"agent-{number}")

    async with asyncio.TaskGroup() as work:
        work.create_task(relay.run())
        await relay.further(60)
        leaving.terminate()
        assert "draining" in await until_ready(leaving, False)
        assert await handshake_status(tenant) == 503
        await relay.further(60)
        assert await asyncio.to_thread(leaving.wait_gone) == 0
        await relay.further(60)
        relay.end()

    assert await until_ready(staying)
    made = Counter(done.session.id for done in relay.made)
    assert {done.transfer.outcome for done in relay.made} == {"assigned"}
    for session_id in sessions:
        assert (await tenant.get_session(session_id))["hops"] == made[session_id]
        kinds = Counter(entry["kind"] for entry in await tenant.history(session_id))
        assert kinds == {"opened": 1, "transferred": made[session_id]}
    await tenant.settle(observer)
    for name in relay.agents:
        assert statuses_shown(observer, name) == ["connected"]
