"""The model of `relevo watch`."""

from relevo_client import Owner

from relevo.clients.terminal.watch.model import TRANSFERS_MAX
from tests.terminal.watch_fixture import NOW_MS, session, tenant, transfer


def test_observe_ignores_an_older_version() -> None:
    known = tenant(session("s", fence=3), session("s", "pending", fence=2))
    assert known.waiting() == []


def test_observe_takes_a_session_that_was_opened_again() -> None:
    known = tenant(session("s", fence=9), session("s", "pending", fence=1, opened_at=NOW_MS + 1))
    assert len(known.waiting()) == 1


def test_observe_removes_a_closed_session() -> None:
    known = tenant(session("s"), session("s", "closed", fence=2, owner=None))
    assert known.count == 0


def test_listing_removes_what_was_closed_without_an_event() -> None:
    known = tenant(session("gone"), session("stays"))
    known.begin_listing()
    known.observe(session("stays"))
    known.observe(session("new"))
    known.end_listing()
    assert known.count == 2


def test_waiting_lists_the_longest_wait_first() -> None:
    late = session("late", "queued", owner=Owner("department", "sales"), updated_at=NOW_MS - 9)
    early = session("early", "pending", updated_at=NOW_MS - 10)
    assert [one.id for one in tenant(late, early, session("busy")).waiting()] == ["early", "late"]


def test_transfers_keep_the_latest_up_to_the_bound() -> None:
    known = tenant()
    for number in range(TRANSFERS_MAX + 10):
        name = f"s{number}"
        known.observe(session(name, transfer=transfer(f"t{number}", name, at=NOW_MS + number)))
    names = [line.transfer.id for line in known.transfers()]
    assert names == [f"t{number}" for number in range(TRANSFERS_MAX + 9, 9, -1)]
