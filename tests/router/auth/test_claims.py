"""Claims: their types, and the words for what is wrong with one."""

import json
from typing import Any

import pytest

from relevo.router.auth.claims import ClaimPaths, UnauthorizedError, decode_claims, require_current
from tests.router.tokens import ANA, CLAIMS, NOW_MS


def refusal(claims: Any) -> str:
    with pytest.raises(UnauthorizedError) as caught:
        decode_claims(claims if isinstance(claims, bytes) else json.dumps(claims).encode())
    return caught.value.reason


def test_claims_with_what_is_required_have_a_principal() -> None:
    assert decode_claims(json.dumps(CLAIMS).encode()).principal == ANA


@pytest.mark.parametrize("missing", ["sub", "tenant", "role", "exp"])
def test_claims_without_a_required_one_are_refused_by_its_name(missing: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != missing}

    assert refusal(claims) == f"the token has no {missing}"


WRONG_KINDS: dict[str, list[Any]] = {
    "exp": ["1", True, [], {}, -1, 10**30, 1e300],
    "nbf": ["1", False, [1], 10**30],
    "iat": ["1", False, [1], -1],
    "sub": ["", "a" * 129, "ana\n", "a b", "a\\b", "a{b}", "añ", "a\0", 7, ["ana"], None],
    "tenant": ["", "acme\n", "{acme}", "a*", 1, True],
    "role": ["", "Agent", "root", 1, [], ["Agent", None, ["admin"]], {"agent": 1}],
    "name": [5, ["Ana"], True],
    "departments": ["sales", {}, ["a", "a"], ["a b"], [1], [["a"]], ["a\n"], [f"d{n}" for n in range(65)]],
    "capacity": [-1, True, 1.5, "3", 2**53],
}


@pytest.mark.parametrize(
    ("claim", "value"), [(claim, value) for claim, values in WRONG_KINDS.items() for value in values]
)
def test_a_claim_of_the_wrong_kind_is_refused_by_its_name(claim: str, value: Any) -> None:
    assert f"the token's {claim} must be" in refusal(CLAIMS | {claim: value})


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_an_end_that_is_no_number_is_refused(number: str) -> None:
    # json.dumps writes these, though JSON has none of them.
    assert refusal(CLAIMS | {"exp": float(number)}) == "the token's claims are not JSON"


@pytest.mark.parametrize(
    "claims",
    [
        b"",
        b"{",
        b"\xff",
        b'{"name": "\xed\xa0\x80"}',
        b'{"name": "\\ud800"}',
        json.dumps(CLAIMS).encode("utf-16"),
        b'{"x": ' + b"[" * 8000,
        b"{" * 8000,
    ],
)
def test_claims_that_are_not_json_are_refused(claims: bytes) -> None:
    assert refusal(claims) == "the token's claims are not JSON"


@pytest.mark.parametrize("claims", [[], "text", 5, None, [CLAIMS], b"[" * 8000])
def test_claims_that_are_no_object_are_refused(claims: Any) -> None:
    assert refusal(claims) == "the token's claims are not a JSON object"


@pytest.mark.parametrize("begin", ["nbf", "iat"])
@pytest.mark.parametrize("leeway_ms", [0, 5000])
def test_claims_ahead_by_more_than_the_leeway_are_refused(begin: str, leeway_ms: int) -> None:
    begins_at = decode_claims(json.dumps(CLAIMS | {begin: NOW_MS / 1000}).encode()).begins_at

    require_current(begins_at, ANA.expires_at, NOW_MS - leeway_ms, leeway_ms)
    with pytest.raises(UnauthorizedError, match="not valid yet"):
        require_current(begins_at, ANA.expires_at, NOW_MS - leeway_ms - 1, leeway_ms)


def test_claims_at_their_end_are_refused_in_spite_of_a_leeway() -> None:
    with pytest.raises(UnauthorizedError, match="expired"):
        require_current(0, ANA.expires_at, ANA.expires_at, 5000)


@pytest.mark.limit("NAME_CHARACTERS_MAX")
@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (" Ana\t\n", "Ana"),
        ("é" * 121, "é" * 120),
        ("n" * 119 + " x" * 9, "n" * 119),
        ("", None),
        (" \N{NO-BREAK SPACE}\n", None),
        ("\N{ZERO WIDTH SPACE}\0", None),
    ],
)
def test_a_name_claim_is_made_to_fit_or_left_out(given: str, taken: str | None) -> None:
    assert decode_claims(json.dumps(CLAIMS | {"name": given}).encode()).principal.name == taken


@pytest.mark.parametrize(
    ("held", "counts"),
    [
        (["agent"], "agent"),
        (["agent", "admin"], "admin"),
        (["offline_access", 7, None, ["service"], "agent"], "agent"),
        (["service"], "service"),
        (["uma_authorization", "service"], "service"),
        (["service", "agent"], "agent"),
        (["service", "admin"], "admin"),
    ],
)
def test_of_a_list_of_roles_the_highest_counts(held: list[Any], counts: str) -> None:
    assert decode_claims(json.dumps(CLAIMS | {"role": held}).encode()).role == counts


PATHS = ClaimPaths(
    "https://acme.example/tenant",
    "resource_access.relevo.app.roles",
    "profile.display.name",
    "groups",
    "limits.sessions",
)
OTHERS: dict[str, Any] = {
    "sub": CLAIMS["sub"],
    "exp": CLAIMS["exp"],
    "https://acme.example/tenant": "acme",
    "resource_access": {"relevo.app": {"roles": ["agent"]}, "relevo": {"app": 5}},
    "profile": {"display": {"name": "Ana Núñez"}},
    "groups": ["sales"],
    "limits": {"sessions": 3},
}


def test_claims_named_differently_are_read_at_their_paths() -> None:
    principal = decode_claims(json.dumps(OTHERS).encode(), PATHS).principal

    assert (principal.tenant, principal.role, principal.name) == ("acme", "agent", "Ana Núñez")
    assert (principal.departments, principal.capacity) == (("sales",), 3)


def test_claims_of_the_default_names_do_not_count_beside_others() -> None:
    plain = {"role": "admin", "name": "Boss", "capacity": 99, "departments": ["board"]}

    assert decode_claims(json.dumps(OTHERS | plain).encode(), PATHS).principal.role == "agent"
    missing = OTHERS | plain | {"resource_access": {}}
    with pytest.raises(UnauthorizedError, match=r"has no resource_access\.relevo\.app\.roles"):
        decode_claims(json.dumps(missing).encode(), PATHS)


def test_claim_whose_whole_name_is_the_path_counts_first() -> None:
    both = CLAIMS | {"realm.roles": "agent", "realm": {"roles": "admin"}}

    assert decode_claims(json.dumps(both).encode(), ClaimPaths(role="realm.roles")).role == "agent"


def test_wrong_claim_is_refused_by_the_name_that_it_has() -> None:
    for wrong, where in (
        ({"limits": {"sessions": -1}}, "limits.sessions"),
        ({"groups": ["a", "a"]}, "groups"),
    ):
        with pytest.raises(UnauthorizedError, match=f"the token's {where} must be"):
            decode_claims(json.dumps(OTHERS | wrong).encode(), PATHS)
