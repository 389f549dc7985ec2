"""Limits that only a whole router has, on one whose limits small tests reach."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import Tenant
from tests.raw_client import open_socket
from tests.routers import RouterProcess, running_routers
from tests.servers import StoreServer, wait_until

TENANTS_MAX = 3
REQUEST_TIMEOUT_MS = 500


@pytest.fixture(scope="module")
def small(store: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterProcess]:
    """A router with room for few."""
    limits = {
        "connections_per_address_max": 2,
        "relevo.router.tenant.registry.TENANTS_MAX": TENANTS_MAX,
        "relevo.router.tenant.registry.TENANT_IDLE_MS": 200,
        "relevo.router.transport.http_guard.REQUEST_TIMEOUT_MS": REQUEST_TIMEOUT_MS,
        # Some answers here are megabytes, and machines are busy.
        "store_timeout_ms": 20_000,
    }
    with running_routers(1, store.url, tmp_path_factory.mktemp("small"), **limits) as (router,):
        yield router


@pytest.fixture
def tenant(small: RouterProcess, make_tenant: MakeTenant) -> Tenant:
    """The one tenant there."""
    wait_until(lambda: small.metric("relevo_tenants") == 0, "the tenants of other tests to go")
    return make_tenant([small])


async def refused(router: RouterProcess, **headers: str) -> int:
    """Return the status with which a handshake is refused."""
    with pytest.raises(InvalidStatus) as refusal:
        await open_socket(router.address, additional_headers=headers)
    return refusal.value.response.status_code


@pytest.mark.limit("connections_per_address_max")
async def test_handshake_beyond_connections_per_address_is_refused(
    small: RouterProcess, tenant: Tenant
) -> None:
    there, elsewhere = {"X-Forwarded-For": "192.0.2.7"}, {"X-Forwarded-For": "192.0.2.7, 192.0.2.8"}
    first, _ = [await tenant.connect_without_hello(additional_headers=there) for _ in range(2)]
    assert await refused(small, **there) == 429
    await tenant.connect_without_hello(additional_headers=elsewhere)
    await first.close()
    wait_until(lambda: small.metric("relevo_connections") == 2, "one to go")
    await tenant.connect_without_hello(additional_headers=there)


@pytest.mark.limit("TENANTS_MAX", "TENANT_IDLE_MS")
async def test_hello_beyond_tenants_max_is_unavailable_until_one_leaves(
    small: RouterProcess, make_tenant: MakeTenant, tenant: Tenant
) -> None:
    tenants = [tenant, *(make_tenant([small]) for _ in range(TENANTS_MAX))]
    served = [await each.connect_agent("ana") for each in tenants[:-1]]
    late = await tenants[-1].connect_without_hello()
    error = await late.refused("hello", token=tenants[-1].token("ana"))
    assert (error["code"], error["retryable"]) == ("unavailable", True)
    assert await late.expect_close() == 4003
    # A tenant that is served takes further agents.
    await tenant.connect_agent("bob")
    await served[1].close()
    wait_until(lambda: small.metric("relevo_tenants") < TENANTS_MAX, "an idle tenant to be given up")
    await tenants[-1].connect_agent("ana")


@pytest.mark.limit("REQUEST_TIMEOUT_MS")
@pytest.mark.slow
async def test_http_response_that_is_not_read_is_dropped(small: RouterProcess, tenant: Tenant) -> None:
    await fill_history(tenant)
    body = json.dumps({"session_id": "chat-1", "limit": 500}).encode()
    request = b"\r\n".join(
        [
            b"POST /api/v1/session.history HTTP/1.1",
            b"Host: router",
            f"Authorization: Bearer {tenant.token('crm', 'service')}".encode(),
            b"Content-Length: %d" % len(body),
            b"",
            body,
        ]
    )
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", small.port))
        deaf.sendall(request * 16)
        assert deaf.recv(15) == b"HTTP/1.1 200 OK"
        assert holds(small, deaf)
        wait_until(lambda: not holds(small, deaf), "the connection to be dropped")


def holds(router: RouterProcess, peer: socket.socket) -> bool:
    """Return whether a router still has its end of a connection; the system may go on sending without it."""
    ports = f":{router.port:04X}", f":{peer.getsockname()[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines():
        _, here, there, *_, inode = line.split()[:10]
        if here.endswith(ports[0]) and there.endswith(ports[1]):
            return inode != "0"
    return False


async def fill_history(tenant: Tenant) -> None:
    """Give Ana a session whose history is more than the network takes for a client that reads nothing."""
    await tenant.put_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    crm = await tenant.connect_service(format="msgpack")
    sent = [await crm.send("session.note", session_id="chat-1", text="€" * 4000) for _ in range(499)]
    await crm.until(lambda: len(crm.unread("reply")) == len(sent), "the notes to be written")
    assert all("result" in reply for reply in crm.unread("reply"))
    await crm.close()
