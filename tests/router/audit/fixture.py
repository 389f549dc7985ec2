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
from tests.router.store.stored_tenant import HELP, SALES, StoredTenant, to_agent
from tests.servers import StoreServer


class Fixture:
    """
    Write to a tenant's keys behind the commands' back, and audit it.

    Args:
        server: Where it lives.
        tenant: The tenant.
    """

    def __init__(self, server: StoreServer, tenant: StoredTenant) -> None:
        self.server = server
        self.tenant = tenant

    async def furnish(self) -> None:
        """
        Bring agents, sessions of every state, a history with a reason, and a kept first reply.

        ana and bob are in sales and there; cid is in help, there, and on pause. s1 went from ana to bob, s2
        is pending on cid, s3 waits in help, s4 is closed, s5 is with ana, s6 went from ana to bob and back.
        """
        await self.tenant.connect_new("ana", "bob", departments=["sales"])
        await self.tenant.connect_new("cid", departments=["help"])
        await self.tenant.status("cid", "pause")
        await self.tenant.open("s1", to_agent("ana"))
        await self.tenant.transfer("s1", to_agent("bob"), "ana", reason="He knows it")
        await self.tenant.open("s2", to_agent("cid"))
        await self.tenant.open("s3", HELP)
        await self.tenant.open("s4", SALES)
        await self.tenant.close("s4")
        await self.tenant.open("s5", to_agent("ana"))
        await self.tenant.run("session_note", "ana", session_id="s5", text="Urgent", key="k", print="p" * 32)
        await self.tenant.open("s6", to_agent("ana"))
        await self.tenant.transfer("s6", to_agent("bob"), "ana")
        await self.tenant.transfer("s6", to_agent("ana"), "bob")

    def call(self, command: str, key: str, *words: str | bytes | int | float) -> Any:
        """Run a plain command on one of the tenant's keys."""
        return self.server.call(command, f"relevo:{{{self.tenant.id}}}:{key}", *map(_word, words))

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
        found = violations(self.tenant.commands.store, self.tenant.commands, self.tenant.id, Counts())
        return [violation async for _, violation in found]

    async def repair(self) -> None:
        """Derive lists and rows again, as the command does."""
        await rebuild(self.tenant.commands.store, self.tenant.commands, self.tenant.id)


def _word(word: str | bytes | int | float) -> str | bytes | int:
    return str(word) if isinstance(word, float) else word
