"""A history names a session's owner, as far as an entry says so."""

from __future__ import annotations

from relevo.protocol.objects import Actor, Entry, Owner, Party, Transfer
from relevo.router.audit.rules.histories import HistoryFold

ANA, BOB = Actor("ana", "Ana", "agent"), Actor("bob", "Bob", "agent")
SALES = Party("department", "sales", "Sales")


def agent(actor: Actor) -> Party:
    return Party("agent", actor.id, actor.name)


def transfer(from_: Party, to: Party, outcome: str, assigned_to: str | None = None) -> Transfer:
    return Transfer(
        id="1-1",
        session_id="s",
        from_=from_,
        to=to,
        by=ANA,
        outcome=outcome,  # type: ignore[arg-type]
        assigned_to=assigned_to,
        at=1,
    )


def told(*entries: tuple[str, Actor | None, Transfer | None]) -> tuple[HistoryFold, str | None]:
    """Return the fold up to the first entry that does not follow, and in what it does not."""
    fold = HistoryFold()
    for number, (kind, by, sent) in enumerate(entries, 1):
        entry = Entry(seq=number, kind=kind, at=1, by=by, transfer=sent)  # type: ignore[arg-type]
        odd = fold.contradiction_of(entry)
        if odd is not None:
            return fold, odd
        fold = fold.with_entry(entry)
    return fold, None


OPENED = ("opened", ANA, None)
QUEUED = ("transferred", ANA, transfer(agent(ANA), SALES, "queued"))
OUT_OF_THE_QUEUE = ("moved", None, transfer(agent(ANA), SALES, "assigned", "bob"))


def test_agent_that_takes_it_from_the_queue_it_was_sent_to_is_named() -> None:
    fold, odd = told(OPENED, QUEUED, OUT_OF_THE_QUEUE)
    assert odd is None
    assert (fold.state, fold.owner, fold.fence, fold.hops) == ("in_progress", Owner("agent", "bob"), 3, 1)


def test_system_move_away_from_an_agent_does_not_say_where_to() -> None:
    fold, odd = told(OPENED, QUEUED, OUT_OF_THE_QUEUE, ("moved", None, None))
    assert odd is None
    assert (fold.state, fold.owner) == (None, None)


def test_agent_that_takes_it_from_the_queue_it_was_opened_in_is_not_named() -> None:
    fold, odd = told(OPENED, QUEUED, ("moved", None, None))
    assert odd is None
    assert (fold.state, fold.owner) == ("in_progress", None)


def test_to_whom_it_is_given_back_does_not_follow() -> None:
    for kind in ("declined", "recalled"):
        fold, odd = told(OPENED, QUEUED, (kind, BOB, None))
        assert odd is None
        assert (fold.state, fold.owner) == (None, None)


def test_agent_that_accepts_it_has_it() -> None:
    fold, odd = told(OPENED, QUEUED, ("accepted", BOB, None), ("internal", BOB, None))
    assert odd is None
    assert (fold.state, fold.owner, fold.entries, fold.fence) == ("in_progress", Owner("agent", "bob"), 4, 3)


def test_what_is_closed_may_be_opened_again_and_nothing_else() -> None:
    fold, odd = told(OPENED, QUEUED, ("closed", ANA, None), OPENED)
    assert odd is None
    assert (fold.fence, fold.hops) == (4, 0)
    _, odd = told(OPENED, ("closed", ANA, None), QUEUED)
    assert odd == "entry 3 is transferred after closed"


def test_agent_that_did_not_have_it_cannot_have_sent_it() -> None:
    _, odd = told(
        OPENED, QUEUED, OUT_OF_THE_QUEUE, ("transferred", ANA, transfer(agent(ANA), agent(BOB), "pending"))
    )
    assert odd == "entry 4 takes it from agent ana, but agent bob had it"
