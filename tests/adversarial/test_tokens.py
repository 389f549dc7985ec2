"""Tokens that prove nothing: refused at hello, at refresh and over HTTP, and nothing else changes."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import Tenant
from tests.raw_client import FORMATS, make_token
from tests.router.tokens import EC, RSA, asymmetric, encode, hs256
from tests.routers import SECRET, RouterProcess, running_routers
from tests.servers import StoreServer

UNAUTHORIZED = ("unauthorized", False)
GOOD: dict[str, Any] = {"tenant": "acme", "sub": "ana", "role": "agent"}
SOON = int(time.time()) + 3600


def unsigned(header: dict[str, Any], signature: str = "") -> str:
    """Return a token whose signature is whatever is given."""
    claims = {**GOOD, "exp": SOON}
    return ".".join([*(encode(json.dumps(part).encode()) for part in (header, claims)), signature])


def good(**claims: Any) -> str:
    """Return a token that is signed well, whatever it claims."""
    return hs256({**GOOD, "exp": SOON, **claims}, SECRET)


def fits_a_header(token: str) -> bool:
    return token.isascii() and token.isprintable()


def tampered() -> str:
    """Return a token whose role was changed after it was signed."""
    header, _, signature = good().split(".")
    claims = encode(json.dumps({**GOOD, "role": "admin", "exp": SOON}).encode())
    return f"{header}.{claims}.{signature}"


# Some of each kind; tests/router/auth has them all.
TOKENS: dict[str, list[str]] = {
    "missing": ["", "a.b.c", "ä.ö.ü", "x" * 16_000],
    "expired": [make_token(SECRET, ttl_s=-1, **GOOD), good(exp=float("nan")), good(exp=10**400)],
    "not yet valid": [good(nbf=SOON), good(iat=SOON)],
    "wrong key": [
        hs256({**GOOD, "exp": SOON}, "another secret, just as long as the first"),
        tampered(),
        asymmetric(RSA, "RS256", claims={**GOOD, "exp": SOON}),
        unsigned({"alg": "RS256", "jwk": RSA.as_dict(private=False)}, "AAAA"),
    ],
    "alg none": [
        unsigned({"alg": "none"}),
        unsigned({"alg": "nOnE"}, "AAAA"),
        good().rpartition(".")[0] + ".",
    ],
    "no tenant": [hs256({"sub": "ana", "role": "agent", "exp": SOON}, SECRET), hs256([], SECRET)],
    "ids that do not match": [good(tenant="{acme}"), good(sub="ana\n"), good(role="root"), good(capacity=-1)],
}
CASES = [pytest.param(kind, tokens, id=kind) for kind, tokens in TOKENS.items()]


@pytest.mark.adversarial(*(f"token: {kind}" for kind in TOKENS))
@pytest.mark.parametrize(("kind", "tokens"), CASES)
async def test_a_bad_token_is_refused_wherever_it_is_shown(
    routers: list[RouterProcess], tenant: Tenant, kind: str, tokens: list[str]
) -> None:
    ana = await tenant.connect_agent("ana", on=1)
    expires_at = ana.welcome["expires_at"]
    for number, token in enumerate(tokens):
        # At hello.
        newcomer = await tenant.connect_without_hello(format=FORMATS[number % len(FORMATS)])
        reply = await newcomer.say_hello(token)
        assert (reply["id"], reply["error"]["code"], reply["error"]["retryable"]) == ("1", *UNAUTHORIZED)
        assert await newcomer.expect_close() == 4500
        # At a refresh, which changes nothing.
        error = await ana.refused("token.refresh", token=token)
        assert (error["code"], error["retryable"]) == UNAUTHORIZED
        # The answer says no more than the token does.
        assert SECRET not in json.dumps([reply, error])
    assert (await ana.command("token.refresh", token=tenant.token("ana", ttl_s=7200)))[
        "expires_at"
    ] > expires_at


@pytest.mark.adversarial(*(f"token: {kind}" for kind in TOKENS))
@pytest.mark.parametrize(("kind", "tokens"), CASES)
async def test_a_bad_bearer_is_401(tenant: Tenant, kind: str, tokens: list[str]) -> None:
    for token in tokens:
        if fits_a_header(token):
            answer = await tenant.post("session.list", token=token)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer"), token
            assert answer.body["code"] == "unauthorized"


@pytest.mark.adversarial("token: missing")
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "{token}",
        "Token {token}",
        "Bearer, {token}",
        "Bearer x {token}",
    ],
)
async def test_an_authorization_without_a_bearer_token_is_401(
    routers: list[RouterProcess], tenant: Tenant, authorization: str | None
) -> None:
    headers = (
        {} if authorization is None else {"authorization": authorization.format(token=tenant.token("crm"))}
    )
    status, answered, _ = routers[0].request("POST", "/api/v1/session.list", b"{}", headers)
    assert (status, answered["www-authenticate"]) == (401, "Bearer")


async def test_a_token_longer_than_any_is_no_message(tenant: Tenant) -> None:
    newcomer = await tenant.connect_without_hello()
    reply = await newcomer.say_hello("x" * 16_385)
    assert (reply["error"]["code"], reply["error"]["details"]) == ("bad_message", {"path": "$.token"})
    assert await newcomer.expect_close() == 4503


# A public key ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def public(store: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterProcess]:
    """A router that has a public key only."""
    folder = tmp_path_factory.mktemp("public")
    (folder / "key.pem").write_bytes(RSA.as_pem(private=False))
    with running_routers(
        1, store.url, folder, jwt_secret="", jwt_public_key_file=str(folder / "key.pem")
    ) as one:
        yield one[0]


@pytest.mark.slow
@pytest.mark.adversarial("token: HS256 signed with the public key")
async def test_token_signed_with_the_public_key_is_unauthorized(
    public: RouterProcess, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant([public])
    claims = {"tenant": tenant.id, "sub": "ana", "role": "agent", "exp": SOON}
    pem = RSA.as_pem(private=False)
    bodies = [pem, pem.strip(), pem.replace(b"\n", b"\r\n"), b"".join(pem.splitlines()[1:-1])]
    der = base64.b64decode(bodies[-1])
    forged = [
        *(hs256(claims, text.decode(), {"alg": name}) for text in bodies for name in ("HS256", "HS512")),
        hs256(claims, der.decode("latin-1"), {"alg": "HS256"}),
        hs256(claims, json.dumps(RSA.as_dict(private=False)), {"alg": "HS256"}),
        asymmetric(EC, "ES256", claims=claims),
        unsigned({"alg": "none"}),
    ]
    for token in forged:
        newcomer = await tenant.connect_without_hello()
        assert (await newcomer.say_hello(token))["error"]["code"] == "unauthorized"
        assert await newcomer.expect_close() == 4500
    newcomer = await tenant.connect_without_hello()
    assert (await newcomer.say_hello(asymmetric(RSA, "RS256", claims=claims)))["type"] == "welcome"


# Tokens of another identity, and of another time ------------------------------------------------------------


@pytest.mark.adversarial("token: another tenant's")
@pytest.mark.parametrize("role", ["agent", "admin", "service"])
async def test_a_token_of_another_tenant_gives_nothing_of_this_one(
    routers: list[RouterProcess], make_tenant: MakeTenant, role: str
) -> None:
    here, there = make_tenant(routers), make_tenant(routers)
    await here.put_agent("ana")
    await here.open_session("chat-1", agent="ana")
    foreigner = await there.connect_agent("ana", role=role)
    assert (await foreigner.refused("session.get", session_id="chat-1"))["code"] == "not_found"
    assert (
        await here.post("session.get", session_id="chat-1", token=there.token("crm", "service"))
    ).status == 404
    member = await here.connect_agent("ana", role=role)
    assert (await member.refused("token.refresh", token=there.token("ana", role)))["code"] == "unauthorized"


@pytest.mark.adversarial("token: refreshed for another sub")
async def test_refresh_with_another_identity_is_unauthorized(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana")
    for sub, role in [("bob", "agent"), ("Ana", "agent"), ("bob", "admin"), ("ana", "service")]:
        for ttl_s in (60, 36_000):
            error = await ana.refused("token.refresh", token=tenant.token(sub, role, ttl_s=ttl_s))
            assert (error["code"], error["retryable"]) == UNAUTHORIZED
    assert (await ana.refused("agent.remove", agent_id="bob"))["code"] == "forbidden"


@pytest.mark.slow
@pytest.mark.adversarial("token: expired during the connection")
async def test_expired_token_closes_its_connections_and_no_others(tenant: Tenant) -> None:
    stays = [await tenant.connect_agent("ana", role=role) for role in ("agent", "service")]
    goes = [
        await tenant.connect_agent("ana", role=role, format=encoding, ttl_s=1)
        for role in ("agent", "service")
        for encoding in FORMATS
    ]
    for client in goes:
        assert await client.expect_push("token.expiring")
        assert await client.expect_close() == 4501
    for client in stays:
        assert (await client.reply(await client.send("ping")))["type"] == "pong"
