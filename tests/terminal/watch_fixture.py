"""Rows of a watched tenant, for the tests of its model and its view."""

from dataclasses import replace

from relevo_client import Actor, Agent, Customer, Department, Owner, Party, Session, Transfer

from relevo.clients.terminal.watch.model import Connection, TenantView

NOW_MS = 1_700_000_000_000
LIVE = Connection(is_live=True)
ANA = Agent("ana", "Ana García", "agent", ("sales",), "connected", NOW_MS - 5_000, 1, 10, 0, True)
ZOE = Agent("zoe", "Zoë Bennett", "agent", ("sales",), "pre_pause", NOW_MS - 300_000, 4, 4, 1, False)
SOFIA = Agent("sofia", "Sofía Rodríguez", "admin", (), "disconnected", NOW_MS - 9_000_000, 0, 5, 0, False)
SALES = Department("sales", "Ventas", 2, 1, 3)


def session(name: str, state: str = "in_progress", **changes: object) -> Session:
    row = Session(
        name, Customer("u", "Eva Núñez"), "in_progress", Owner("agent", "ana"), 1, 0, NOW_MS, NOW_MS - 65_000
    )
    return replace(row, state=state, **changes)  # type: ignore[arg-type]


def transfer(name: str, session_id: str, *, to: Party | None = None, at: int = NOW_MS) -> Transfer:
    return Transfer(
        id=name,
        session_id=session_id,
        from_=Party("agent", "ana", "Ana García"),
        to=to or Party("agent", "zoe", "Zoë Bennett"),
        by=Actor("ana", "Ana García", "agent"),
        outcome="assigned",
        at=at,
        reason="Asks for a refund",
    )


def tenant(*sessions: Session, connection: Connection = LIVE) -> TenantView:
    known = TenantView("acme", [ANA, ZOE, SOFIA], [SALES], connection)
    for one in sessions:
        known.observe(one)
    return known
