"""Verify and sign tokens (JWT, RFC 7519): a subject, its tenant, its role, and an expiry."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from relevo.router.auth.claims import (
    DEFAULT_PATHS,
    ClaimPaths,
    UnauthorizedError,
    decode_claims,
    require_current,
)
from relevo.router.auth.jwks import JwksCache, KeysUnavailableError, file_fetcher, url_fetcher
from relevo.router.auth.keys import (
    Key,
    UnusableKeyError,
    pem_key,
    secret_key,
    sign_payload,
    token_header,
    verify_payload,
)
from relevo.router.auth.principal import Principal
from relevo.router.config import Settings, SettingsError

__all__ = ["KeysUnavailableError", "UnauthorizedError", "Verifier", "claim_paths", "sign"]

TOKEN_BYTES_MAX: Final = 16_384
TOKENS_REMEMBERED_MAX: Final = 50_000
"""Tokens whose signature is not verified again while its key is in use."""

JWKS_TIMEOUT_MS: Final = 3000
JWKS_REFRESH_MS: Final = 300_000
JWKS_RETRY_MS: Final = 10_000


class _Verified(NamedTuple):
    """A token whose signature was verified: by which key, from when on it is valid, and for which subject."""

    key: Key
    begins_at: int
    principal: Principal


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Verifier:
    """
    Verify tokens with the keys that the settings name.

    Args:
        settings: One of ``jwt_secret``, ``jwt_public_key_file`` and ``jwks`` is set.
        now_ms: The wall clock, in milliseconds since the Unix epoch.

    Raises:
        SettingsError: None of them is, or a file cannot be used.
    """

    def __init__(self, settings: Settings, now_ms: Callable[[], int] = _wall_clock_ms) -> None:
        self._jwks_location = settings.jwks
        self._jwks = None if settings.jwks is None else _cache(settings.jwks)
        self._fixed = () if self._jwks is not None else _fixed_keys(settings)
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._leeway_ms = settings.jwt_leeway_ms
        self._paths = claim_paths(settings)
        self._now_ms = now_ms
        self._remembered: dict[bytes, _Verified] = {}

    def take_keys(self, settings: Settings) -> None:
        """
        Use the keys of settings that were read again; tokens of the keys that stay go on to count.

        Args:
            settings: One of ``jwt_secret``, ``jwt_public_key_file`` and ``jwks`` is set.

        Raises:
            SettingsError: None of them is, or a file cannot be used; the keys are those of before.
        """
        if settings.jwks is None:
            self._fixed, self._jwks = _fixed_keys(settings), None
        elif self._jwks is None or settings.jwks != self._jwks_location:
            self._jwks = _cache(settings.jwks)
        else:
            self._jwks.refresh()
        self._jwks_location = settings.jwks

    def can_verify(self) -> bool:
        """Return whether there are keys; those of a JWKS are read, where they were not and it is time."""
        return self._jwks is None or self._jwks.has_keys()

    async def _find_keys(self, kid: str | None) -> Sequence[Key]:
        """Return the keys a token may be signed with that names a key id, or none."""
        # Fixed keys have no ids, so the one that a token may name says nothing.
        return self._fixed if self._jwks is None else await self._jwks.find(kid)

    async def verify(self, token: str) -> Principal:
        """
        Return the subject of a token.

        Args:
            token: The compact JWT.

        Raises:
            UnauthorizedError: It is missing, malformed, not signed by one of the keys, expired, not yet
                valid, or says too little.
            KeysUnavailableError: It cannot be verified, because the JWKS could not be read yet.
        """
        if not token:
            raise UnauthorizedError("the token is missing", "missing")
        if len(token) > TOKEN_BYTES_MAX:
            raise UnauthorizedError(f"the token is longer than {TOKEN_BYTES_MAX} characters", "malformed")
        # A client that was cut off comes back with the token that it had: its signature is known then, only
        # the time and the keys may be other ones. The token itself is not kept.
        digest = blake2b(token.encode("utf-8", "surrogatepass"), digest_size=32).digest()
        verified = self._remembered.get(digest)
        if verified is not None and verified.key in await self._find_keys(verified.key.kid):
            self._require_current(verified)
            return verified.principal
        verified = await self._verify(token)
        self._remembered[digest] = verified
        if len(self._remembered) > TOKENS_REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]
        return verified.principal

    async def _verify(self, token: str) -> _Verified:
        payload, key = await self._payload(token)
        claims = decode_claims(payload, self._paths)
        verified = _Verified(key, claims.begins_at, claims.principal)
        self._require_current(verified)
        claims.require_issuer(self._issuer, self._audience)
        return verified

    def _require_current(self, verified: _Verified) -> None:
        expires_at = verified.principal.expires_at
        require_current(verified.begins_at, expires_at, self._now_ms(), self._leeway_ms)

    async def _payload(self, token: str) -> tuple[bytes, Key]:
        header = token_header(token)
        kid = header.get("kid")
        keys = await self._find_keys(kid if isinstance(kid, str) else None)
        if not keys:
            raise UnauthorizedError("the token is signed with an unknown key", "unknown_key")
        fitting = [key for key in keys if header["alg"] in key.algorithms]
        if not fitting:
            raise UnauthorizedError("the token's algorithm does not fit the key", "algorithm")
        for key in fitting[:-1]:
            try:
                return verify_payload(token, key), key
            except UnauthorizedError:
                # Another key of the set may have signed it.
                continue
        return verify_payload(token, fitting[-1]), fitting[-1]


def _fixed_keys(settings: Settings) -> tuple[Key, ...]:
    """Return the key of the settings and, while it is being replaced, the old one."""
    secrets = (settings.jwt_secret, settings.jwt_secret_old)
    files = {
        "RELEVO_JWT_PUBLIC_KEY_FILE": settings.jwt_public_key_file,
        "RELEVO_JWT_PUBLIC_KEY_FILE_OLD": settings.jwt_public_key_file_old,
    }
    keys = [secret_key(secret) for secret in secrets if secret is not None]
    keys += [_file_key(variable, path) for variable, path in files.items() if path is not None]
    if not keys:
        raise SettingsError(
            "set RELEVO_JWT_SECRET, RELEVO_JWT_PUBLIC_KEY_FILE or RELEVO_JWKS to verify tokens"
        )
    return tuple(keys)


def _file_key(variable: str, path: str) -> Key:
    try:
        return pem_key(Path(path).read_bytes())
    except OSError as error:
        raise SettingsError(f"{variable} cannot be read: {error.strerror}") from None
    except UnusableKeyError as error:
        raise SettingsError(f"{variable} cannot be used: {error}") from None


def _cache(location: str) -> JwksCache:
    if "://" not in location:
        path = Path(location)
        if not path.is_file():
            raise SettingsError("RELEVO_JWKS names no file")
        fetch = file_fetcher(path)
    elif urlsplit(location).scheme in ("http", "https") and urlsplit(location).hostname:
        fetch = url_fetcher(location, JWKS_TIMEOUT_MS)
    else:
        raise SettingsError("RELEVO_JWKS must be a file or an http(s) URL")
    return JwksCache(
        fetch,
        timeout_ms=JWKS_TIMEOUT_MS,
        refresh_ms=JWKS_REFRESH_MS,
        retry_ms=JWKS_RETRY_MS,
    )


def claim_paths(settings: Settings) -> ClaimPaths:
    """Return where tokens have their claims, as the settings say."""
    return ClaimPaths(
        tenant=settings.jwt_claim_tenant,
        role=settings.jwt_claim_role,
        name=settings.jwt_claim_name,
        departments=settings.jwt_claim_departments,
        capacity=settings.jwt_claim_capacity,
    )


def sign(
    secret: str,
    *,
    tenant: str,
    sub: str,
    role: str,
    ttl_s: int,
    now_ms: int,
    name: str | None = None,
    departments: Sequence[str] | None = None,
    capacity: int | None = None,
    paths: ClaimPaths = DEFAULT_PATHS,
) -> str:
    """
    Return an HS256 token that a router with the same secret accepts.

    Args:
        secret: The shared secret.
        tenant: The tenant's id.
        sub: The agent's id, or the back end's.
        role: ``agent``, ``admin`` or ``service``.
        ttl_s: How many seconds it is valid.
        now_ms: The time, in milliseconds since the Unix epoch.
        name: The agent's name.
        departments: The ids of the agent's departments.
        capacity: The sessions the agent may have in progress.
        paths: Where the router looks for its claims; each is written as one name.

    Raises:
        UnauthorizedError: A router would refuse it; the reason says why.
    """
    # A claim that is not given is left out.
    optional = {paths.name: name, paths.departments: departments, paths.capacity: capacity}
    claims = {
        "sub": sub,
        paths.tenant: tenant,
        paths.role: role,
        "iat": now_ms // 1000,
        "exp": now_ms // 1000 + ttl_s,
    }
    claims |= {claim: value for claim, value in optional.items() if value is not None}
    payload = msgspec.json.encode(claims)
    signed = decode_claims(payload, paths)
    require_current(signed.begins_at, signed.principal.expires_at, now_ms)
    return sign_payload(payload, secret_key(secret))
