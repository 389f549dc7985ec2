"""
A back end, over HTTP: create two departments, open a session in one of them, and print its history.

    RELEVO_TOKEN=... python examples/back_end.py chat-17 "Eva Núñez" [http://127.0.0.1:8765]
"""

import asyncio
import os
import sys

from relevo_client import AsyncHttpClient, Customer, SessionExistsError, Target


async def main(session_id: str, customer: str, url: str = "http://127.0.0.1:8765") -> None:
    """Open the session; if a chat with this id is open already, show that one."""
    async with AsyncHttpClient(url, os.environ["RELEVO_TOKEN"]) as relevo:
        await relevo.departments.put("sales", "Sales")
        await relevo.departments.put("billing", "Billing")
        try:
            # The key makes a retry safe: within ten minutes the same key opens the session once.
            session = await relevo.sessions.open(
                session_id,
                Customer(f"customer-of-{session_id}", customer),
                Target.department("sales"),
                key=f"open-{session_id}",
            )
        except SessionExistsError:
            session = await relevo.sessions.get(session_id)
        print(f"{session.id} is {session.state} with {session.owner}")
        async for entry in relevo.sessions.history(session_id):
            print(f"{entry.seq} {entry.kind} {entry.text or ''}".rstrip())


asyncio.run(main(*sys.argv[1:]))
