"""Turn a token into a principal: who calls, for which tenant, in which role, and until when."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, cast, get_args
from urllib.parse import urlsplit

from relevo.protocol import DEPARTMENTS_MAX, ID_PATTERN, INTEGER_MAX, Role
from relevo.router.auth.jwks import JwksCache, KeysUnavailable, file_fetcher, url_fetcher
from relevo.router.auth.keys import (
    Key,
    KeyFault,
    TokenFault,
    pem_key,
    secret_key,
    signed_token,
    token_header,
    verified_claims,
)
from relevo.router.auth.principal import Principal
from relevo.router.config import Settings, SettingsError

__all__ = ["KeysUnavailable", "Unauthorized", "Verifier", "sign"]

TOKEN_BYTES_MAX: Final = 16_384
NAME_CHARACTERS_MAX: Final = 120

_ROLES: Final = get_args(Role)
_ID: Final = re.compile(ID_PATTERN)


class Unauthorized(Exception):
    """
    A token was refused.

    Attributes:
        reason: Why, in words that may be shown to the caller.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Judged:
    """A token that was found good once: by which key, and when it counts."""

    key: Key
    principal: Principal
    valid_from: int | None


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Verifier:
    """
    Verify tokens with the key that the settings name.

    Args:
        settings: One of ``jwt_secret``, ``jwt_public_key_file`` and ``jwks`` is set.
        now_ms: The wall clock, in milliseconds since the Unix epoch.

    Raises:
        SettingsError: None of them is, or a file cannot be used.
    """

    def __init__(self, settings: Settings, now_ms: Callable[[], int] = _wall_clock_ms) -> None:
        self._find_keys = _key_finder(settings)
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._now_ms = now_ms
        self._judged: dict[bytes, _Judged] = {}
        self._judged_max = settings.tokens_remembered_max

    async def verify(self, token: str) -> Principal:
        """
        Return who the token speaks for.

        Args:
            token: The compact JWT.

        Raises:
            Unauthorized: It is missing, malformed, not signed by one of the keys, expired, not yet valid, or
                says too little.
            KeysUnavailable: It cannot be judged, because the JWKS could not be read yet.
        """
        if not token:
            raise Unauthorized("the token is missing")
        if len(token) > TOKEN_BYTES_MAX:
            raise Unauthorized(f"the token is longer than {TOKEN_BYTES_MAX} characters")
        # Who was cut off comes back with the token that it had: its signature is known then, only the time
        # and the keys may be other ones. The token itself is not kept.
        digest = blake2b(token.encode("utf-8", "surrogatepass"), digest_size=32).digest()
        judged = self._judged.get(digest)
        if judged is not None and judged.key in await self._find_keys(judged.key.kid):
            _require_current(judged.principal.expires_at, judged.valid_from, self._now_ms())
            return judged.principal
        judged = await self._judge(token)
        self._judged[digest] = judged
        if len(self._judged) > self._judged_max:
            del self._judged[next(iter(self._judged))]
        return judged.principal

    async def _judge(self, token: str) -> _Judged:
        try:
            claims, key = await self._claims(token)
        except TokenFault as fault:
            raise Unauthorized(str(fault)) from None
        principal = _principal(claims, self._now_ms(), self._issuer, self._audience)
        return _Judged(key, principal, _time_ms(claims, "nbf"))

    async def _claims(self, token: str) -> tuple[dict[str, Any], Key]:
        header = token_header(token)
        kid = header.get("kid")
        keys = await self._find_keys(kid if isinstance(kid, str) else None)
        if not keys:
            raise TokenFault("the token is signed with an unknown key")
        fitting = [key for key in keys if header["alg"] in key.algorithms]
        if not fitting:
            raise TokenFault("the token's algorithm does not fit the key")
        for key in fitting[:-1]:
            try:
                return verified_claims(token, key), key
            except TokenFault:
                # Another key of the set may have signed it.
                continue
        return verified_claims(token, fitting[-1]), fitting[-1]


def _key_finder(settings: Settings) -> Callable[[str | None], Awaitable[Sequence[Key]]]:
    """Return a function from the key id that a token names to the keys it may be signed with."""
    if settings.jwks is not None:
        return _cache(settings, settings.jwks).find
    keys = (_single_key(settings),)

    async def find(_: str | None) -> Sequence[Key]:
        # One key only, so the id a token may name says nothing.
        return keys

    return find


def _single_key(settings: Settings) -> Key:
    if settings.jwt_secret is not None:
        return secret_key(settings.jwt_secret)
    if settings.jwt_public_key_file is None:
        raise SettingsError(
            "set RELEVO_JWT_SECRET, RELEVO_JWT_PUBLIC_KEY_FILE or RELEVO_JWKS to verify tokens"
        )
    try:
        return pem_key(Path(settings.jwt_public_key_file).read_bytes())
    except OSError as error:
        raise SettingsError(f"RELEVO_JWT_PUBLIC_KEY_FILE cannot be read: {error.strerror}") from None
    except KeyFault as fault:
        raise SettingsError(f"RELEVO_JWT_PUBLIC_KEY_FILE cannot be used: {fault}") from None


def _cache(settings: Settings, location: str) -> JwksCache:
    if "://" not in location:
        path = Path(location)
        if not path.is_file():
            raise SettingsError("RELEVO_JWKS names no file")
        fetch = file_fetcher(path)
    elif urlsplit(location).scheme in ("http", "https") and urlsplit(location).hostname:
        fetch = url_fetcher(location, settings.jwks_timeout_ms)
    else:
        raise SettingsError("RELEVO_JWKS must be a file or an http(s) URL")
    return JwksCache(
        fetch,
        timeout_ms=settings.jwks_timeout_ms,
        refresh_ms=settings.jwks_refresh_ms,
        retry_ms=settings.jwks_retry_ms,
    )


def _principal(claims: Mapping[str, Any], now_ms: int, issuer: str | None, audience: str | None) -> Principal:
    """Check the claims (RFC 7519 section 4.1, and PROTOCOL section 2 for our own)."""
    expires_at = _time_ms(claims, "exp")
    if expires_at is None:
        raise Unauthorized("the token has no exp")
    _require_current(expires_at, _time_ms(claims, "nbf"), now_ms)
    if issuer is not None and claims.get("iss") != issuer:
        raise Unauthorized("the token's iss is not the expected one")
    if audience is not None:
        said = claims.get("aud")
        if audience not in (said if isinstance(said, list) else [said]):
            raise Unauthorized("the token's aud does not hold the expected one")
    role = claims.get("role")
    if role not in _ROLES:
        raise Unauthorized(f"the token's role must be one of {', '.join(_ROLES)}")
    return Principal(
        tenant=_id(claims, "tenant"),
        sub=_id(claims, "sub"),
        role=cast(Role, role),
        name=_name(claims),
        departments=_departments(claims),
        capacity=_capacity(claims),
        expires_at=expires_at,
    )


def _require_current(expires_at: int, valid_from: int | None, now_ms: int) -> None:
    if now_ms >= expires_at:
        raise Unauthorized("the token is expired")
    if valid_from is not None and now_ms < valid_from:
        raise Unauthorized("the token is not valid yet")


def _time_ms(claims: Mapping[str, Any], name: str) -> int | None:
    """Return a NumericDate (seconds, with or without a fraction) in milliseconds."""
    value = claims.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Compared before multiplied: an integer of a thousand digits is no float.
    if not is_number or not 0 <= value <= INTEGER_MAX / 1000:
        raise Unauthorized(f"the token's {name} must be a number of seconds since 1970")
    return int(value * 1000)


def _id(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if value is None:
        raise Unauthorized(f"the token has no {name}")
    if not isinstance(value, str) or not _ID.search(value):
        raise Unauthorized(f"the token's {name} must be 1 to 64 of A-Z a-z 0-9 _ . @ : + -")
    return value


def _name(claims: Mapping[str, Any]) -> str | None:
    name = claims.get("name")
    if name is None:
        return None
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_CHARACTERS_MAX:
        raise Unauthorized(f"the token's name must be text of 1 to {NAME_CHARACTERS_MAX} characters")
    return name


def _departments(claims: Mapping[str, Any]) -> tuple[str, ...] | None:
    departments = claims.get("departments")
    if departments is None:
        return None
    if (
        not isinstance(departments, list)
        or len(departments) > DEPARTMENTS_MAX
        or not all(isinstance(each, str) and _ID.search(each) for each in departments)
        or len(set(departments)) < len(departments)
    ):
        raise Unauthorized(
            f"the token's departments must be a list of at most {DEPARTMENTS_MAX} different ids"
        )
    return tuple(departments)


def _capacity(claims: Mapping[str, Any]) -> int | None:
    capacity = claims.get("capacity")
    if capacity is None:
        return None
    # Not isinstance, because True is an int too.
    if type(capacity) is int and 0 <= capacity <= INTEGER_MAX:
        return capacity
    raise Unauthorized("the token's capacity must be a whole number, at least 0")


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

    Raises:
        Unauthorized: A router would refuse it; the reason says why.
    """
    optional = {
        "name": name,
        "departments": None if departments is None else list(departments),
        "capacity": capacity,
    }
    claims = {
        "sub": sub,
        "tenant": tenant,
        "role": role,
        "iat": now_ms // 1000,
        "exp": now_ms // 1000 + ttl_s,
    }
    claims |= {claim: value for claim, value in optional.items() if value is not None}
    _principal(claims, now_ms, None, None)
    return signed_token(claims, secret_key(secret))
