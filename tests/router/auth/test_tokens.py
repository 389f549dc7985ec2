"""Tokens: whose are believed, whose are refused, and with which words."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from joserfc import jwk

from relevo.router.auth.keys import HEADERS_READ_MAX, Key, _header, verify_payload
from relevo.router.auth.principal import Principal
from relevo.router.auth.tokens import UnauthorizedError, Verifier, claim_paths, sign
from relevo.router.config import Settings, SettingsError
from tests.router.tokens import (
    ANA,
    CLAIMS,
    EC,
    ED,
    NOW_MS,
    RSA,
    SECRET,
    Private,
    asymmetric,
    encode,
    hs256,
    key_set,
    public_entry,
    refusal,
    verifier,
)

SHORT_RSA_PEM = b"""\
-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDPMBXGWw4gX7all0OL2h1REutM
TpoaUwXhaaCJIIaC6Wtti1yw6SOeR4CsZ4eCWbVHpdNFcKjvfMP768my/mhGfvBK
g3qxm5KmBBrJOLgVik2Iknf2AJBT4RwIy5k4auEAAlAencRGNSSwg2m1RMfCdw3y
I1m1g8Y+LdTG3DB7wQIDAQAB
-----END PUBLIC KEY-----
"""


async def test_a_token_of_the_secret_has_its_principal() -> None:
    assert await verifier().verify(hs256(CLAIMS)) == ANA


async def test_optional_claims_describe_the_agent() -> None:
    claims = CLAIMS | {"name": "Ana Núñez", "departments": ["sales", "billing"], "capacity": 0}
    principal = await verifier().verify(hs256(claims))
    assert (principal.name, principal.departments, principal.capacity) == (
        "Ana Núñez",
        ("sales", "billing"),
        0,
    )
    nothing = CLAIMS | {"name": None, "departments": None, "capacity": None, "nbf": None}
    assert await verifier().verify(hs256(nothing)) == ANA


async def test_unknown_claims_are_ignored() -> None:
    claims = CLAIMS | {"iss": "someone", "aud": "something", "jti": "1", "email": "ana@acme.example"}
    assert await verifier().verify(hs256(claims)) == ANA


async def test_sign_makes_a_token_that_the_verifier_takes() -> None:
    token = sign(
        SECRET,
        tenant="acme",
        sub="bo",
        role="admin",
        ttl_s=90,
        now_ms=NOW_MS,
        name="Bo",
        departments=["sales"],
        capacity=3,
    )
    expected = Principal("acme", "bo", "admin", "Bo", ("sales",), 3, NOW_MS + 90_000, NOW_MS // 1000)
    assert await verifier().verify(token) == expected


@pytest.mark.parametrize("wrong", [{"tenant": "a b"}, {"role": "boss"}, {"ttl_s": 0}, {"capacity": -1}])
def test_sign_refuses_what_a_router_would_refuse(wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"tenant": "acme", "sub": "bo", "role": "admin", "ttl_s": 90, "now_ms": NOW_MS}
    with pytest.raises(UnauthorizedError):
        sign(SECRET, **(given | wrong))


@pytest.mark.parametrize("offset_ms", [0, 1, 3_600_000])
async def test_a_token_at_or_after_its_end_is_refused_without_leeway(offset_ms: int) -> None:
    exp = (NOW_MS - offset_ms) / 1000
    assert await refusal(hs256(CLAIMS | {"exp": exp})) == "the token is expired"


async def test_a_fraction_of_a_second_counts() -> None:
    principal = await verifier().verify(hs256(CLAIMS | {"exp": NOW_MS / 1000 + 0.25}))
    assert principal.expires_at == NOW_MS + 250


def of_claim(begin: str, ahead_s: int) -> Principal:
    """Return Ana by a token that begins then."""
    return msgspec.structs.replace(ANA, issued_at=NOW_MS // 1000 + ahead_s) if begin == "iat" else ANA


@pytest.mark.parametrize("begin", ["nbf", "iat"])
async def test_a_token_that_begins_within_the_leeway_is_taken(begin: str) -> None:
    assert await verifier().verify(hs256(CLAIMS | {begin: NOW_MS // 1000 + 5})) == of_claim(begin, 5)
    assert await refusal(hs256(CLAIMS | {begin: NOW_MS // 1000 + 6})) == "the token is not valid yet"
    none = {"jwt_secret": SECRET, "jwt_leeway_ms": 0}
    assert await verifier(**none).verify(hs256(CLAIMS | {begin: NOW_MS // 1000})) == of_claim(begin, 0)
    assert await refusal(hs256(CLAIMS | {begin: NOW_MS // 1000 + 1}), **none) == "the token is not valid yet"


@pytest.mark.parametrize(
    "token",
    [
        "a",
        "a.b",
        "..",
        "a.b.c.d",
        "é.é.é",
        "e30.e30.",
        f"{encode(b'[1]')}.e30.e30",
        encode(b'["alg"]') + ".e30.e30",
        f"{encode(json.dumps({'alg': 5}).encode())}.e30.e30",
        f"{encode(b'[' * 6000)}.e30.e30",
        f"{encode(b'nonsense')}.e30.e30",
        "x" * 16_000,
    ],
)
async def test_what_is_not_a_token_is_refused(token: str) -> None:
    assert await refusal(token) == "the token is not a signed JWT"


@pytest.mark.limit("HEADER_BYTES_MAX")
async def test_a_header_longer_than_any_is_not_read() -> None:
    header = encode(json.dumps({"alg": "HS256", "x": "y" * 8192}).encode())
    assert await refusal(f"{header}.e30.e30") == "the token is not a signed JWT"


@pytest.mark.limit("TOKEN_BYTES_MAX")
async def test_no_token_and_an_endless_one_are_refused() -> None:
    assert await refusal("") == "the token is missing"
    assert await refusal("x" * 16_385) == "the token is longer than 16384 characters"


async def test_another_secret_and_a_changed_claim_are_refused() -> None:
    assert (
        await refusal(hs256(CLAIMS, "another secret, as long as the real"))
        == "the token's signature does not match"
    )
    head, _, signature = hs256(CLAIMS).split(".")
    changed = encode(json.dumps(CLAIMS | {"role": "admin"}).encode())
    assert await refusal(f"{head}.{changed}.{signature}") == "the token's signature does not match"
    assert await refusal(f"{head}.{changed}.") == "the token's signature does not match"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS384", "HS512", "RS256", "hs256", "dir"])
async def test_only_hs256_goes_with_a_secret(algorithm: str) -> None:
    for signature in ("", encode(b"x" * 32)):
        head = encode(json.dumps({"alg": algorithm}).encode())
        token = f"{head}.{encode(json.dumps(CLAIMS).encode())}.{signature}"
        assert await refusal(token) == "the token's algorithm does not fit the key"


async def test_a_critical_header_is_refused() -> None:
    header = {"alg": "HS256", "crit": ["b64"], "b64": False}
    assert "critical header" in await refusal(hs256(CLAIMS, header=header))


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA"), (ED, "Ed25519")]
)
async def test_a_public_key_file_verifies_its_own_algorithm(
    tmp_path: Path, key: Private, algorithm: str
) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(key.as_pem(private=False))
    token = asymmetric(key, algorithm, kid="any")
    assert await verifier(jwt_public_key_file=str(file)).verify(token) == ANA
    other = type(key).generate_key({"RSA": 2048, "EC": "P-256", "OKP": "Ed25519"}[key.key_type])  # type: ignore[arg-type]
    file.write_bytes(other.as_pem(private=False))
    assert await refusal(token, jwt_public_key_file=str(file)) == "the token's signature does not match"


@pytest.mark.parametrize("key", [RSA, EC, ED], ids=lambda key: key.key_type)
async def test_an_hs256_token_signed_with_the_public_key_is_refused(tmp_path: Path, key: Private) -> None:
    pem = key.as_pem(private=False)
    file = tmp_path / "key.pem"
    file.write_bytes(pem)
    token = hs256(CLAIMS, pem.decode())
    assert await refusal(token, jwt_public_key_file=str(file)) == "the token's algorithm does not fit the key"


@pytest.mark.filterwarnings("ignore:Key size should be")
@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (RSA.as_pem(private=True), "private key"),
        (b"", "not PEM"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no RSA, P-256 or Ed25519"),
        (SHORT_RSA_PEM, "shorter than 2048 bits"),
        (jwk.ECKey.generate_key("P-384").as_pem(private=False), "neither P-256 nor Ed25519"),
        (jwk.OKPKey.generate_key("Ed448").as_pem(private=False), "neither P-256 nor Ed25519"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, pem: bytes, why: str) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem)
    with pytest.raises(SettingsError, match="RELEVO_JWT_PUBLIC_KEY_FILE") as caught:
        verifier(jwt_public_key_file=str(file))
    assert why in str(caught.value)


def test_a_missing_file_and_no_key_at_all_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="RELEVO_JWT_PUBLIC_KEY_FILE cannot be read"):
        verifier(jwt_public_key_file=str(tmp_path / "none.pem"))
    with pytest.raises(SettingsError, match="RELEVO_JWKS names no file"):
        verifier(jwks=str(tmp_path / "none.json"))
    with pytest.raises(SettingsError, match=r"http\(s\) URL"):
        verifier(jwks="ftp://host/keys")
    with pytest.raises(SettingsError, match="RELEVO_JWT_SECRET"):
        Verifier(Settings())


async def test_issuer_and_audience_are_checked_where_they_are_set() -> None:
    expected = {"jwt_secret": SECRET, "jwt_issuer": "https://id.example", "jwt_audience": "relevo"}
    claims = CLAIMS | {"iss": "https://id.example"}
    assert await verifier(**expected).verify(hs256(claims | {"aud": "relevo"})) == ANA
    assert await verifier(**expected).verify(hs256(claims | {"aud": ["crm", "relevo"]})) == ANA
    for aud in ("crm", ["crm"], None, 5, "relevo2"):
        assert "aud" in await refusal(hs256(claims | {"aud": aud}), **expected)
    assert "iss" in await refusal(hs256(CLAIMS | {"aud": "relevo", "iss": "x"}), **expected)


async def test_a_short_secret_works_too() -> None:
    assert await verifier(jwt_secret="short").verify(hs256(CLAIMS, "short")) == ANA


async def test_sign_writes_claims_where_the_settings_read_them() -> None:
    settings = Settings(
        jwt_secret=SECRET,
        jwt_claim_tenant="https://acme.example/tenant",
        jwt_claim_role="realm.roles",
        jwt_claim_name="nick",
        jwt_claim_departments="groups",
        jwt_claim_capacity="limits.sessions",
    )
    described: dict[str, Any] = {"name": "Bo", "departments": ["sales"], "capacity": 3}
    token = sign(
        SECRET,
        tenant="acme",
        sub="bo",
        role="admin",
        ttl_s=90,
        now_ms=NOW_MS,
        paths=claim_paths(settings),
        **described,
    )
    expected = Principal("acme", "bo", "admin", "Bo", ("sales",), 3, NOW_MS + 90_000, NOW_MS // 1000)
    assert await Verifier(settings, lambda: NOW_MS).verify(token) == expected
    assert await refusal(token) == "the token has no tenant"


# A key that is being replaced ------------------------------------------------------------------------------

OLD_SECRET = "the secret of last year, just as long"


async def test_verifier_with_an_old_secret_takes_tokens_of_both() -> None:
    both = {"jwt_secret": SECRET, "jwt_secret_old": OLD_SECRET}
    assert await verifier(**both).verify(hs256(CLAIMS)) == ANA
    assert await verifier(**both).verify(hs256(CLAIMS, OLD_SECRET)) == ANA
    assert await refusal(hs256(CLAIMS, "a third"), **both) == "the token's signature does not match"


async def test_verifier_with_an_old_key_file_takes_tokens_of_both(tmp_path: Path) -> None:
    new, old = tmp_path / "new.pem", tmp_path / "old.pem"
    other = jwk.ECKey.generate_key("P-256")
    old.write_bytes(EC.as_pem(private=False))
    for key, algorithm in ((other, "ES256"), (RSA, "RS256")):
        new.write_bytes(key.as_pem(private=False))
        both = {"jwt_public_key_file": str(new), "jwt_public_key_file_old": str(old)}
        assert await verifier(**both).verify(asymmetric(key, algorithm)) == ANA
        assert await verifier(**both).verify(asymmetric(EC, "ES256")) == ANA
        assert "algorithm" in await refusal(hs256(CLAIMS), **both)


async def test_token_of_an_old_secret_that_is_unset_is_refused() -> None:
    assert await refusal(hs256(CLAIMS, OLD_SECRET)) == "the token's signature does not match"


def test_old_key_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path) -> None:
    new, old = tmp_path / "new.pem", tmp_path / "old.pem"
    new.write_bytes(EC.as_pem(private=False))
    settings = {"jwt_public_key_file": str(new), "jwt_public_key_file_old": str(old)}
    with pytest.raises(SettingsError, match="RELEVO_JWT_PUBLIC_KEY_FILE_OLD cannot be read"):
        verifier(**settings)
    old.write_bytes(b"no PEM")
    with pytest.raises(SettingsError, match="RELEVO_JWT_PUBLIC_KEY_FILE_OLD cannot be used"):
        verifier(**settings)


# A token that was seen before -------------------------------------------------------------------------------


class Clock:
    """A wall clock that a test sets."""

    now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


async def test_a_known_token_counts_in_its_time_only() -> None:
    clock = Clock()
    known = Verifier(Settings(jwt_secret=SECRET), clock)
    token = hs256(CLAIMS | {"nbf": NOW_MS // 1000})
    assert await known.verify(token) == await known.verify(token) == ANA
    for now_ms, why in ((ANA.expires_at, "expired"), (NOW_MS - 6000, "not valid yet")):
        clock.now_ms = now_ms
        with pytest.raises(UnauthorizedError, match=why):
            await known.verify(token)


async def test_a_known_token_lets_no_other_signature_through() -> None:
    known, token = verifier(), hs256(CLAIMS)
    await known.verify(token)
    with pytest.raises(UnauthorizedError, match="signature"):
        await known.verify(hs256(CLAIMS, "another secret"))


@pytest.mark.slow
async def test_a_known_token_is_refused_once_its_key_is_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(public_entry(EC, "a"), public_entry(ED, "b")))
    monkeypatch.setattr("relevo.router.auth.tokens.JWKS_REFRESH_MS", 50)
    monkeypatch.setattr("relevo.router.auth.tokens.JWKS_RETRY_MS", 1)
    known = verifier(jwks=str(file))
    token = asymmetric(EC, "ES256", kid="a")
    assert await known.verify(token) == await known.verify(token) == ANA
    file.write_bytes(key_set(public_entry(ED, "b")))

    async def use_it_on() -> None:
        while True:
            await known.verify(token)
            await asyncio.sleep(0.02)

    with pytest.raises(UnauthorizedError, match="unknown key"):
        await use_it_on()


@pytest.mark.limit("TOKENS_REMEMBERED_MAX")
async def test_only_so_many_tokens_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []

    def look(token: str, key: Key) -> bytes:
        looked_at.append(token)
        return verify_payload(token, key)

    monkeypatch.setattr("relevo.router.auth.tokens.verify_payload", look)
    monkeypatch.setattr("relevo.router.auth.tokens.TOKENS_REMEMBERED_MAX", 2)
    known = verifier()
    first, second, third = (hs256(CLAIMS | {"jti": str(number)}) for number in range(3))
    for token in (first, second, second, third, third, second, first):
        assert await known.verify(token) == ANA
    assert looked_at == [first, second, third, first]


@pytest.mark.limit("HEADERS_READ_MAX")
async def test_only_the_latest_headers_are_kept() -> None:
    known = verifier(jwt_secret=SECRET)
    headers = [{"alg": "HS256", "kid": str(number)} for number in range(HEADERS_READ_MAX + 10)]
    for header in [*headers, *headers[:10]]:
        assert await known.verify(hs256(CLAIMS, header=header)) == ANA
    assert _header.cache_info().currsize == HEADERS_READ_MAX


async def test_keys_taken_again_replace_those_of_before() -> None:
    checking = Verifier(Settings(jwt_secret=SECRET), lambda: NOW_MS)
    token = hs256(CLAIMS)
    assert await checking.verify(token) == ANA
    checking.take_keys(Settings(jwt_secret="n" * 32, jwt_secret_old=SECRET))
    assert await checking.verify(token) == ANA
    checking.take_keys(Settings(jwt_secret="n" * 32))
    with pytest.raises(UnauthorizedError, match="signature"):
        await checking.verify(token)


async def test_keys_that_cannot_be_used_leave_those_of_before(tmp_path: Path) -> None:
    checking = Verifier(Settings(jwt_secret=SECRET), lambda: NOW_MS)
    with pytest.raises(SettingsError, match="RELEVO_JWT_PUBLIC_KEY_FILE"):
        checking.take_keys(Settings(jwt_public_key_file=str(tmp_path / "none.pem")))
    assert await checking.verify(hs256(CLAIMS)) == ANA


async def test_keys_of_a_jwks_are_there_once_it_was_read(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(public_entry(RSA, "r")))
    checking = Verifier(Settings(jwks=str(file)), lambda: NOW_MS)
    assert not checking.can_verify()
    assert await checking.verify(asymmetric(RSA, "RS256", kid="r")) == ANA
    assert checking.can_verify()
    file.write_bytes(key_set(public_entry(EC, "e")))
    checking.take_keys(Settings(jwks=str(file)))
    assert await checking.verify(asymmetric(RSA, "RS256", kid="r")) == ANA
