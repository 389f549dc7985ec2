"""A welcome and the pushes after it are one order: each session comes once."""

from typing import Any

import pytest

from tests.e2e.tenant import CUSTOMER, Tenant, to_agent
from tests.raw_client import Message, RawClient


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
