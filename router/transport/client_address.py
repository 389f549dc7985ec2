"""The client address of each connection, and the connections of each address. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

ADDRESS_CHARACTERS_MAX = 64
"""A proxy may write a name in place of an address; a longer one is cut to this."""

VERDICTS_MAX = 1024
"""Latest addresses whose trust is cached."""


class _Parsed(NamedTuple):
    """An address in its one form, and whether it is a trusted proxy's."""

    text: str
    is_trusted: bool


class Addresses:
    """
    Count connections by their address.

    Args:
        trusted: Addresses and networks of proxies whose X-Forwarded-For is trusted.
        connections_max: How many connections one address may have.

    Raises:
        ValueError: One of ``trusted`` is neither address nor network.
    """

    def __init__(self, trusted: Sequence[str], connections_max: int) -> None:
        self._trusted: list[IPv4Network | IPv6Network] = [ip_network(each) for each in trusted]
        self._connections_max = connections_max
        self._connections: Counter[str] = Counter()
        # Parsing an address takes longer than the rest of a look-up.
        self._parsed = lru_cache(VERDICTS_MAX)(self._parse)

    def __len__(self) -> int:
        return len(self._connections)

    def of(self, peer: str | None, forwarded: Sequence[str]) -> str:
        """
        Return the client address of a request.

        Args:
            peer: The other end of the connection; None for a unix socket.
            forwarded: The values of X-Forwarded-For, in their order.

        Returns:
            The address in its one form, an IPv4 one without the IPv6 prefix (RFC 4291 section 2.5.5.2) that a
            socket on ``::`` gives it; empty where only a proxy knows it, and does not say it.
        """
        if peer is not None:
            text, is_trusted = self._parsed(peer)
            if not is_trusted:
                return text
        # Each proxy appends the address of its peer. Entries before that of the first untrusted one may be
        # forged.
        for entry in reversed(",".join(forwarded).split(",")):
            text, is_trusted = self._parsed(_without_port(entry.strip())[:ADDRESS_CHARACTERS_MAX])
            if text and not is_trusted:
                return text
        return ""

    def has_room(self, address: str) -> bool:
        """Return whether another connection may come from an address."""
        return not address or self._connections[address] < self._connections_max

    def enter(self, address: str) -> None:
        """Count a connection."""
        if address:
            self._connections[address] += 1

    def leave(self, address: str) -> None:
        """Stop counting a connection."""
        if self._connections[address] > 1:
            self._connections[address] -= 1
        else:
            del self._connections[address]

    def _parse(self, address: str) -> _Parsed:
        try:
            parsed = ip_address(address)
        except ValueError:
            return _Parsed(address, is_trusted=False)
        if isinstance(parsed, IPv6Address):
            parsed = parsed.ipv4_mapped or parsed
        return _Parsed(str(parsed), any(parsed in network for network in self._trusted))


def _without_port(entry: str) -> str:
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    host, colon, port = entry.rpartition(":")
    return host if colon and ":" not in host and port.isdigit() else entry
