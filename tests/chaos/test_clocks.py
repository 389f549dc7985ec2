"""Routers whose machines have the wrong time."""

import shutil
import subprocess
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.chaos.conftest import PRESENCE_GRACE_MS, SHORT
from tests.chaos.proxied_routers import on_stores, serving
from tests.chaos.waiting import still_answered
from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import to_agent
from tests.e2e.test_presence import now_ms, observe, statuses_shown
from tests.raw_client import Message
from tests.routers import RouterProcess
from tests.servers import StoreServer

# A busy machine takes its time.

# Far less than an hour, and more than any test takes.
CLOSE_MS = 300_000


def wrong_by(hours: int) -> dict[str, str]:
    """Return what has a process see another time of day than there is; time passes as it does."""
    if shutil.which("faketime") is None:
        pytest.skip("this machine has no faketime")
    shift = f"{hours:+d}h"
    found = subprocess.run(
        ["faketime", "-f", shift, "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True
    )
    return {"LD_PRELOAD": found.stdout.strip(), "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def clock_of(router: RouterProcess) -> float:
    """Return the time that a router's machine has, in milliseconds, as its HTTP server tells it."""
    _, headers, _ = router.request("GET", "/healthz")
    return parsedate_to_datetime(headers["date"]).timestamp() * 1000


@pytest.mark.slow
@pytest.mark.fault("a router's clock is an hour off")
@pytest.mark.parametrize("hours", [1, -1])
async def test_router_with_a_wrong_clock_behaves_like_any_other(
    own_store: StoreServer, tmp_path: Path, make_tenant: MakeTenant, hours: int
) -> None:
    # The lease is one that a busy machine keeps.
    routers = on_stores(tmp_path, own_store.url, own_store.url, **SHORT | {"node_lease_ms": 6000})
    routers[0].variables = wrong_by(hours)
    async with serving(routers):
        assert abs(clock_of(routers[0]) - now_ms()) > CLOSE_MS
        tenant = make_tenant(routers)
        observer = await observe(tenant, on=1)
        began_at = now_ms()

        # Tokens: short ones are good, old and early ones are not, and one that ends ends the connection.
        ana = await tenant.connect_agent("ana", on=0, ttl_s=120)
        bob = await tenant.connect_agent("bob", on=1, ttl_s=120, nbf=time.time() - 60)
        carl = await tenant.connect_agent("carl", on=0, nbf=time.time() - 60)
        assert abs(ana.welcome["server_at"] - began_at) < CLOSE_MS
        for claims in ({"ttl_s": -60}, {"nbf": time.time() + 600}):
            stranger = await tenant.connect_without_hello(on=0)
            error = await stranger.refused("hello", token=tenant.token("x", **claims))
            assert error["code"] == "unauthorized"
            assert await stranger.expect_close() == 4500
        brief = await tenant.connect_agent("brief", on=0, ttl_s=1)
        await brief.expect_push("token.expiring")
        assert await brief.expect_close() == 4501

        # What is done here and there stands in one order, at the right time, and once.
        await tenant.open_session("chat-1", agent="ana")
        for number, owner in enumerate((ana, bob, ana, bob)):
            target = to_agent("ana" if owner is bob else "bob")
            command: Message = {"session_id": "chat-1", "target": target, "key": f"key-{number}"}
            first = await owner.command("session.transfer", **command)
            again = await tenant.post(
                "session.transfer", on=number % 2, token=tenant.token(owner.name), **command
            )
            assert again.body == first
        times = [entry["at"] for entry in await tenant.history("chat-1")]
        assert times == sorted(times)
        assert abs(times[0] - began_at) < CLOSE_MS

        # No agent is thought gone too early or for too long, and the sessions stay.
        dropped_at = now_ms()
        carl.drop()
        row = await observer.sees_agent("carl", status="disconnected")
        assert PRESENCE_GRACE_MS <= row["status_since_at"] - dropped_at < CLOSE_MS
        await still_answered(ana, bob, observer)
        assert statuses_shown(observer, "ana") == statuses_shown(observer, "bob") == ["connected"]
        await tenant.disconnect_all()
