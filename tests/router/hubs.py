"""Hubs whose frames are the bare messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from relevo.router.tenant.directory import Replica
from relevo.router.tenant.fanout import TenantHub
from relevo.router.transport.interface import Socket


def make_hub(replica: Replica, schedule_flush: Callable[[], None] = lambda: None) -> TenantHub:
    """Return the hub of a tenant's directory."""
    return TenantHub(replica, lambda codec, payload: payload, _send_to_each, schedule_flush)


def _send_to_each(sockets: Iterable[Socket], frame: bytes) -> None:
    for socket in sockets:
        socket.send_frame(frame)
