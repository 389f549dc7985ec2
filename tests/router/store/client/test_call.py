import asyncio

import pytest

from relevo.router.store.client.call import Call
from relevo.router.store.client.errors import StoreUnavailableError


async def test_failed_call_gives_its_caller_the_error() -> None:
    call = Call(asyncio.get_running_loop().create_future(), "renew", b"", b"", 0.0, "acme")
    call.fail(StoreUnavailableError("gone"))
    with pytest.raises(StoreUnavailableError, match="gone"):
        await call.future


async def test_cancelled_call_is_not_failed() -> None:
    call = Call(asyncio.get_running_loop().create_future(), "renew", b"", b"", 0.0, "acme")
    call.future.cancel()
    call.fail(StoreUnavailableError("gone"))
    assert call.future.cancelled()


async def test_urgent_call_leaves_its_tenants_flow() -> None:
    loop = asyncio.get_running_loop()
    usual = Call(loop.create_future(), "session_note", b"", b"", 0.0, "acme")
    urgent = Call(loop.create_future(), "renew", b"", b"", 0.0, "acme", urgent=True)
    assert (usual.flow, urgent.flow, urgent.tenant) == ("acme", "", "acme")
