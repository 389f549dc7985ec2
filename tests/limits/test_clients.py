"""The shipped client, where it sends more than it may to a real router."""

import asyncio
from collections.abc import Iterator

import pytest
from relevo_client import Client, Commands, HttpClient

from tests.e2e.conftest import MakeOffice, make_office, store
from tests.raw_client import FORMATS
from tests.routers import RouterProcess, running_routers
from tests.servers import StoreServer

__all__ = ["make_office", "store"]

NOTES = 60


@pytest.fixture(scope="module")
def strict(store: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterProcess]:
    """A router that lets an agent send little."""
    limits = {"agent_message_rate": 40, "agent_message_burst": 20}
    with running_routers(1, store.url, tmp_path_factory.mktemp("strict"), **limits) as (router,):
        yield router


@pytest.mark.slow
@pytest.mark.parametrize("over", [*FORMATS, "http"])
async def test_what_is_refused_for_its_number_is_sent_again_as_told_and_done_once(
    strict: RouterProcess, make_office: MakeOffice, over: str
) -> None:
    office = make_office([strict])
    token = office.token("ana")
    await office.put_agent("ana")
    await office.open_session("chat-1", agent="ana")
    texts = [f"note {number}" for number in range(NOTES)]
    before = throttled(strict)

    if over == "http":
        async with HttpClient(f"http://{strict.address}", token) as sender:
            await write(sender, texts)
    else:
        async with Client(f"ws://{strict.address}/ws", token, format=over, proxy=None) as sender:  # type: ignore[arg-type]
            await write(sender, texts)

    notes = [entry["text"] for entry in await office.history("chat-1") if entry["kind"] == "internal"]
    assert sorted(notes) == sorted(texts)
    assert throttled(strict) > before


async def write(sender: Commands, texts: list[str]) -> None:
    """Write notes, all at once."""
    async with asyncio.TaskGroup() as work:
        for text in texts:
            work.create_task(sender.note("chat-1", text))


def throttled(router: RouterProcess) -> float:
    """Return how many messages of agents the router has refused for their number."""
    try:
        return router.metric('relevo_throttled_total{limit="agent"}')
    except StopIteration:
        return 0
