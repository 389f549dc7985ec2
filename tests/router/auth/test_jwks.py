"""Key sets: which of their keys are taken, and when they are read again."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from joserfc import jwk

from relevo.router.auth.jwks import JWKS_BYTES_MAX, JwksCache, KeysUnavailableError, url_fetcher
from relevo.router.auth.keys import UnusableKeyError, jwks_keys
from tests.router.tokens import (
    ANA,
    EC,
    ED,
    RSA,
    Private,
    asymmetric,
    encode,
    key_set,
    public_entry,
    refusal,
    verifier,
)


async def test_a_jwks_file_verifies_with_the_key_the_token_names(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(public_entry(RSA, "r"), public_entry(EC, "e"), public_entry(ED, "d")))
    checking = verifier(jwks=str(file))
    for key, algorithm, kid in ((RSA, "RS256", "r"), (EC, "ES256", "e"), (ED, "EdDSA", "d")):
        assert await checking.verify(asymmetric(key, algorithm, kid=kid)) == ANA
        assert await checking.verify(asymmetric(key, algorithm)) == ANA
    assert (
        await refusal(asymmetric(RSA, "RS256", kid="e"), jwks=str(file))
        == "the token's algorithm does not fit the key"
    )
    assert (
        await refusal(asymmetric(RSA, "RS256", kid="x"), jwks=str(file))
        == "the token is signed with an unknown key"
    )


async def test_of_two_keys_without_ids_the_one_that_signed_is_found(tmp_path: Path) -> None:
    other = jwk.ECKey.generate_key("P-256")
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(public_entry(EC, None), public_entry(other, None)))
    for key in (EC, other):
        assert await verifier(jwks=str(file)).verify(asymmetric(key, "ES256")) == ANA


def test_only_public_signature_keys_of_a_jwks_are_taken() -> None:
    symmetric = {"kty": "oct", "k": encode(b"k" * 32), "kid": "o"}
    entries = (
        symmetric,
        public_entry(RSA, "enc", use="enc"),
        public_entry(RSA, "ps", alg="PS256"),
        public_entry(jwk.ECKey.generate_key("P-521"), "p521"),
        {"kty": "RSA", "n": "!", "e": "AQAB"},
        {"kty": ["RSA"]},
        "text",
        {**EC.as_dict(private=True), "kid": "private", "key_ops": ["sign"]},
    )
    assert [key.kid for key in jwks_keys(json.dumps({"keys": entries}).encode())] == ["private"]
    with pytest.raises(UnusableKeyError, match="no RSA, P-256 or Ed25519"):
        jwks_keys(key_set(symmetric))


@pytest.mark.limit("JWKS_KEYS_MAX")
@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"keys": 5}', b"\xff", b"[" * 100_000, b'{"keys": [' + b"1," * 64 + b"1]}"]
)
def test_what_is_no_jwks_is_refused(text: bytes) -> None:
    with pytest.raises(UnusableKeyError):
        jwks_keys(text)


class Issuer:
    """A place to read keys from, which counts, can fail and can be slow; with its own clock."""

    def __init__(self, *keys: tuple[Private, str]) -> None:
        self.now_ms = 0.0
        self.reads = 0
        self.failing = False
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.serve(*keys)
        self.cache = JwksCache(
            self.fetch, timeout_ms=1000, refresh_ms=60_000, retry_ms=10_000, monotonic_ms=lambda: self.now_ms
        )

    def serve(self, *keys: tuple[Private, str]) -> None:
        self.content = key_set(*(public_entry(key, kid) for key, kid in keys))

    async def fetch(self) -> bytes:
        self.reads += 1
        self.asked.set()
        await self.gate.wait()
        if self.failing:
            raise ConnectionRefusedError
        return self.content

    async def known(self, kid: str) -> bool:
        return bool(await self.cache.find(kid))

    async def finish_reading(self) -> None:
        """Wait for the reading that a caller has started, if one has."""
        if self.cache._reading is not None:
            await self.cache._reading


async def test_keys_are_read_once_and_again_only_when_old() -> None:
    issuer = Issuer((EC, "a"))
    assert await issuer.known("a")
    issuer.now_ms = 59_999
    assert await issuer.known("a")
    assert issuer.reads == 1
    issuer.now_ms = 60_000
    assert await issuer.known("a")
    await issuer.finish_reading()
    assert issuer.reads == 2


async def test_a_key_that_was_withdrawn_is_unknown_after_the_next_reading() -> None:
    issuer = Issuer((EC, "a"), (ED, "b"))
    assert await issuer.known("a")
    issuer.serve((ED, "b"))
    issuer.now_ms = 60_000
    assert await issuer.known("a")
    await issuer.finish_reading()
    assert not await issuer.known("a")
    assert await issuer.known("b")


async def test_a_known_key_verifies_while_the_issuer_hangs() -> None:
    issuer = Issuer((EC, "a"))
    assert await issuer.known("a")
    issuer.gate.clear()
    issuer.now_ms = 60_000
    for _ in range(3):
        assert await issuer.known("a")
        assert issuer.cache._reading is not None
    issuer.gate.set()
    await issuer.finish_reading()
    assert issuer.reads == 2


async def test_an_unknown_key_is_looked_for_at_once_but_not_again_and_again() -> None:
    issuer = Issuer((EC, "a"))
    assert await issuer.known("a")
    issuer.now_ms = 10_000
    issuer.serve((EC, "a"), (ED, "b"))
    assert await issuer.known("b")
    assert issuer.reads == 2
    for _ in range(100):
        assert not await issuer.known("c")
    assert issuer.reads == 2
    issuer.now_ms = 20_000
    assert not await issuer.known("c")
    assert issuer.reads == 3


async def test_callers_at_once_share_one_reading_even_if_the_first_goes_away() -> None:
    issuer = Issuer((EC, "a"))
    issuer.gate.clear()
    calls = [asyncio.create_task(issuer.known("a")) for _ in range(20)]
    await issuer.asked.wait()
    calls[0].cancel()
    issuer.gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [True] * 19
    assert issuer.reads == 1


async def test_old_keys_stay_in_use_while_the_issuer_fails() -> None:
    issuer = Issuer((EC, "a"))
    assert await issuer.known("a")
    issuer.failing = True
    issuer.now_ms = 600_000
    for _ in range(10):
        assert await issuer.known("a")
        await issuer.finish_reading()
    assert issuer.reads == 2
    issuer.failing = False
    issuer.serve((ED, "b"))
    issuer.now_ms = 610_000
    assert await issuer.known("b")


async def test_without_any_keys_a_token_cannot_be_judged_until_they_can_be_read() -> None:
    issuer = Issuer((EC, "a"))
    issuer.failing = True
    for _ in range(3):
        with pytest.raises(KeysUnavailableError):
            await issuer.known("a")
    assert issuer.reads == 1
    issuer.failing = False
    issuer.now_ms = 10_000
    assert await issuer.known("a")


@pytest.mark.limit("JWKS_TIMEOUT_MS")
async def test_a_reading_that_hangs_is_given_up() -> None:
    issuer = Issuer((EC, "a"))
    issuer.gate.clear()
    issuer.cache._timeout_ms = 10
    with pytest.raises(KeysUnavailableError):
        await issuer.known("a")


async def test_a_garbled_answer_does_not_replace_the_keys() -> None:
    issuer = Issuer((EC, "a"))
    assert await issuer.known("a")
    issuer.content = b"<html>"
    issuer.now_ms = 60_000
    assert await issuer.known("a")
    await issuer.finish_reading()
    assert await issuer.known("a")
    assert issuer.reads == 2


@contextmanager
def http_server(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/keys"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer_with(status: int, body: bytes, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


async def test_keys_come_over_http() -> None:
    with http_server(answer_with(200, key_set(public_entry(ED, "d")))) as url:
        assert await verifier(jwks=url).verify(asymmetric(ED, "EdDSA", kid="d")) == ANA


@pytest.mark.limit("JWKS_BYTES_MAX")
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (answer_with(500, b"{}"), "HTTP 500"),
        (answer_with(302, b"", Location="http://127.0.0.1:1/"), "HTTP 302"),
        (answer_with(200, b" " * (JWKS_BYTES_MAX + 1)), "longer than"),
    ],
)
async def test_an_answer_that_is_no_key_set_is_refused(
    answer: Callable[[BaseHTTPRequestHandler], None], why: str
) -> None:
    with http_server(answer) as url:
        with pytest.raises(UnusableKeyError, match=why):
            await url_fetcher(url, 1000)()
        with pytest.raises(KeysUnavailableError):
            await verifier(jwks=url).verify(asymmetric(ED, "EdDSA", kid="d"))
