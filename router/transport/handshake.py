"""
The opening handshake of RFC 6455 (section 4.2), as the `websockets` library does it without I/O. Pure.

uvicorn has parsed the request, and hands over only what asks to become a websocket. This module adds the
router's own rules: the path, the Host, the Origin and the subprotocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidHeader, InvalidOrigin, NegotiationError
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol

from relevo.protocol.codec import JSON, MSGPACK, Codec
from relevo.router.transport.frames import LIBRARY_LOGGER
from relevo.router.transport.origins import OriginRule

WEBSOCKET_PATH: Final = "/ws"
CODECS: Final = {codec.subprotocol: codec for codec in (JSON, MSGPACK)}

_READ_HEADERS: Final = {
    name.lower().encode(): name
    for name in (
        *("Host", "Origin", "Connection", "Upgrade"),
        *("Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol"),
    )
}
"""What the handshake depends on, by the names that uvicorn gives them; no extension is supported."""

# Written out (RFC 6455 section 4.2.2): the library's response takes two fifths of a handshake.
_SWITCHING_PROTOCOLS: Final = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {}\r\n\r\n"
)


class Handshake(ServerProtocol):
    """
    The server's side of the opening handshake, for any number of connections.

    The library makes one for each connection; each answer follows from its request alone, so that one serves
    all, which saves a tenth of a handshake.

    Args:
        origin_rule: Which pages may connect.
        path_prefix: What stands before the path of the websocket, as in ``/chat``.
        on_refused_origin: Called with the Origin and the Host of each handshake that the rule rejects.
    """

    def __init__(
        self,
        origin_rule: OriginRule,
        path_prefix: str = "",
        on_refused_origin: Callable[[str, str], None] | None = None,
    ) -> None:
        super().__init__(logger=LIBRARY_LOGGER)
        self._origin_rule = origin_rule
        self._path = path_prefix + WEBSOCKET_PATH
        self._on_refused_origin = on_refused_origin

    def answer(
        self, url: bytes, scope: Mapping[str, Any], refusal: tuple[int, str] | None
    ) -> tuple[bytes, Codec | None]:
        """
        Check and answer an opening handshake.

        Args:
            url: The request's target, as it came.
            scope: The request as uvicorn has parsed it (ASGI).
            refusal: Status and text to reject any handshake with now, or None.

        Returns:
            The response to write, and the format of the messages from then on: None if the handshake is
            rejected.
        """
        path = url.partition(b"?")[0].decode("latin-1")
        if path != self._path:
            text = f"There is no websocket here; connect to {self._path}.\n"
            return self.reject(404, text).serialize(), None
        if refusal is not None:
            status, reason = refusal
            return self.reject(status, f"{reason}\n").serialize(), None
        headers = Headers()
        for name, value in scope["headers"]:
            if (read := _READ_HEADERS.get(name)) is not None:
                # Not checked, as in what the library parses itself: uvicorn's parser has checked it.
                headers.set_insecure(read, value.decode("latin-1").strip(" \t"))
        request = Request(path, headers, scope["method"], f"HTTP/{scope['http_version']}")
        try:
            accept, _, subprotocol = self.process_request(request)
        except InvalidHandshake as error:
            if isinstance(error, InvalidOrigin) and self._on_refused_origin is not None:
                self._on_refused_origin(headers["Origin"], headers["Host"])
            # The library has a response for each error, and checks the request again to find it.
            return self.accept(request).serialize(), None
        assert subprotocol is not None  # select_subprotocol() returns one or raises.
        return _SWITCHING_PROTOCOLS.format(accept, subprotocol).encode(), CODECS[subprotocol]

    def process_origin(self, headers: Headers) -> Origin | None:
        host = _single(headers, "Host")
        if host is None:
            raise InvalidHeader("Host")
        origin = _single(headers, "Origin")
        if origin is None:
            return None
        if not self._origin_rule.allows(origin, host):
            raise InvalidOrigin(origin)
        return Origin(origin)

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol:
        """Return the first of the client's offers that is known; the library's own order is the server's."""
        for offer in subprotocols:
            if offer in CODECS:
                return offer
        raise NegotiationError(f"no known subprotocol; offer one of {', '.join(CODECS)}")


def _single(headers: Headers, name: str) -> str | None:
    values = headers.get_all(name)
    if len(values) > 1:
        raise InvalidHeader(name, "multiple values")
    return values[0] if values else None
