"""Whatever happens in whatever order, each screen shows at the end what the store holds."""

import asyncio
import random
from typing import Any

import pytest

from tests.e2e.tenant import CUSTOMER, Tenant, to_agent, to_department
from tests.raw_client import Message, RawClient

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))]
AGENTS = 6
SESSIONS = 12
STEPS = 1000


class Screen:
    """
    What one device shows of its agent's sessions: the welcome's inbox, kept by pushes.

    Args:
        client: Its connection.
    """

    def __init__(self, client: RawClient) -> None:
        self.client = client
        inbox = client.welcome["inbox"]
        self._shown = {session["id"]: session for session in inbox["in_progress"] + inbox["pending"]}
        self._read = 0

    def shows(self) -> dict[str, tuple[str, int]]:
        """Return state and fence of each session on the screen."""
        for message in self.client.received[self._read :]:
            self._take(message)
        self._read = len(self.client.received)
        return {session_id: (one["state"], one["fence"]) for session_id, one in self._shown.items()}

    def _take(self, message: Message) -> None:
        if message["type"] in ("session.assigned", "session.pending"):
            session = message["session"]
            known = self._shown.get(session["id"])
            # A welcome and the pushes after it are one order: nothing comes that is older, or twice.
            assert known is None or known["fence"] < session["fence"], (self.client, message)
            self._shown[session["id"]] = session
        elif message["type"] == "session.removed":
            removed = self._shown.pop(message["session_id"], None)
            assert removed is not None, (self.client, message)
            assert removed["fence"] < message["fence"], (self.client, message)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
async def test_screens_agree_with_the_store_after_random_commands(tenant: Tenant, seed: int) -> None:
    chance = random.Random(seed)
    await tenant.put_department("sales")
    await tenant.put_department("billing")
    names = [f"agent-{number}" for number in range(AGENTS)]
    screens: dict[str, list[Screen]] = {name: [] for name in names}
    dropped: list[Screen] = []

    async def connect(name: str) -> None:
        departments = ["sales", "billing"][: chance.randrange(3)]
        client = await tenant.connect_agent(
            name, on=chance.randrange(2), departments=departments, capacity=chance.randrange(1, 4)
        )
        screens[name].append(Screen(client))

    for name in names:
        await connect(name)
    admins = [await tenant.connect_admin(on=on) for on in (0, 1)]
    await admins[0].command("session.watch")

    for _ in range(STEPS):
        name = chance.choice(names)
        if chance.random() < 0.1:
            if len(screens[name]) < 3 and chance.random() < 0.6:
                await connect(name)
            elif screens[name]:
                screen = screens[name].pop()
                dropped.append(screen)
                screen.client.drop() if chance.random() < 0.5 else await screen.client.close()
            continue
        by_agent = screens[name] and chance.random() < 0.6
        client = screens[name][-1].client if by_agent else chance.choice(admins)
        # No wait for the reply: commands in flight may meet.
        await client.send(**random_act(chance, names))

    # All clients wait for the replies, and then for all that happened before.
    clients = [screen.client for shown in screens.values() for screen in shown] + admins
    for client in clients:
        await client.reply(await client.send("ping"))
        await client.open_dialog()
    await asyncio.gather(*(client.command("session.list") for client in clients))
    await tenant.settle(*clients)

    errors = {one["error"]["code"] for client in clients for one in client.unread("reply") if "error" in one}
    assert errors.isdisjoint({"internal", "unavailable", "bad_message"})
    held = {session["id"]: session for session in await tenant.list_sessions()}
    for name, shown in screens.items():
        truth = {
            session_id: (session["state"], session["fence"])
            for session_id, session in held.items()
            if session["owner"] == {"kind": "agent", "id": name}
        }
        for screen in shown:
            assert screen.shows() == truth
    for screen in dropped:
        screen.shows()
    # A watching admin keeps the highest fence of each session, and has the same.
    watched: dict[str, Message] = {}
    for message in admins[0].received:
        if message["type"] == "session.changed":
            session = message["session"]
            known = watched.get(session["id"])
            assert known is None or known["fence"] <= session["fence"]
            watched[session["id"]] = session
    assert {session_id: session["fence"] for session_id, session in watched.items()} == {
        session_id: session["fence"] for session_id, session in held.items()
    }
    await check_the_store(tenant, held, names)


@pytest.mark.slow
async def test_agent_connecting_during_transfers_gets_each_session_once(
    tenant: Tenant,
) -> None:
    crm = await tenant.connect_service(on=1)
    ana = await tenant.connect_agent("ana", on=0, capacity=5)

    # Sessions for Ana come in without a pause, while one device after the other says hello.
    opened = [await crm.send(**opening(number)) for number in range(100)]
    screens = [Screen(ana)]
    for number in range(100, 1000):
        opened.append(await crm.send(**opening(number)))
        if number % 50 == 0:
            screens.append(Screen(await tenant.connect_agent("ana", on=0)))
    for command in opened:
        assert "result" in await crm.reply(command)

    for screen in screens:
        await screen.client.open_dialog()
    await tenant.settle(*(screen.client for screen in screens))
    truth = {one["id"]: (one["state"], one["fence"]) for one in await tenant.list_sessions(agent_id="ana")}
    assert len(truth) == 1000
    for screen in screens:
        assert screen.shows() == truth


def opening(number: int) -> dict[str, Any]:
    """Return the command that opens a session with Ana."""
    return {
        "type": "session.open",
        "session_id": f"chat-{number}",
        "customer": CUSTOMER,
        "target": to_agent("ana"),
    }


async def check_the_store(tenant: Tenant, held: dict[str, Message], names: list[str]) -> None:
    """Hold the store's own numbers against each other: loads, queues, histories."""
    agents, departments = await tenant.read_directory()
    for name in names:
        row = agents[name]
        mine = [one["state"] for one in held.values() if one["owner"] == {"kind": "agent", "id": name}]
        assert (row["load"], row["pending"]) == (mine.count("in_progress"), mine.count("pending"))
        assert row["available"] == (row["status"] == "connected" and row["load"] < row["capacity"])
    for department_id in ("sales", "billing"):
        waiting = [one["id"] for one in held.values() if one["owner"] == to_department(department_id)]
        row = departments[department_id]
        members = [agent for agent in agents.values() if department_id in agent["departments"]]
        assert row["queued"] == len(waiting)
        assert row["agents"] == len(members)
        assert row["available"] == sum(agent["available"] for agent in members)
        # No session waits in a queue while a member is available.
        assert not waiting or row["available"] == 0
    for session_id, session in held.items():
        history = await tenant.history(session_id)
        assert [entry["seq"] for entry in history] == list(range(1, len(history) + 1))
        moves = [entry for entry in history if entry["kind"] != "internal"]
        # Each entry but a note is one change of owner or state.
        assert session["fence"] == len(moves)


def random_act(chance: random.Random, names: list[str]) -> dict[str, Any]:
    """Return a random command, which may well be refused."""
    session = {"session_id": f"chat-{chance.randrange(SESSIONS)}"}
    agent = chance.choice(names)
    target = chance.choice(
        [to_agent(agent), to_agent(agent), to_department(chance.choice(["sales", "billing"]))]
    )
    status = chance.choice(["connected", "connected", "pause", "pre_pause"])
    return chance.choice(
        [
            {"type": "session.open", **session, "customer": CUSTOMER, "target": target},
            {"type": "session.transfer", **session, "target": target, "reason": "so it is"},
            {"type": "session.transfer", **session, "target": target},
            {"type": "session.accept", **session},
            {"type": "session.decline", **session},
            {"type": "session.recall", **session},
            {"type": "session.close", **session},
            {"type": "session.note", **session, "text": "a note"},
            {"type": "status.set", "status": status},
            {"type": "status.set", "status": status},
        ]
    )
