"""Keys: each with the algorithms of its kind only, and what is read of a token before it is verified."""

import base64
import json

import pytest

from relevo.router.auth.claims import UnauthorizedError
from relevo.router.auth.keys import (
    UnusableKeyError,
    pem_key,
    secret_key,
    sign_payload,
    token_header,
    verify_payload,
)
from tests.router.tokens import CLAIMS, EC, ED, RSA, SECRET, Private, encode, hs256


@pytest.mark.parametrize(
    ("key", "algorithms"), [(RSA, {"RS256"}), (EC, {"ES256"}), (ED, {"EdDSA", "Ed25519"})]
)
def test_a_pem_key_has_the_algorithms_of_its_kind(key: Private, algorithms: set[str]) -> None:
    assert pem_key(key.as_pem(private=False)).algorithms == algorithms


def test_a_private_pem_key_is_refused() -> None:
    with pytest.raises(UnusableKeyError, match="private key"):
        pem_key(EC.as_pem(private=True))


def test_a_signed_payload_is_verified_by_the_same_secret_only() -> None:
    token = sign_payload(b"{}", secret_key(SECRET))

    assert verify_payload(token, secret_key(SECRET)) == b"{}"
    with pytest.raises(UnauthorizedError, match="signature"):
        verify_payload(token, secret_key(SECRET + "x"))


def test_a_payload_is_returned_as_it_was_signed() -> None:
    assert json.loads(verify_payload(hs256(CLAIMS), secret_key(SECRET))) == CLAIMS


def test_a_header_keeps_only_what_is_needed() -> None:
    header = encode(json.dumps({"alg": "HS256", "kid": "a", "jku": "https://evil.example"}).encode())

    assert token_header(f"{header}.e30.e30") == {"alg": "HS256", "kid": "a"}


def test_a_header_with_crit_is_refused() -> None:
    header = encode(json.dumps({"alg": "HS256", "crit": ["exp"]}).encode())

    with pytest.raises(UnauthorizedError, match="critical"):
        token_header(f"{header}.e30.e30")


def test_a_header_with_an_unencoded_payload_is_refused() -> None:
    header = encode(json.dumps({"alg": "HS256", "b64": False}).encode())

    with pytest.raises(UnauthorizedError, match="critical"):
        token_header(f"{header}.e30.e30")


@pytest.mark.parametrize("header", [{"kid": "a"}, {"alg": 1}, {"alg": "HS256", "kid": 1}, [], "alg", None])
def test_a_header_that_is_no_jws_header_is_refused(header: object) -> None:
    with pytest.raises(UnauthorizedError, match="not a signed JWT"):
        token_header(f"{encode(json.dumps(header).encode())}.e30.e30")


def test_a_header_in_plain_base64_is_refused() -> None:
    header = base64.b64encode(b'{"alg":"HS256","kid":"???>"}').decode()
    assert "/" in header

    with pytest.raises(UnauthorizedError, match="not a signed JWT"):
        token_header(f"{header}.e30.e30")


def test_a_key_refuses_an_algorithm_that_is_not_its_own() -> None:
    with pytest.raises(UnauthorizedError, match="algorithm"):
        verify_payload(hs256(CLAIMS), pem_key(RSA.as_pem(private=False)))
