"""The claims of a token: their types, and the words for what is wrong with one (RFC 7519 section 4.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta

from relevo.protocol import DEPARTMENTS_MAX, INTEGER_MAX, Role
from relevo.protocol.bounds import ID_WORDS, NAME_CHARACTERS_MAX, Count, Id, is_visible
from relevo.router.auth.principal import Principal

NumericDate = Annotated[float, Meta(ge=0, le=INTEGER_MAX / 1000)]
"""Seconds since the Unix epoch, with or without a fraction."""

_NUMERIC_DATE: Final = "a number of seconds since 1970"
_EXPECTED: Final = {
    "exp": _NUMERIC_DATE,
    "nbf": _NUMERIC_DATE,
    "iat": _NUMERIC_DATE,
    "sub": ID_WORDS,
    "tenant": ID_WORDS,
    "role": f"one of {', '.join(get_args(Role))}",
    "name": "text",
    "departments": f"a list of at most {DEPARTMENTS_MAX} different ids",
    "capacity": "a whole number, at least 0",
}
# As msgspec words it: the path to the value that does not fit, or the name of the field that is not there.
_WRONG: Final = re.compile(r"at `\$\.(\w+)")
_MISSING: Final = re.compile(r"required field `(\w+)`")


Cause = Literal[
    "missing", "malformed", "algorithm", "unknown_key", "signature", "expired", "early", "issuer", "claims"
]
"""Why a token is refused, as metrics and logs have it."""


class UnauthorizedError(Exception):
    """
    A token is refused.

    Attributes:
        reason: Why, in words that may be shown to the caller.
        cause: Why, in a word.
    """

    def __init__(self, reason: str, cause: Cause) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cause = cause


class ClaimPaths(NamedTuple):
    """
    Where the claims stand that issuers name differently.

    Each is a path: ``realm.roles`` is ``roles`` in the map ``realm``. A claim whose whole name is the path
    counts first, dots and all, as in ``https://acme.example/role``.
    """

    tenant: str = "tenant"
    role: str = "role"
    name: str = "name"
    departments: str = "departments"
    capacity: str = "capacity"


DEFAULT_PATHS: Final = ClaimPaths()


class Claims(msgspec.Struct, frozen=True, gc=False):
    """The claims that the router reads; others are ignored."""

    exp: NumericDate
    tenant: Id
    sub: Id
    role: Role
    nbf: NumericDate | None = None
    iat: NumericDate | None = None
    name: str | None = None
    departments: Annotated[tuple[Id, ...], Meta(max_length=DEPARTMENTS_MAX)] | None = None
    capacity: Count | None = None
    iss: Any = None
    aud: Any = None

    @property
    def principal(self) -> Principal:
        """Return the subject of the token."""
        return Principal(
            tenant=self.tenant,
            sub=self.sub,
            role=self.role,
            name=_fitting_name(self.name),
            departments=self.departments,
            capacity=self.capacity,
            expires_at=int(self.exp * 1000),
            issued_at=int(self.iat or 0),
        )

    @property
    def begins_at(self) -> int:
        """Return from when on it is valid, in milliseconds since the Unix epoch; 0 if it does not say."""
        return int(max(self.nbf or 0, self.iat or 0) * 1000)

    def require_issuer(self, issuer: str | None, audience: str | None) -> None:
        """
        Refuse a token of another issuer or for another audience.

        Args:
            issuer: What ``iss`` must be; None: not checked.
            audience: What ``aud`` must be or hold; None: not checked.

        Raises:
            UnauthorizedError: One of them is another.
        """
        if issuer is not None and self.iss != issuer:
            raise UnauthorizedError("the token's iss is not the expected one", "issuer")
        if audience is not None and audience not in (self.aud if isinstance(self.aud, list) else [self.aud]):
            raise UnauthorizedError("the token's aud does not hold the expected one", "issuer")


def require_current(begins_at: int, expires_at: int, now_ms: int, leeway_ms: int = 0) -> None:
    """
    Refuse a token before its ``nbf`` and its ``iat``, and from its ``exp`` on.

    Args:
        begins_at: The later of the first two (see `Claims`); all times in milliseconds since the Unix epoch.
        expires_at: The last.
        now_ms: The time.
        leeway_ms: How far ``begins_at`` may lie ahead, as an issuer's clock may; ``expires_at`` has none.

    Raises:
        UnauthorizedError: The token is expired or not valid yet.
    """
    if now_ms >= expires_at:
        raise UnauthorizedError("the token is expired", "expired")
    if now_ms + leeway_ms < begins_at:
        raise UnauthorizedError("the token is not valid yet", "early")


_DECODER: Final = msgspec.json.Decoder(dict[str, Any])
_RANKED_ROLES: Final[tuple[Role, ...]] = ("admin", "agent", "service")
"""Of several roles the first counts; so `service`, which does what no agent may, counts only alone."""


def decode_claims(payload: bytes, paths: ClaimPaths = DEFAULT_PATHS) -> Claims:
    """
    Return the claims in a token's payload.

    Args:
        payload: The JSON that is signed.
        paths: Where it has the claims that issuers name differently.

    Raises:
        UnauthorizedError: It is not JSON, or a claim is missing or of the wrong kind; the reason names it.
    """
    try:
        claims = msgspec.convert(_renamed(_DECODER.decode(payload), paths), Claims)
    except msgspec.ValidationError as error:
        raise UnauthorizedError(_reason(str(error), paths), "claims") from None
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise UnauthorizedError("the token's claims are not JSON", "claims") from None
    if claims.departments is not None and len(set(claims.departments)) < len(claims.departments):
        raise UnauthorizedError(
            f"the token's {paths.departments} must be {_EXPECTED['departments']}", "claims"
        )
    return claims


def _renamed(given: dict[str, Any], paths: ClaimPaths) -> dict[str, Any]:
    """Return the claims by the names that the router has for them, with the one role that counts."""
    renamed = given
    if paths != DEFAULT_PATHS:
        renamed = {name: value for name, value in given.items() if name not in ClaimPaths._fields}
        for name, path in paths._asdict().items():
            for value in _at(given, path):
                renamed[name] = value
                break
    if isinstance(renamed.get("role"), list):
        held = renamed["role"]
        renamed["role"] = next((role for role in _RANKED_ROLES if role in held), None)
    return renamed


def _at(value: Any, path: str) -> Iterator[Any]:
    """Return what stands at a path, the longest names first: a dot may part two names or be in one."""
    if not isinstance(value, dict):
        return
    if path in value:
        yield value[path]
    end = len(path)
    while (end := path.rfind(".", 0, end)) > 0:
        yield from _at(value.get(path[:end]), path[end + 1 :])


def _fitting_name(name: str | None) -> str | None:
    """Return a name trimmed and cut to what a name may have; None where nothing of it is visible."""
    if name is None:
        return None
    fitting = name.strip()[:NAME_CHARACTERS_MAX].rstrip()
    return fitting if is_visible(fitting) else None


def _reason(message: str, paths: ClaimPaths) -> str:
    names = paths._asdict()
    if missing := _MISSING.search(message):
        return f"the token has no {names.get(missing[1], missing[1])}"
    if wrong := _WRONG.search(message):
        return f"the token's {names.get(wrong[1], wrong[1])} must be {_EXPECTED[wrong[1]]}"
    return "the token's claims are not a JSON object"
