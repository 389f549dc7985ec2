"""
An agent: accept what is pending, and transfer each session to a department with a reason.

    RELEVO_TOKEN=... python examples/agent.py billing [ws://127.0.0.1:8765/ws]
"""

import asyncio
import os
import sys

from relevo_client import Client, Connected, RelevoError, Session, SessionAssigned, SessionPending, Target


async def accept(client: Client, session: Session) -> None:
    """Take a session out of the pending list; the push session.assigned follows."""
    try:
        await client.sessions.accept(session.id, fence=session.fence)
    except RelevoError as error:
        print(f"{session.id} stays pending: {error.message}", flush=True)


async def hand_over(client: Client, session: Session, department: str) -> None:
    """Transfer a session to a department; the fence makes sure that it is still this agent's."""
    try:
        result = await client.sessions.transfer(
            session.id, Target.department(department), "needs an invoice", fence=session.fence
        )
    except RelevoError as error:
        print(f"{session.id} stays here: {error.message}", flush=True)
    else:
        print(f"{session.id} transferred to {department}: {result.transfer.outcome}", flush=True)


async def main(department: str, url: str = "ws://127.0.0.1:8765/ws") -> None:
    """Work until the program is interrupted."""
    async with Client(url, os.environ["RELEVO_TOKEN"]) as client:
        await client.agents.set_status("connected")
        async for event in client:
            match event:
                case Connected():
                    # After a reconnect nothing is replayed: the inbox holds what the agent has now.
                    for session in client.inbox.in_progress.values():
                        await hand_over(client, session, department)
                    for session in client.inbox.pending.values():
                        await accept(client, session)
                case SessionPending(session):
                    await accept(client, session)
                case SessionAssigned(session):
                    print(f"{session.id} is mine: {session.customer.name}", flush=True)
                    await hand_over(client, session, department)


asyncio.run(main(*sys.argv[1:]))
