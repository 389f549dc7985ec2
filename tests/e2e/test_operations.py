"""What an operator meets: a router that starts, stops and says what is wrong as real process."""

import asyncio
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from tests.raw_client import connect_agent, make_token, open_socket
from tests.routers import SECRET, RouterProcess, running_routers, standing_still
from tests.servers import StoreServer, closed_port, running, wait_until

pytestmark = pytest.mark.slow


def log_events(router_log: Path) -> list[dict[str, object]]:
    """Return what a router has logged."""
    return [json.loads(line) for line in router_log.read_text().splitlines() if line.startswith("{")]


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_router_whose_store_evicts_does_not_start(tmp_path: Path, policy: str) -> None:
    with running(StoreServer(tmp_path, arguments=["--maxmemory-policy", policy])) as store:
        router = RouterProcess(store.url, tmp_path / "log")
        router.launch()
        wait_until(lambda: not router.is_running, "the router to end")
    (line,) = [line for line in (tmp_path / "log").read_text().splitlines() if line.startswith("relevo: ")]
    assert f"maxmemory-policy {policy}" in line


def test_router_is_not_ready_while_its_store_evicts(own_store: StoreServer, tmp_path: Path) -> None:
    with running_routers(1, own_store.url, tmp_path) as (router,):
        own_store.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
        wait_until(lambda: router.get("/readyz")[0] == 503, "readiness to be red")
        assert "maxmemory-policy is allkeys-lfu" in router.get("/readyz")[1]
        own_store.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
        wait_until(lambda: router.get("/readyz")[0] == 200, "readiness to be green")


def reread(router: RouterProcess, log: Path, times: int = 1) -> dict[str, object]:
    """Have a router read its settings again; return what it logs of that."""

    def reloads() -> list[dict[str, object]]:
        return [event for event in log_events(log) if str(event["event"]).startswith("settings reload")]

    router.reread()
    wait_until(lambda: len(reloads()) == times, "the settings to be read")
    return reloads()[-1]


def status_of(router: RouterProcess, secret: str) -> int:
    """Return the HTTP status that a token of a secret gets for a session that is not there."""
    token = make_token(secret, tenant="acme", sub="crm", role="service")
    body = b'{"session_id": "none"}'
    return router.request("POST", "/api/v1/session.get", body, {"authorization": f"Bearer {token}"})[0]


def workers_in(page: str) -> dict[str, int]:
    """Return the connections of each worker, by a page of metrics."""
    found = re.findall(r'^relevo_connections\{worker="(\d)"\} (\d+)', page, re.MULTILINE)
    return {worker: int(count) for worker, count in found}


def test_hangup_reads_secrets_from_files_again(store: StoreServer, tmp_path: Path) -> None:
    first, second = "1" * 32, "2" * 32
    new, old = tmp_path / "new", tmp_path / "old"
    new.write_text(first)
    old.write_text(first)
    secrets = {"jwt_secret": None, "jwt_secret_file": str(new), "jwt_secret_old_file": str(old)}
    router = RouterProcess(store.url, tmp_path / "log", **secrets)
    router.launch()
    router.wait_ready()
    try:
        assert (status_of(router, first), status_of(router, second)) == (404, 401)
        new.write_text(second)
        assert reread(router, tmp_path / "log")["event"] == "settings reloaded"
        assert (status_of(router, first), status_of(router, second)) == (404, 404)
        old.write_text(second)
        assert reread(router, tmp_path / "log", 2)["event"] == "settings reloaded"
        assert (status_of(router, first), status_of(router, second)) == (401, 404)
        new.write_text("")
        assert reread(router, tmp_path / "log", 3)["event"] == "settings reload failed"
        assert status_of(router, second) == 404
    finally:
        router.stop()


def test_hangup_reaches_every_worker(store: StoreServer, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_text("1" * 32)
    secrets = {"jwt_secret": None, "jwt_secret_file": str(new)}
    router = RouterProcess(store.url, tmp_path / "log", workers=2, **secrets)
    router.launch()
    router.wait_ready()
    try:
        wait_until(
            lambda: 'worker="0"' in (page := router.get("/metrics")[1]) and 'worker="1"' in page, "both"
        )
        new.write_text("2" * 32)
        router.reread()
        told = {"settings reloaded", "settings reload failed"}
        wait_until(
            lambda: sum(event["event"] in told for event in log_events(tmp_path / "log")) == 2, "both reloads"
        )
        assert {status_of(router, "2" * 32) for _ in range(8)} == {404}
        assert {status_of(router, "1" * 32) for _ in range(8)} == {401}
    finally:
        router.stop()


def test_router_is_not_ready_without_a_key_that_it_has_read(store: StoreServer, tmp_path: Path) -> None:
    with closed_port() as port:
        keys = f"http://127.0.0.1:{port}/jwks.json"
        router = RouterProcess(store.url, tmp_path / "log", jwt_secret=None, jwks=keys)
        router.launch()
        try:
            wait_until(lambda: "port opened" in (tmp_path / "log").read_text(), "the port")
            status, text = router.get("/readyz")
            assert (status, "keys that verify tokens" in text) == (503, True)
            assert router.metric("relevo_ready") == 0
        finally:
            router.stop()


def test_router_with_a_drain_delay_serves_on_while_it_is_not_ready(
    store: StoreServer, tmp_path: Path
) -> None:
    router = RouterProcess(store.url, tmp_path / "log", drain_delay_ms=60_000)
    router.launch()
    router.wait_ready()
    try:
        router.terminate()
        wait_until(lambda: router.get("/readyz")[0] == 503, "readiness to be red")
        assert '"reason":"draining"' in router.get("/readyz")[1]
        assert router.metric("relevo_ready") == 0
        assert status_of(router, SECRET) == 404
        # The second signal ends it at once.
        router.terminate()
        router.wait_gone()
    finally:
        router.stop()


async def test_metrics_of_two_workers_are_all_there_whichever_answers(
    store: StoreServer, tmp_path: Path
) -> None:
    with running_routers(1, store.url, tmp_path, workers=2) as (router,):

        def counts() -> dict[str, int]:
            return workers_in(router.get("/metrics")[1])

        await asyncio.to_thread(wait_until, lambda: set(counts()) == {"0", "1"}, "both workers")
        sockets = [await open_socket(router.address) for _ in range(8)]
        for _ in range(6):
            assert sum((await asyncio.to_thread(counts)).values()) == len(sockets)
        for each in sockets:
            await each.close()


@contextmanager
def killed(store: StoreServer) -> Iterator[None]:
    """End a store as a crash does, and start it again at the end."""
    store.kill()
    yield
    store.start()


@contextmanager
def stopped(store: StoreServer) -> Iterator[None]:
    """Let a store stand still, with its sockets open."""
    with standing_still(store.pid):
        yield


@pytest.mark.parametrize("outage", [killed, stopped])
async def test_outage_of_the_store_is_two_lines_however_many_tenants_there_are(
    own_store: StoreServer, tmp_path: Path, outage: Callable[[StoreServer], AbstractContextManager[None]]
) -> None:
    settings = {"node_lease_ms": 1500, "store_timeout_ms": 1000}
    with running_routers(1, own_store.url, tmp_path, **settings) as (router,):
        clients = [
            await connect_agent(router.address, make_token(SECRET, tenant=f"t{n}", sub="ana", role="agent"))
            for n in range(20)
        ]
        before = len(log_events(tmp_path / "router0.log"))
        with outage(own_store):
            for client in clients:
                assert await client.expect_close() == 4003
        await asyncio.to_thread(router.wait_ready)

        def loud() -> list[str]:
            events = log_events(tmp_path / "router0.log")[before:]
            return [str(event["event"]) for event in events if event["level"] in ("warning", "error")]

        await asyncio.to_thread(wait_until, lambda: "store found" in loud(), "the store to be found")
        events = loud()
    assert (events.count("store lost"), events.count("store found")) == (1, 1)
    assert [event for event in events if not event.startswith("store ")] == []


def test_forged_tokens_are_logged_counted_and_bounded_for_their_address(
    store: StoreServer, tmp_path: Path
) -> None:
    with running_routers(1, store.url, tmp_path, refused_token_rate=20) as (router,):
        forged = make_token("another secret, of 32 bytes or more", tenant="acme", sub="crm", role="service")
        bearer = {"authorization": f"Bearer {forged}"}
        asked = [
            router.request("POST", "/api/v1/session.get", b"{}", bearer | {"x-forwarded-for": "192.0.2.7"})[0]
            for _ in range(102)
        ]
        assert set(asked) == {401, 429}
        assert router.metric('relevo_tokens_refused_total{cause="signature"}') == asked.count(401)
        assert status_of(router, SECRET) == 404
    (line,) = [line for line in log_events(tmp_path / "router0.log") if line["logger"] == "relevo.security"]
    assert (line["event"], line["address"], line["cause"]) == ("token refused", "192.0.2.7", "signature")
    assert forged[:40] not in (tmp_path / "router0.log").read_text()


def test_ipv4_proxy_of_a_router_that_listens_on_ipv6_is_believed(store: StoreServer, tmp_path: Path) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with running_routers(1, store.url, tmp_path, host="::") as (router,):
        headers = {"authorization": "Bearer none", "x-forwarded-for": "192.0.2.7"}
        assert router.request("POST", "/api/v1/session.get", b"{}", headers)[0] == 401
    (line,) = [line for line in log_events(tmp_path / "router0.log") if line["logger"] == "relevo.security"]
    assert line["address"] == "192.0.2.7"


@pytest.mark.limit("connect_rate")
def test_an_address_that_connects_too_fast_is_refused(store: StoreServer, tmp_path: Path) -> None:
    router = RouterProcess(store.url, tmp_path / "log", connect_rate=1, trusted_proxies="192.0.2.1")
    router.launch()
    try:
        # To see whether it is ready would take from the rate.
        wait_until(lambda: "port opened" in (tmp_path / "log").read_text(), "the port")
        asked = [router.get("/healthz")[0] for _ in range(6)]
        assert asked[0] == 200
        assert asked[-1] == 429
    finally:
        router.stop()


async def test_router_with_few_files_refuses_websockets_and_answers_probes(
    store: StoreServer, tmp_path: Path
) -> None:
    router = RouterProcess(store.url, tmp_path / "log")
    router.files_max = 200
    router.launch()
    await asyncio.to_thread(router.wait_ready)
    sockets: list[ClientConnection] = []
    try:
        (line,) = [e for e in log_events(tmp_path / "log") if e["event"] == "open files counted"]
        assert (line["level"], line["limit"]) == ("warning", 200)
        for _ in range(int(str(line["websockets_max"]))):
            sockets.append(await open_socket(router.address))
        with pytest.raises(InvalidStatus, match="503"):
            await open_socket(router.address)
        assert (await asyncio.to_thread(router.get, "/readyz"))[0] == 200
    finally:
        for each in sockets:
            await each.close()
        router.stop()
