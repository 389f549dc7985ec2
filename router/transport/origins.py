"""Which web pages may open a websocket, by the Origin header (RFC 6455 section 10.2, RFC 6454)."""

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv6Address
from typing import Final

_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_HOST: Final = r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
_HOST_HEADER: Final = re.compile(_HOST)
_ORIGIN: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://" + _HOST)


REFUSED_ORIGINS_MAX: Final = 64
"""How many origins a process names in its log within a minute; pages of others are refused in silence."""
_SILENCE_S: Final = 60.0


class RefusedOrigins:
    """Which refused origins to name in the log: each once a minute, and a bounded number. Pure."""

    __slots__ = ("_logged_at",)

    def __init__(self) -> None:
        self._logged_at: dict[str, float] = {}

    def is_due(self, origin: str, now: float) -> bool:
        """
        Return whether to log that this origin was refused, and count it as logged.

        Args:
            origin: The Origin header, as it came.
            now: The time, in seconds of any steady clock.
        """
        for logged, at in list(self._logged_at.items()):
            # In the order of their times: the first that is recent ends the search.
            if now - at < _SILENCE_S:
                break
            del self._logged_at[logged]
        if origin in self._logged_at or len(self._logged_at) >= REFUSED_ORIGINS_MAX:
            return False
        self._logged_at[origin] = now
        return True


class OriginRule:
    """
    Allow a list of origins or, where the list is empty, the host that the request itself was sent to.

    Args:
        allowed_origins: Exact origins such as ``https://chat.example.com``. Scheme and host in any case; a
            default port may be written or left out.

    Raises:
        ValueError: An entry is not an origin; the message names it.
    """

    __slots__ = ("_allowed",)

    def __init__(self, allowed_origins: Iterable[str]) -> None:
        allowed = set()
        for text in allowed_origins:
            origin = _parse_origin(text)
            if origin is None:
                raise ValueError(f"not an origin, such as https://chat.example.com: {text!r}")
            allowed.add(origin)
        self._allowed = frozenset(allowed)

    def allows(self, origin: str, host: str) -> bool:
        """
        Say whether a page of this origin may connect.

        Args:
            origin: The Origin header. ``null`` (a sandboxed frame, a local file) is no origin, and
                rejected.
            host: The Host header of the same request.

        Returns:
            True if it is on the list or, without a list, if it names the same host and port as ``host``, by
            http or https: behind a proxy that ends TLS the router does not see which.
        """
        parsed = _parse_origin(origin)
        if parsed is None:
            return False
        if self._allowed:
            return parsed in self._allowed
        scheme, *page = parsed
        own = _HOST_HEADER.fullmatch(host.lower())
        if own is None or scheme not in _DEFAULT_PORTS:
            return False
        return page == [_normalized(own["host"]), own["port"] or _DEFAULT_PORTS[scheme]]


def _parse_origin(text: str) -> tuple[str, str, str] | None:
    """Return scheme, host and port with the defaults filled in, or None for what is not one origin."""
    match = _ORIGIN.fullmatch(text.lower())
    if match is None:
        return None
    port = match["port"] or _DEFAULT_PORTS.get(match["scheme"], "")
    return match["scheme"], _normalized(match["host"]), port


def _normalized(host: str) -> str:
    """Return the one form of a host: without the root's dot, an IPv6 address as RFC 5952 writes it."""
    if not host.startswith("["):
        return host.removesuffix(".")
    try:
        return f"[{IPv6Address(host[1:-1])}]"
    except AddressValueError:
        return host
