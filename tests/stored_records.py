"""What a server keeps of a tenant, read and written behind the router's back."""

from __future__ import annotations

from typing import Any

import msgspec

from relevo.router.store import records
from relevo.router.store.events import Event, decode_event
from tests.servers import StoreServer


def key_of(tenant: str) -> str:
    """Return the key of the hash that holds a tenant's directory and its events."""
    return f"relevo:{{{tenant}}}:tenant"


def meta_of(server: StoreServer, tenant: str) -> records.MetaRecord:
    """Return a tenant's meta record."""
    return records.decode_meta(server.call("HGET", key_of(tenant), "m"))


def rewrite_meta(server: StoreServer, tenant: str, **changes: Any) -> None:
    """Change fields of a tenant's meta record."""
    changed = msgspec.structs.replace(meta_of(server, tenant), **changes)
    server.call("HSET", key_of(tenant), "m", msgspec.msgpack.encode(changed))


def rewrite_agent(server: StoreServer, tenant: str, agent_id: str, **changes: Any) -> None:
    """Change fields of an agent's record."""
    record = records.decode_agent(server.call("HGET", key_of(tenant), f"a{agent_id}"))
    changed = msgspec.structs.replace(record, **changes)
    server.call("HSET", key_of(tenant), f"a{agent_id}", msgspec.msgpack.encode(changed))


def packed_event(server: StoreServer, tenant: str) -> bytes:
    """Return the latest event, as the feed brought it."""
    meta = meta_of(server, tenant)
    packed: bytes = server.call("HGET", key_of(tenant), meta.seq % meta.ring)
    return packed


def events_of(server: StoreServer, tenant: str) -> list[Event]:
    """Return the events of the present epoch that are kept, oldest first."""
    meta = meta_of(server, tenant)
    kept = server.call("HGETALL", key_of(tenant))
    events = [decode_event(packed) for name, packed in kept.items() if name.isdigit()]
    return sorted((event for event in events if event.epoch == meta.epoch), key=lambda event: event.seq)


def forget_events(server: StoreServer, tenant: str) -> None:
    """Lose every event that is kept."""
    names = [name for name in server.call("HKEYS", key_of(tenant)) if name.isdigit()]
    server.call("HDEL", key_of(tenant), *names)
