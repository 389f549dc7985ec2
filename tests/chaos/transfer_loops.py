"""Loops of transfers that record each acknowledgement, to compare them with the histories afterwards."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from relevo_client import Backoff, Client, CommandTimeoutError, SameTargetError, Target

from tests.e2e.tenant import Tenant
from tests.raw_client import LIMIT_S

SHORT_BACKOFF = Backoff(0.01, 0.1)
SESSIONS = 4
PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One transfer that was acknowledged, and when."""

    transfer_id: str
    session_id: str
    at: float


class TransferLoop:
    """
    Transfer sessions of its own to and fro between two agents, as a back end at one router.

    Args:
        tenant: The tenant.
        name: The back end's id, with which the ids of its sessions begin.
        on: The number of its router; it connects to no other one.
        agents: The two agents.
    """

    def __init__(self, tenant: Tenant, name: str, *, on: int, agents: tuple[str, str]) -> None:
        self.acknowledgements: list[Acknowledgement] = []
        self.doubtful = 0
        self.sessions = [f"{name}-{number}" for number in range(SESSIONS)]
        self._tenant = tenant
        self._agents = agents
        self._working = True
        self._received = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._client = Client(
            f"ws://{tenant.routers[on].address}/ws",
            token=lambda: tenant.token(name, "service"),
            proxy=None,
            reconnect=SHORT_BACKOFF,
            retry=SHORT_BACKOFF,
            command_timeout=120.0,
        )

    async def start(self) -> None:
        """Connect, open the sessions, and start to transfer them."""
        await self._client.start()
        for session_id in self.sessions:
            await self._tenant.open_session(session_id, agent=self._agents[0])
            self._tasks.append(asyncio.create_task(self._transfer(session_id)))

    async def finish(self) -> None:
        """Return when the last transfer in flight is answered."""
        self._working = False
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Close the client, whatever is in flight."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()

    async def wait_for(self, number: int, limit_s: float = LIMIT_S) -> None:
        """Return when so many further transfers are acknowledged."""
        wanted = len(self.acknowledgements) + number
        async with asyncio.timeout(limit_s):
            while len(self.acknowledgements) < wanted:
                self._received.clear()
                await self._received.wait()

    def outage_s(self) -> float:
        """Return the longest time without an acknowledgement."""
        times = [acknowledgement.at for acknowledgement in self.acknowledgements]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)

    async def _transfer(self, session_id: str) -> None:
        turn = 1
        while self._working:
            try:
                done = await self._client.sessions.transfer(session_id, Target.agent(self._agents[turn]))
            except SameTargetError:
                # A transfer before it was lost, and the session is where it was.
                turn = 1 - turn
                continue
            except CommandTimeoutError:
                self.doubtful += 1
                continue
            self.acknowledgements.append(Acknowledgement(done.transfer.id, session_id, time.monotonic()))
            self._received.set()
            turn = 1 - turn
            await asyncio.sleep(PAUSE_S)


@dataclass
class TransferAudit:
    """
    The acknowledged transfers, compared with the histories.

    Attributes:
        acknowledged: How many transfers were acknowledged.
        lost: Acknowledged transfers that no history has.
        doubled: Transfers that a history has twice.
        unasked: Transfers that a history has beyond those acknowledged and those in doubt.
    """

    acknowledged: int = 0
    lost: list[Acknowledgement] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unasked: int = 0


async def audit_transfers(tenant: Tenant, loops: Sequence[TransferLoop]) -> TransferAudit:
    """Compare the acknowledgements of loops with the histories, as a back end reads them."""
    audit = TransferAudit()
    for loop in loops:
        written: Counter[str] = Counter()
        for session_id in loop.sessions:
            written.update(await _transfers_of(tenant, session_id))
        acknowledged = {acknowledgement.transfer_id for acknowledgement in loop.acknowledgements}
        audit.acknowledged += len(loop.acknowledgements)
        audit.lost += [one for one in loop.acknowledgements if one.transfer_id not in written]
        audit.doubled += [transfer_id for transfer_id, times in written.items() if times > 1]
        audit.unasked += max(0, len(written.keys() - acknowledged) - loop.doubtful)
    return audit


async def _transfers_of(tenant: Tenant, session_id: str) -> list[str]:
    found: list[str] = []
    after = 0
    while True:
        page = await tenant.do("session.history", session_id=session_id, after=after, limit=500)
        found += [entry["transfer"]["id"] for entry in page["entries"] if entry["kind"] == "transferred"]
        if not page["more"]:
            return found
        after = page["entries"][-1]["seq"]
