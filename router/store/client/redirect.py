"""The errors by which a cluster's server sends a command elsewhere (pure)."""

import re

from relevo.router.store.client.connection import Server

_REDIRECT = re.compile(r"(?:MOVED|ASK) (\d{1,5}) (.*):(\d{1,5})")


class RedirectedError(Exception):
    """The server did not run the command, and named the one that does."""

    def __init__(self, slot: int, server: Server, asking: bool) -> None:
        super().__init__(f"slot {slot} is at {server}")
        self.slot = slot
        self.server = server
        self.asking = asking


def parse_redirect(text: str, server: Server) -> RedirectedError | None:
    """
    Read a ``MOVED`` or ``ASK`` error.

    Args:
        text: The error.
        server: Who said so; it may leave its own host out.
    """
    redirect = _REDIRECT.fullmatch(text)
    if redirect is None:
        return None
    host = redirect[2] if redirect[2] not in ("", "?") else server.host
    return RedirectedError(int(redirect[1]), Server(host, int(redirect[3])), text.startswith("ASK"))
