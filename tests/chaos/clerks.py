"""Clerks that pass sessions on, and keep a book of what was acknowledged to hold against the histories."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from relevo_client import Backoff, Client, CommandTimeout, SameTargetError, Target

from tests.e2e.office import Office
from tests.raw_client import LIMIT_S

SOON = Backoff(0.01, 0.1)
SESSIONS = 4
PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Receipt:
    """One transfer that was acknowledged, and when."""

    transfer_id: str
    session_id: str
    at: float


class Clerk:
    """
    A back end at one router, which passes sessions of its own to and fro between two agents.

    Args:
        office: Whose.
        name: Its id, by which its sessions are known.
        on: The number of its router; it never goes to another one.
        agents: Between whom.
    """

    def __init__(self, office: Office, name: str, *, on: int, agents: tuple[str, str]) -> None:
        self.receipts: list[Receipt] = []
        self.doubtful = 0
        self.sessions = [f"{name}-{number}" for number in range(SESSIONS)]
        self._office = office
        self._agents = agents
        self._working = True
        self._received = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._client = Client(
            f"ws://{office.routers[on].address}/ws",
            token=lambda: office.token(name, "service"),
            proxy=None,
            reconnect=SOON,
            retry=SOON,
            command_timeout_s=120.0,
        )

    async def begin(self) -> None:
        """Come, open the sessions, and begin to pass them on."""
        await self._client.start()
        for session_id in self.sessions:
            await self._office.open_session(session_id, agent=self._agents[0])
            self._tasks.append(asyncio.create_task(self._pass_on(session_id)))

    async def end(self) -> None:
        """Return when the last one in flight is answered."""
        self._working = False
        await asyncio.gather(*self._tasks)

    async def leave(self) -> None:
        """Leave, whatever is in flight."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()

    async def receive(self, number: int, limit_s: float = LIMIT_S) -> None:
        """Return when so many further transfers are acknowledged."""
        wanted = len(self.receipts) + number
        async with asyncio.timeout(limit_s):
            while len(self.receipts) < wanted:
                self._received.clear()
                await self._received.wait()

    def outage_s(self) -> float:
        """Return the longest time without an acknowledgement."""
        times = [receipt.at for receipt in self.receipts]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)

    async def _pass_on(self, session_id: str) -> None:
        turn = 1
        while self._working:
            try:
                done = await self._client.transfer(session_id, Target.agent(self._agents[turn]))
            except SameTargetError:
                # A transfer before it was lost, and the session is where it was.
                turn = 1 - turn
                continue
            except CommandTimeout:
                self.doubtful += 1
                continue
            self.receipts.append(Receipt(done.transfer.id, session_id, time.monotonic()))
            self._received.set()
            turn = 1 - turn
            await asyncio.sleep(PAUSE_S)


@dataclass
class Reckoning:
    """
    What the books say, and what is there.

    Attributes:
        acknowledged: How many transfers were acknowledged.
        lost: Those of them that no history has.
        doubled: Transfers that stand in a history twice.
        unasked: Transfers that a history has beyond those acknowledged and those in doubt.
    """

    acknowledged: int = 0
    lost: list[Receipt] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unasked: int = 0


async def reckon(office: Office, clerks: Sequence[Clerk]) -> Reckoning:
    """Hold the clerks' books against the histories, as the back end reads them."""
    reckoning = Reckoning()
    for clerk in clerks:
        written: Counter[str] = Counter()
        for session_id in clerk.sessions:
            written.update(await _transfers_of(office, session_id))
        acknowledged = {receipt.transfer_id for receipt in clerk.receipts}
        reckoning.acknowledged += len(clerk.receipts)
        reckoning.lost += [one for one in clerk.receipts if one.transfer_id not in written]
        reckoning.doubled += [transfer_id for transfer_id, times in written.items() if times > 1]
        reckoning.unasked += max(0, len(written.keys() - acknowledged) - clerk.doubtful)
    return reckoning


async def _transfers_of(office: Office, session_id: str) -> list[str]:
    found: list[str] = []
    after = 0
    while True:
        page = await office.do("session.history", session_id=session_id, after=after, limit=500)
        found += [entry["transfer"]["id"] for entry in page["entries"] if entry["kind"] == "transferred"]
        if not page["more"]:
            return found
        after = page["entries"][-1]["seq"]
