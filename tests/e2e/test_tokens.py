"""Tokens at a running router: which are accepted, as what role, and for how long."""

import time

import pytest

from tests.e2e.tenant import Tenant

# What a busy machine may take for a test, and far less than another unit of time would make of it.
MINUTE_MS = 60_000


def now_ms() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000


async def test_welcome_holds_the_agent_and_the_expiry(tenant: Tenant) -> None:
    before = now_ms()
    await tenant.put_department("sales", "Sales")
    ana = await tenant.connect_agent("ana", name="Ana Lima", departments=["sales"], capacity=7)

    welcome = ana.welcome
    assert (welcome["tenant"], welcome["role"], welcome["id"]) == (tenant.id, "agent", "1")
    assert welcome["connection_id"]
    assert abs(welcome["server_at"] - before) < MINUTE_MS
    assert abs(welcome["expires_at"] - before - 60 * MINUTE_MS) < MINUTE_MS
    assert welcome["ping_interval_ms"] == 20_000
    assert welcome["inbox"] == {"in_progress": [], "pending": []}
    assert abs(welcome["agent"]["status_since_at"] - before) < MINUTE_MS
    assert welcome["agent"] | {"status_since_at": 0} == {
        "id": "ana",
        "name": "Ana Lima",
        "role": "agent",
        "departments": ["sales"],
        "status": "connected",
        "status_since_at": 0,
        "load": 0,
        "capacity": 7,
        "pending": 0,
        "available": True,
    }


async def test_unknown_agent_gets_its_id_as_name_and_a_capacity_of_ten(
    tenant: Tenant,
) -> None:
    agent = (await tenant.connect_agent("newcomer")).welcome["agent"]
    assert (agent["name"], agent["departments"], agent["capacity"]) == ("newcomer", [], 10)


@pytest.mark.parametrize(
    ("claim", "name"), [(" Ana  Lima\n", "Ana  Lima"), ("n" * 121, "n" * 120), ("  ", "ana")]
)
async def test_name_claim_that_does_not_fit_lets_the_agent_in(tenant: Tenant, claim: str, name: str) -> None:
    assert (await tenant.connect_agent("ana", name=claim)).welcome["agent"]["name"] == name


async def test_what_a_token_leaves_out_stays_as_it_was(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    await tenant.connect_agent("ana", name="Ana Lima", departments=["sales"], capacity=7)

    agent = (await tenant.connect_agent("ana", capacity=8)).welcome["agent"]

    assert (agent["name"], agent["departments"], agent["capacity"]) == ("Ana Lima", ["sales"], 8)


async def test_a_back_end_is_no_agent_and_in_no_directory(tenant: Tenant) -> None:
    crm = await tenant.connect_service()
    assert (crm.welcome["role"], crm.welcome["agent"]) == ("service", None)
    assert crm.welcome["inbox"] == {"in_progress": [], "pending": []}

    ana = await tenant.connect_agent("ana")
    dialog = await ana.open_dialog()
    await ana.sees_agent("ana")
    assert set(dialog.agents) == {"ana"}


@pytest.mark.parametrize("role", ["agent", "service"])
async def test_refreshed_token_moves_the_expiry(tenant: Tenant, role: str) -> None:
    client = await tenant.connect_agent("ana", role=role, ttl_s=30)
    # Less than a minute is left, so it is said at once.
    expiring = await client.expect_push("token.expiring")
    assert expiring == {"type": "token.expiring", "expires_at": client.welcome["expires_at"]}

    refreshed = await client.command("token.refresh", token=tenant.token("ana", role))

    assert refreshed["expires_at"] > expiring["expires_at"] + 3_000_000
