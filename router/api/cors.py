"""Which pages of other hosts may use the HTTP routes: CORS (Fetch Standard, 3.2), by the list of origins."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from relevo.router.transport.origins import OriginRule

CACHED_S = 600
"""How long a browser need not ask again."""


class Cors(CORSMiddleware):
    """
    Answer preflights, and let allowed pages read answers. Tokens come in a header: no cookies are allowed.

    Args:
        app: The application.
        origins: At least one, as of `OriginRule`.
    """

    def __init__(self, app: ASGIApp, origins: Iterable[str]) -> None:
        super().__init__(
            app,
            allow_methods=("GET", "POST"),
            allow_headers=("authorization", "content-type", "idempotency-key"),
            expose_headers=("retry-after", "www-authenticate"),
            max_age=CACHED_S,
        )
        self._rule = OriginRule(origins)

    def is_allowed_origin(self, origin: str) -> bool:
        """Return whether an origin is on the list, whatever the case of its letters and its default port."""
        return self._rule.allows(origin, "")
