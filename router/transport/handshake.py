"""
The opening handshake of RFC 6455: which request becomes a websocket, and what each is answered. Pure.

uvicorn has parsed the request, and hands over only what asks to become a websocket. What is left to look at
are a few headers, for which a library that can do all of the RFC takes five times as long.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

from relevo.protocol.codec import JSON, MSGPACK, Codec
from relevo.router.transport.origins import OriginRule

WEBSOCKET_PATH: Final = "/ws"
CODECS: Final = {codec.subprotocol: codec for codec in (JSON, MSGPACK)}

_VERSION: Final = "13"
_KEY_LENGTH: Final = 16
_KEY_SUFFIX: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3

_ACCEPTANCE: Final = (
    "HTTP/1.1 101 Switching Protocols\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Accept: {}\r\n"
    "Sec-WebSocket-Protocol: {}\r\n\r\n"
)


class Refused(Exception):
    """
    No websocket comes of a request.

    Args:
        status: The HTTP status.
        reason: Why, for people.
        headers: What else the answer's head says.
    """

    def __init__(self, status: int, reason: str, *headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers

    @property
    def response(self) -> bytes:
        """The answer to write."""
        body = f"{self}\n".encode()
        head = (
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"Date: {formatdate(usegmt=True)}",
            "Connection: close",
            f"Content-Length: {len(body)}",
            "Content-Type: text/plain; charset=utf-8",
            *self.headers,
        )
        return "\r\n".join((*head, "", "")).encode() + body


def accept(
    url: bytes, scope: Mapping[str, Any], origin_rule: OriginRule, refusal: tuple[int, str] | None
) -> tuple[bytes, Codec]:
    """
    Check an opening handshake (RFC 6455 section 4.2.1), and answer it (section 4.2.2).

    Args:
        url: What the request asks for, as it came.
        scope: The request as uvicorn has parsed it. Its ``root_path`` is a prefix under which a proxy serves
            the router, and may or may not have removed.
        origin_rule: Which pages may connect.
        refusal: Status and text to refuse any websocket with now, or None.

    Returns:
        The answer to write, and what messages look like from then on.

    Raises:
        Refused: The request is not one.
    """
    path = url.partition(b"?")[0].decode("latin-1")
    if path not in (WEBSOCKET_PATH, scope["root_path"] + WEBSOCKET_PATH):
        raise Refused(404, f"There is no websocket here; connect to {WEBSOCKET_PATH}.")
    if refusal is not None:
        raise Refused(*refusal)
    if scope["method"] != "GET":
        raise _failed(405, f"unsupported HTTP method: {scope['method']}", "Allow: GET")
    if scope["http_version"] != "1.1":
        raise _failed(505, f"unsupported HTTP version: {scope['http_version']}")
    values: dict[bytes, list[str]] = {}
    for name, value in scope["headers"]:
        values.setdefault(name, []).append(value.decode("latin-1").strip(" \t"))
    key = _required(values, "Sec-WebSocket-Key")
    if not _is_key(key):
        raise _failed(400, f"invalid Sec-WebSocket-Key header: {key}")
    version = _required(values, "Sec-WebSocket-Version")
    if version != _VERSION:
        raise _failed(400, f"invalid Sec-WebSocket-Version header: {version}")
    host = _required(values, "Host")
    origin = _single(values, "Origin")
    if origin is not None and not origin_rule.allows(origin, host):
        raise _failed(403, f"invalid Origin header: {origin}" if origin else "empty Origin header")
    codec = _codec(values.get(b"sec-websocket-protocol", ()))
    digest = hashlib.sha1((key + _KEY_SUFFIX).encode(), usedforsecurity=False).digest()
    return _ACCEPTANCE.format(base64.b64encode(digest).decode(), codec.subprotocol).encode(), codec


def _failed(status: int, reason: str, *headers: str) -> Refused:
    return Refused(status, f"Failed to open a WebSocket connection: {reason}.", *headers)


def _single(values: Mapping[bytes, Sequence[str]], name: str) -> str | None:
    found = values.get(name.lower().encode())
    if found is None:
        return None
    if len(found) > 1:
        raise _failed(400, f"invalid {name} header: multiple values")
    return found[0]


def _required(values: Mapping[bytes, Sequence[str]], name: str) -> str:
    value = _single(values, name)
    if value is None:
        raise _failed(400, f"missing {name} header")
    return value


def _is_key(key: str) -> bool:
    try:
        return len(binascii.a2b_base64(key, strict_mode=True)) == _KEY_LENGTH
    except ValueError:
        return False


def _codec(headers: Sequence[str]) -> Codec:
    """Return the codec of the first of the client's offers that is known."""
    for header in headers:
        for offer in header.split(","):
            codec = CODECS.get(offer.strip(" \t"))
            if codec is not None:
                return codec
    raise _failed(400, f"no known subprotocol; offer one of {', '.join(CODECS)}")
