"""Make tokens and key sets for tests, by hand where no library would make them."""

import base64
import hashlib
import hmac
import json
import warnings
from typing import Any

import pytest
from joserfc import jwk, jws

from relevo.router.auth.principal import Principal
from relevo.router.auth.tokens import UnauthorizedError, Verifier
from relevo.router.config import Settings

SECRET = "correct horse battery staple, and more"
NOW_MS = 1_700_000_000_000
CLAIMS = {"sub": "ana", "tenant": "acme", "role": "agent", "exp": NOW_MS // 1000 + 60}
ANA = Principal("acme", "ana", "agent", None, None, None, NOW_MS + 60_000)

Private = jwk.RSAKey | jwk.ECKey | jwk.OKPKey
RSA = jwk.RSAKey.generate_key(2048)
EC = jwk.ECKey.generate_key("P-256")
ED = jwk.OKPKey.generate_key("Ed25519")


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def hs256(claims: Any, secret: str = SECRET, header: Any = None) -> str:
    """Sign by hand, to be able to sign what no library would; claims that are bytes as they are."""
    head = encode(json.dumps({"alg": "HS256"} if header is None else header).encode())
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{head}.{encode(payload)}"
    return f"{signed}.{encode(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))}"


def asymmetric(key: Private, algorithm: str, *, kid: str | None = None, claims: Any = None) -> str:
    header = {"alg": algorithm} | ({} if kid is None else {"kid": kid})
    payload = json.dumps(CLAIMS if claims is None else claims)
    with warnings.catch_warnings():
        # The library warns of the name EdDSA, which RFC 9864 retires; most issuers still write it.
        warnings.simplefilter("ignore")
        return jws.serialize_compact(header, payload, key, algorithms=[algorithm])


def public_entry(key: Private, kid: str | None, **more: str) -> dict[str, Any]:
    return {**key.as_dict(private=False), **({} if kid is None else {"kid": kid}), **more}


def key_set(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"keys": entries}).encode()


def verifier(**settings: Any) -> Verifier:
    return Verifier(Settings(**(settings or {"jwt_secret": SECRET})), lambda: NOW_MS)


async def refusal(token: str, **settings: Any) -> str:
    with pytest.raises(UnauthorizedError) as caught:
        await verifier(**settings).verify(token)
    return caught.value.reason
