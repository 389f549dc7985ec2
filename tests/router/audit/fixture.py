"""A tenant with something of everything, on a real store, in which a test writes what no command would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from relevo.router.audit import Violation
from relevo.router.audit.layout import owned_in
from relevo.router.audit.rebuild import rebuild
from relevo.router.audit.scan import Counts, violations
from relevo.router.store import records
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

    def rewrite_agent(self, agent_id: str, **changes: Any) -> object:
        """Change fields of an agent's record."""
        return self._rewrite_field(f"a{agent_id}", records.decode_agent, changes)

    def rewrite_department(self, department_id: str, **changes: Any) -> object:
        """Change fields of a department's record."""
        return self._rewrite_field(f"d{department_id}", records.decode_department, changes)

    def rewrite_meta(self, **changes: Any) -> object:
        """Change fields of the tenant's meta record."""
        return self._rewrite_field("m", records.decode_meta, changes)

    def rewrite_session(self, session_id: str, place: int = -1, /, **changes: Any) -> None:
        """Change fields of a record of a session's log: the last one, unless another is named."""
        key = f"session:{session_id}"
        record = records.decode_session(self.call("LINDEX", key, place))
        changed = msgspec.structs.replace(record, **changes)
        self.call("LSET", key, place, msgspec.msgpack.encode(changed))

    def owned(self, agent_id: str) -> list[str]:
        """Return what an agent has in progress, by its record."""
        return owned_in(records.decode_agent(self.call("HGET", "tenant", f"a{agent_id}")))

    def meta(self) -> records.MetaRecord:
        """Return the tenant's meta record."""
        return records.decode_meta(self.call("HGET", "tenant", "m"))

    def _rewrite_field(
        self, name: str, decode: Callable[[bytes], msgspec.Struct], changes: dict[str, Any]
    ) -> object:
        changed = msgspec.structs.replace(decode(self.call("HGET", "tenant", name)), **changes)
        return self.call("HSET", "tenant", name, msgspec.msgpack.encode(changed))

    async def audit(self) -> list[Violation]:
        """Return the tenant's violations."""
        found = violations(self.shop.commands.store, self.shop.commands, self.shop.tenant, Counts())
        return [violation async for _, violation in found]

    async def repair(self) -> None:
        """Derive lists and rows again, as the command does."""
        await rebuild(self.shop.commands.store, self.shop.commands, self.shop.tenant)


def _word(word: str | bytes | int | float) -> str | bytes | int:
    return str(word) if isinstance(word, float) else word
