"""Tokens at a running router: who is let in, for how long, and how to stay."""

import time
from typing import Any

import pytest

from tests.e2e.office import Office
from tests.raw_client import make_token
from tests.routers import SECRET

# A router knows the store's time as exactly as the way there is short.
CLOCK_ERROR_MS = 50


def now_ms() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000


async def test_a_welcome_says_who_one_is_and_for_how_long(office: Office) -> None:
    before = now_ms()
    await office.put_department("sales", "Sales")
    ana = await office.connect_agent("ana", name="Ana Lima", departments=["sales"], capacity=7)

    welcome = ana.welcome
    assert (welcome["tenant"], welcome["role"], welcome["id"]) == (office.tenant, "agent", "1")
    assert welcome["connection_id"]
    assert before - CLOCK_ERROR_MS <= welcome["server_at"] <= now_ms() + CLOCK_ERROR_MS
    assert 3590_000 < welcome["expires_at"] - before < 3610_000
    assert welcome["ping_interval_ms"] == 20_000
    assert welcome["inbox"] == {"in_progress": [], "pending": []}
    assert before <= welcome["agent"]["status_since_at"] <= now_ms()
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


async def test_somebody_unknown_gets_their_id_as_name_no_departments_and_a_capacity_of_ten(
    office: Office,
) -> None:
    agent = (await office.connect_agent("newcomer")).welcome["agent"]
    assert (agent["name"], agent["departments"], agent["capacity"]) == ("newcomer", [], 10)


async def test_what_a_token_leaves_out_stays_as_it_was(office: Office) -> None:
    await office.put_department("sales")
    await office.connect_agent("ana", name="Ana Lima", departments=["sales"], capacity=7)

    agent = (await office.connect_agent("ana", capacity=8)).welcome["agent"]

    assert (agent["name"], agent["departments"], agent["capacity"]) == ("Ana Lima", ["sales"], 8)


async def test_a_back_end_is_no_agent_and_in_no_directory(office: Office) -> None:
    crm = await office.connect_service()
    assert (crm.welcome["role"], crm.welcome["agent"]) == ("service", None)
    assert crm.welcome["inbox"] == {"in_progress": [], "pending": []}
    assert (await crm.refused("directory.subscribe"))["code"] == "forbidden"

    ana = await office.connect_agent("ana")
    assert set((await ana.open_dialog()).agents) == {"ana"}


BAD_TOKENS: dict[str, dict[str, Any]] = {
    "no token": {"token": ""},
    "not a token": {"token": "abc"},
    "expired": {"ttl_s": -1},
    "not valid yet": {"nbf": 2**33},
    "of another key": {"secret": "another secret of at least 32 bytes"},
    "unsigned": {"header": {"alg": "none", "typ": "JWT"}},
    "without a tenant": {"tenant": None},
    "of a tenant with a brace": {"tenant": "acme}"},
    "without a sub": {"sub": None},
    "of a sub with a line end": {"sub": "ana\n"},
    "of an unknown role": {"role": "owner"},
    "with a negative capacity": {"capacity": -1},
}


@pytest.mark.parametrize("wrong", BAD_TOKENS.values(), ids=list(BAD_TOKENS))
async def test_a_token_that_is_not_good_is_refused_at_hello(office: Office, wrong: dict[str, Any]) -> None:
    claims: dict[str, Any] = {"tenant": office.tenant, "sub": "ana", "role": "agent"}
    claims |= {name: value for name, value in wrong.items() if name not in ("token", "secret")}
    token = wrong.get("token", make_token(wrong.get("secret", SECRET), **claims))
    stranger = await office.connect_stranger()

    error = await stranger.refused("hello", token=token)

    assert (error["code"], error["retryable"]) == ("unauthorized", False)
    assert await stranger.expect_close() == 4500


async def test_a_hello_without_a_token_is_unauthorized(office: Office) -> None:
    stranger = await office.connect_stranger()
    assert (await stranger.refused("hello"))["code"] == "unauthorized"
    assert await stranger.expect_close() == 4500


async def test_a_token_that_runs_out_is_announced_and_then_the_connection_ends(office: Office) -> None:
    ana = await office.connect_agent("ana", ttl_s=0.15)

    # Less than a minute is left, so it is said at once.
    expiring = await ana.expect_push("token.expiring")
    assert expiring == {"type": "token.expiring", "expires_at": ana.welcome["expires_at"]}
    assert now_ms() < expiring["expires_at"]

    assert await ana.expect_close() == 4501
    assert now_ms() >= expiring["expires_at"] - CLOCK_ERROR_MS


async def test_who_refreshes_in_time_stays(office: Office) -> None:
    ana = await office.connect_agent("ana", ttl_s=0.15)
    expires_at = (await ana.expect_push("token.expiring"))["expires_at"]

    refreshed = await ana.command("token.refresh", token=office.token("ana"))

    assert refreshed["expires_at"] > expires_at + 3_000_000
    while now_ms() <= expires_at + 20:
        await ana.command("session.list")
    assert ana.unread("token.expiring") == []


@pytest.mark.parametrize(
    "other",
    [{"sub": "bob"}, {"role": "admin"}, {"tenant": "elsewhere"}, {"ttl_s": -1}],
    ids=["another sub", "another role", "another tenant", "expired"],
)
async def test_a_token_of_somebody_else_does_not_refresh_and_changes_nothing(
    office: Office, other: dict[str, Any]
) -> None:
    ana = await office.connect_agent("ana", ttl_s=0.2)
    token = make_token(SECRET, **{"tenant": office.tenant, "sub": "ana", "role": "agent"} | other)

    assert (await ana.refused("token.refresh", token=token))["code"] == "unauthorized"

    # Still Ana, still for as long as she had.
    assert await ana.command("session.list") == {"sessions": [], "cursor": None}
    assert await ana.expect_close() == 4501


async def test_a_service_may_refresh_too(office: Office) -> None:
    crm = await office.connect_service(ttl_s=30)
    await crm.expect_push("token.expiring")
    refreshed = await crm.command("token.refresh", token=office.token("crm", "service"))
    assert refreshed["expires_at"] > crm.welcome["expires_at"]
