"""A tenant with something of everything, on a real store, in which a test writes what no command would."""

from __future__ import annotations

from typing import Any

import msgspec

from relevo.router.audit import Violation
from relevo.router.audit.rebuild import rebuild
from relevo.router.audit.scan import Counts, violations
from tests.router.store.shop import HELP, SALES, Shop, to_agent
from tests.servers import StoreServer


class Fixture:
    """
    Write to a tenant's keys behind the commands' back, and audit it.

    Args:
        server: Where it lives.
        shop: The tenant.
    """

    def __init__(self, server: StoreServer, shop: Shop) -> None:
        self.server = server
        self.shop = shop

    async def furnish(self) -> None:
        """
        Bring agents, sessions of every state, a history with a reason, and a kept first reply.

        ana and bob are in sales and there; cid is in help, there, and on pause. s1 went from ana to bob, s2
        is pending on cid, s3 waits in help, s4 is closed, s5 is with ana, s6 went from ana to bob and back.
        """
        await self.shop.hire("ana", "bob", departments=["sales"])
        await self.shop.hire("cid", departments=["help"])
        await self.shop.status("cid", "pause")
        await self.shop.open("s1", to_agent("ana"))
        await self.shop.transfer("s1", to_agent("bob"), "ana", reason="He knows it")
        await self.shop.open("s2", to_agent("cid"))
        await self.shop.open("s3", HELP)
        await self.shop.open("s4", SALES)
        await self.shop.close("s4")
        await self.shop.open("s5", to_agent("ana"))
        await self.shop.run("session_note", "ana", session_id="s5", text="Urgent", key="k", print="p" * 32)
        await self.shop.open("s6", to_agent("ana"))
        await self.shop.transfer("s6", to_agent("bob"), "ana")
        await self.shop.transfer("s6", to_agent("ana"), "bob")

    def call(self, command: str, key: str, *words: str | bytes | int | float) -> Any:
        """Run a plain command on one of the tenant's keys."""
        return self.server.call(command, f"relevo:{{{self.shop.tenant}}}:{key}", *map(_word, words))

    def rewrite(self, key: str, field: str | None = None, **changes: Any) -> bytes:
        """Change fields of a packed record, of a key or of one field of a hash; return what it was."""
        record: bytes = self.call("GET", key) if field is None else self.call("HGET", key, field)
        changed = msgspec.msgpack.encode(msgspec.msgpack.decode(record) | changes)
        if field is None:
            self.call("SET", key, changed)
        else:
            self.call("HSET", key, field, changed)
        return record

    def rewrite_entry(self, session_id: str, index: int, **changes: Any) -> None:
        """Change fields of an entry of a history."""
        record: bytes = self.call("LINDEX", f"history:{session_id}", index)
        changed = msgspec.msgpack.decode(record) | changes
        self.call("LSET", f"history:{session_id}", index, msgspec.msgpack.encode(changed))

    def transfer(self, session_id: str) -> dict[str, Any]:
        """Return the transfer of a session's last entry."""
        found: dict[str, Any] = msgspec.msgpack.decode(self.call("LINDEX", f"history:{session_id}", -1))
        transfer: dict[str, Any] = found["transfer"]
        return transfer

    async def audit(self) -> list[Violation]:
        """Return the tenant's violations."""
        found = violations(self.shop.commands.store, self.shop.commands, self.shop.tenant, Counts())
        return [violation async for _, violation in found]

    async def repair(self) -> None:
        """Derive lists and rows again, as the command does."""
        await rebuild(self.shop.commands.store, self.shop.commands, self.shop.tenant)


def _word(word: str | bytes | int | float) -> str | bytes | int:
    return str(word) if isinstance(word, float) else word
