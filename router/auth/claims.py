"""The claims of a token: their types, and the words for what is wrong with one (RFC 7519 section 4.1)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, get_args

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


class UnauthorizedError(Exception):
    """
    A token is refused.

    Attributes:
        reason: Why, in words that may be shown to the caller.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Claims(msgspec.Struct, frozen=True):
    """The claims that the router reads, by their names in a token; others are ignored."""

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
        )

    def require_current(self, now_ms: int, leeway_ms: int = 0) -> None:
        """
        Refuse a token before its ``nbf`` and its ``iat``, and from its ``exp`` on.

        Args:
            now_ms: The time, in milliseconds since the Unix epoch.
            leeway_ms: How far ``nbf`` and ``iat`` may lie ahead, as an issuer's clock may; ``exp`` has none.

        Raises:
            UnauthorizedError: The token is expired or not valid yet.
        """
        if now_ms >= int(self.exp * 1000):
            raise UnauthorizedError("the token is expired")
        for begin in (self.nbf, self.iat):
            if begin is not None and now_ms + leeway_ms < int(begin * 1000):
                raise UnauthorizedError("the token is not valid yet")

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
            raise UnauthorizedError("the token's iss is not the expected one")
        if audience is not None and audience not in (self.aud if isinstance(self.aud, list) else [self.aud]):
            raise UnauthorizedError("the token's aud does not hold the expected one")


_DECODER: Final = msgspec.json.Decoder(Claims)


def decode_claims(payload: bytes) -> Claims:
    """
    Return the claims in a token's payload.

    Args:
        payload: The JSON that is signed.

    Raises:
        UnauthorizedError: It is not JSON, or a claim is missing or of the wrong kind; the reason names it.
    """
    try:
        claims = _DECODER.decode(payload)
    except msgspec.ValidationError as error:
        raise UnauthorizedError(_reason(str(error))) from None
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise UnauthorizedError("the token's claims are not JSON") from None
    if claims.departments is not None and len(set(claims.departments)) < len(claims.departments):
        raise UnauthorizedError(f"the token's departments must be {_EXPECTED['departments']}")
    return claims


def _fitting_name(name: str | None) -> str | None:
    """Return a name trimmed and cut to what a name may have; None where nothing of it is visible."""
    if name is None:
        return None
    fitting = name.strip()[:NAME_CHARACTERS_MAX].rstrip()
    return fitting if is_visible(fitting) else None


def _reason(message: str) -> str:
    if missing := _MISSING.search(message):
        return f"the token has no {missing[1]}"
    if wrong := _WRONG.search(message):
        return f"the token's {wrong[1]} must be {_EXPECTED[wrong[1]]}"
    return "the token's claims are not a JSON object"
