"""What a server's error replies mean for the command that got them (pure)."""

import re

from relevo.router.store.client.connection import Server
from relevo.router.store.client.errors import StoreError

# With these errors the server says that it did not run the command.
NOT_RUN = frozenset(
    {"LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "OOM", "MISCONF", "NOREPLICAS", "BUSY"}
    | {"NOAUTH", "WRONGPASS", "NOPERM"}
)
# After these the tenant may live on another server.
SUSPICIOUS = frozenset({"READONLY", "CLUSTERDOWN", "MASTERDOWN"})
NOT_LOADED = re.compile(r"^ERR Function not found")
ALREADY_LOADED = re.compile(r"^ERR Library '\w+' already exists")
_REDIRECT = re.compile(r"(?:MOVED|ASK) (\d{1,5}) (.*):(\d{1,5})")


class RedirectedError(StoreError):
    """
    The server did not run the command, and named the server that does.

    Attributes:
        slot: The slot of the command's keys.
        server: The server it named.
        asking: Whether it was ``ASK``: this command alone goes there, preceded by ``ASKING``.
    """

    def __init__(self, slot: int, server: Server, asking: bool) -> None:
        super().__init__(f"slot {slot} is at {server}")
        self.slot = slot
        self.server = server
        self.asking = asking


def parse_redirect(text: str, server: Server) -> RedirectedError | None:
    """
    Read a ``MOVED`` or ``ASK`` error; return None if it is another error.

    Args:
        text: The error.
        server: The server that replied it; it may leave its own host out.
    """
    redirect = _REDIRECT.fullmatch(text)
    if redirect is None:
        return None
    host = redirect[2] if redirect[2] not in ("", "?") else server.host
    return RedirectedError(int(redirect[1]), Server(host, int(redirect[3])), text.startswith("ASK"))
