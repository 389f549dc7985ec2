from typing import Any

import msgspec
import pytest

from relevo.protocol.objects import Session
from relevo.protocol.pushes import SessionAssigned, SessionPending, SessionRemoved
from relevo.router.tenant.agent_sessions import AgentSessionView
from tests.router.events import session_fields


def session(session_id: str, fence: int, **fields: Any) -> Session:
    return msgspec.convert(session_fields(session_id, "ana", fence, **fields), Session)


def test_correct_yields_the_difference_to_the_store() -> None:
    held = AgentSessionView()
    held.begin(
        "e", 5, [session("kept", 1), session("gone", 3), session("moved on", 1)], [session("taken", 1)]
    )
    pushes = list(held.correct([session("kept", 1), session("taken", 2)], [session("moved on", 2)]))
    match pushes:
        case [
            SessionRemoved(session_id="gone", fence=4, why="moved"),
            SessionAssigned(session=Session(id="taken")),
            SessionPending(session=Session(id="moved on")),
        ]:
            pass
        case _:
            pytest.fail(f"told {pushes}")
    assert list(held.correct([session("kept", 1), session("taken", 2)], [session("moved on", 2)])) == []


@pytest.mark.parametrize(
    ("fence", "is_pending", "is_ahead"),
    [(2, False, True), (3, False, False), (3, True, True), (4, True, False)],
)
def test_clients_are_ahead_at_a_later_fence_or_another_state(
    fence: int, is_pending: bool, is_ahead: bool
) -> None:
    held = AgentSessionView()
    held.begin("e", 5, [session("s", 3)], [])
    stored = [session("s", fence)]
    assert held.is_ahead([] if is_pending else stored, stored if is_pending else []) is is_ahead


def test_pushes_before_the_first_welcome_count_if_later() -> None:
    held = AgentSessionView()
    held.note(SessionAssigned(session=session("of another epoch", 1)), "d", 9)
    held.note(SessionAssigned(session=session("in the welcome", 1)), "e", 4)
    held.note(SessionRemoved(session_id="in the welcome", fence=2, why="transferred"), "e", 6)
    held.note(SessionPending(session=session("new", 1)), "e", 7)
    held.begin("e", 5, [session("in the welcome", 1)], [])
    assert held.is_known
    assert list(held.correct([], [session("new", 1)])) == []


def test_view_follows_pushes() -> None:
    held = AgentSessionView()
    held.begin("e", 1, [], [])
    held.note(SessionAssigned(session=session("one", 1)), "e", 2)
    held.note(SessionPending(session=session("two", 1)), "e", 3)
    held.note(SessionRemoved(session_id="one", fence=2, why="transferred"), "e", 4)
    assert len(held) == 1
    assert list(held.correct([], [session("two", 1)])) == []
