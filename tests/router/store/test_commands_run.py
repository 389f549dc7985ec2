"""What a store command's reply means, with a fake store client."""

import asyncio

import pytest

from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError
from relevo.router.store.commands import CommandRejectedError, StoreCommands
from tests.router.store.fakes import FakeStoreClient
from tests.router.store.stored_tenant import LIMITS


@pytest.fixture
def client() -> FakeStoreClient:
    return FakeStoreClient()


@pytest.fixture
def commands(client: FakeStoreClient) -> StoreCommands:
    return StoreCommands(client, LIMITS, "node-1")


async def test_run_returns_the_result_in_its_shape(client: FakeStoreClient, commands: StoreCommands) -> None:
    client.replies.append({"result": [1, 2]})
    assert await commands.run("acme", "count", {"from": 1}, list[int]) == [1, 2]
    [submitted] = client.submitted
    assert (submitted.tenant, submitted.command, bytes(submitted.request["from"])) == (
        *("acme", "count"),
        b"\x01",
    )
    assert (submitted.durable, submitted.urgent) == (False, False)


async def test_run_passes_durable_and_urgent_on(client: FakeStoreClient, commands: StoreCommands) -> None:
    client.replies.append({"result": None})
    await commands.run("acme", "count", {}, type(None), durable=True, urgent=True)
    [submitted] = client.submitted
    assert (submitted.durable, submitted.urgent) == (True, True)


async def test_run_of_a_rejected_command_raises_its_code_and_details(
    client: FakeStoreClient, commands: StoreCommands
) -> None:
    client.replies.append({"error": "conflict", "details": {"fence": 7}})
    with pytest.raises(CommandRejectedError) as rejected:
        await commands.run("acme", "move", {}, int)
    assert (rejected.value.code, rejected.value.details) == ("conflict", {"fence": 7})


@pytest.mark.parametrize("reply", [b"\xc1", b"", {"result": "text"}, {}])
async def test_run_with_a_reply_of_no_meaning_is_a_defect(
    client: FakeStoreClient, commands: StoreCommands, reply: object
) -> None:
    client.replies.append(reply)
    with pytest.raises(StoreDefectError, match="count"):
        await commands.run("acme", "count", {}, int)


async def test_run_without_a_store_is_unavailable(client: FakeStoreClient, commands: StoreCommands) -> None:
    client.replies.append(StoreUnavailableError("gone"))
    with pytest.raises(StoreUnavailableError, match="gone"):
        await commands.run("acme", "count", {}, int)


async def test_run_that_is_cancelled_cancels_the_call(
    client: FakeStoreClient, commands: StoreCommands
) -> None:
    running = asyncio.create_task(commands.run("acme", "count", {}, int))
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert client.pending[0].cancelled()


async def test_renewal_of_a_lease_is_urgent(client: FakeStoreClient, commands: StoreCommands) -> None:
    client.replies.append({"error": "forbidden"})
    with pytest.raises(CommandRejectedError):
        await commands.renew("acme")
    assert client.submitted[0].urgent
