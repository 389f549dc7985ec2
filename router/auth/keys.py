"""Verify and sign JSON Web Tokens (RFC 7519); each key only with the algorithms of its kind (RFC 8725)."""

import base64
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

from relevo.router.auth.claims import UnauthorizedError

HEADER_BYTES_MAX: Final = 8192
HEADERS_READ_MAX: Final = 64
RSA_BITS_MIN: Final = 2048
JWKS_KEYS_MAX: Final = 64

_Material = OctKey | RSAKey | ECKey | OKPKey
_ASYMMETRIC: Final[dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]]] = {
    "RSA": RSAKey,
    "EC": ECKey,
    "OKP": OKPKey,
}
_PUBLIC_MEMBERS: Final = ("kty", "n", "e", "crv", "x", "y")
_ALGORITHMS: Final = jws.JWSRegistry.algorithms
_HEADER_RULES: Final = jws.JWSRegistry(strict_check_header=False)


class UnusableKeyError(ValueError):
    """A key cannot be used; the message says why and shows nothing of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """
    A key, and what it may verify; one that was read again is another one.

    Attributes:
        kid: Its id in a JWKS; None where it has none.
        algorithms: The only algorithms it is used with.
    """

    kid: str | None
    algorithms: frozenset[str]
    _material: _Material


def secret_key(secret: str) -> Key:
    """Return the HS256 key of a shared secret."""
    # As a dict, because given as text the library also takes apart what looks like a PEM.
    encoded = base64.urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()
    with warnings.catch_warnings():
        # The router warns of a short secret itself, once, at the start.
        warnings.simplefilter("ignore", SecurityWarning)
        material = OctKey.import_key({"kty": "oct", "k": encoded})
    return Key(None, frozenset({"HS256"}), material)


def pem_key(pem: bytes) -> Key:
    """
    Return the key of a PEM text: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA.

    Args:
        pem: A public key or a certificate.

    Raises:
        UnusableKeyError: It is not one of these.
    """
    if b"PRIVATE KEY" in pem:
        raise UnusableKeyError("it holds a private key; the router needs the public one only")
    if b"-----BEGIN" not in pem:
        raise UnusableKeyError("it is not PEM text")
    for kind in _ASYMMETRIC.values():
        try:
            material = kind.import_key(pem)
        except (JoseError, ValueError, TypeError):
            continue
        return Key(None, _algorithms(material), material)
    raise UnusableKeyError("it holds no RSA, P-256 or Ed25519 public key")


def _algorithms(material: _Material) -> frozenset[str]:
    if isinstance(material, RSAKey):
        if material.public_key.key_size < RSA_BITS_MIN:
            raise UnusableKeyError(f"its RSA key is shorter than {RSA_BITS_MIN} bits")
        return frozenset({"RS256"})
    if isinstance(material, ECKey) and material.curve_name == "P-256":
        return frozenset({"ES256"})
    if isinstance(material, OKPKey) and material.curve_name == "Ed25519":
        # RFC 9864 renames EdDSA with this curve; issuers use either name.
        return frozenset({"EdDSA", "Ed25519"})
    raise UnusableKeyError("its curve is neither P-256 nor Ed25519")


def jwks_keys(text: bytes) -> tuple[Key, ...]:
    """
    Return the keys of a JWKS (RFC 7517) that can verify tokens here; others in it are passed over.

    A symmetric key is never taken: every reader of the set could sign with it.

    Args:
        text: The JSON of the set.

    Raises:
        UnusableKeyError: It is not a JWKS, or holds no key of use.
    """
    try:
        entries = json.loads(text)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UnusableKeyError("it is not a JWKS, as in {'keys': [...]}") from None
    if not isinstance(entries, list) or len(entries) > JWKS_KEYS_MAX:
        raise UnusableKeyError(f"its keys are not a list of at most {JWKS_KEYS_MAX}")
    keys = tuple(key for entry in entries if (key := _jwks_key(entry)) is not None)
    if not keys:
        raise UnusableKeyError("it holds no RSA, P-256 or Ed25519 public key for signatures")
    return keys


def _jwks_key(entry: Any) -> Key | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    kind = _ASYMMETRIC.get(str(entry.get("kty")))
    kid = entry.get("kid")
    if kind is None or not (kid is None or isinstance(kid, str)):
        return None
    try:
        # Without what else the entry says, such as the private half, or key_ops.
        material = kind.import_key({name: entry[name] for name in _PUBLIC_MEMBERS if name in entry})
        # The library reads the numbers when it first needs them.
        _ = material.public_key
        algorithms = _algorithms(material)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if "alg" in entry:
        algorithms &= {str(entry["alg"])}
    return Key(kid, algorithms, material) if algorithms else None


def token_header(token: str) -> Mapping[str, Any]:
    """
    Return the header of a token, not yet to be trusted.

    Args:
        token: The compact form, three parts with dots between.

    Raises:
        UnauthorizedError: It is not a token.
    """
    parts = token.split(".")
    if len(parts) != 3 or not token.isascii() or len(parts[0]) > HEADER_BYTES_MAX:
        raise UnauthorizedError("the token is not a signed JWT", "malformed")
    return _header(parts[0])


# Kept, since all tokens of one issuer and key have the same.
@lru_cache(HEADERS_READ_MAX)
def _header(encoded: str) -> Mapping[str, Any]:
    """Return the members of a header that are needed; others are not kept."""
    try:
        header = json.loads(urlsafe_b64decode(encoded.encode()))
    except (ValueError, RecursionError):
        header = None
    if isinstance(header, dict) and ("crit" in header or not header.get("b64", True)):
        # RFC 7515 section 4.1.11: what is critical and not understood is refused; here nothing is understood.
        # RFC 7797 section 6: another b64 than true is critical.
        raise UnauthorizedError("the token has a critical header, which is not supported", "malformed")
    try:
        _HEADER_RULES.check_header(header)
    except (JoseError, ValueError, TypeError):
        raise UnauthorizedError("the token is not a signed JWT", "malformed") from None
    return {name: header[name] for name in ("alg", "kid") if name in header}


def verify_payload(token: str, key: Key) -> bytes:
    """
    Return the payload of a token that the key signed.

    Args:
        token: The compact form, of which `token_header` has seen the header.
        key: The key; it refuses every algorithm but its own.

    Raises:
        UnauthorizedError: The signature is not this key's, or made by another algorithm.
    """
    algorithm = token_header(token)["alg"]
    if algorithm not in key.algorithms:
        raise UnauthorizedError("the token's algorithm does not fit the key", "algorithm")
    signed, _, signature = token.encode().rpartition(b".")
    try:
        if _ALGORITHMS[algorithm].verify(signed, urlsafe_b64decode(signature), key._material):
            return urlsafe_b64decode(signed.partition(b".")[2])
    except (JoseError, ValueError, TypeError):
        pass
    raise UnauthorizedError("the token's signature does not match", "signature")


def sign_payload(payload: bytes, key: Key) -> str:
    """
    Return an HS256 token over a payload.

    Args:
        payload: The claims, as JSON.
        key: A key of `secret_key`.
    """
    header = {"alg": "HS256", "typ": "JWT"}
    return jws.serialize_compact(header, payload, key._material, key.algorithms)
