"""What an operator meets: a router that starts, stops and says what is wrong as real process."""

import json
from pathlib import Path

import pytest

from tests.routers import RouterProcess, running_routers
from tests.servers import StoreServer, running, wait_until

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
