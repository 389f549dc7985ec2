from __future__ import annotations

import itertools

from relevo_client.decode import decode
from relevo_client.inbox import Inbox
from relevo_client.objects import InboxContent, Session

from .wire import session_map


def session(session_id: str = "c-1", **fields: object) -> Session:
    return decode(Session, session_map(session_id, **fields))  # type: ignore[arg-type]


def test_an_assigned_session_leaves_the_pending_list() -> None:
    inbox = Inbox()
    inbox.observe(session(fence=2, state="pending"))
    inbox.observe(session(fence=3))

    assert list(inbox.in_progress) == ["c-1"]
    assert not inbox.pending


def test_an_older_fence_never_overrides_a_newer_one() -> None:
    newest = session(fence=3, state="pending")
    for order in itertools.permutations([session(fence=1), session(fence=2), newest]):
        inbox = Inbox()
        for observed in order:
            inbox.observe(observed)

        assert inbox.pending == {"c-1": newest}
        assert not inbox.in_progress


def test_a_late_push_does_not_bring_back_what_has_left() -> None:
    inbox = Inbox()
    inbox.observe(session(fence=1))
    inbox.remove("c-1", 3)
    inbox.observe(session(fence=2))

    assert inbox.get("c-1") is None


def test_a_removal_that_comes_before_its_assignment_wins() -> None:
    inbox = Inbox()
    inbox.remove("c-1", 3)
    inbox.observe(session(fence=2))

    assert inbox.get("c-1") is None


def test_a_late_removal_does_not_take_what_came_back_since() -> None:
    inbox = Inbox()
    inbox.observe(session(fence=4))
    inbox.remove("c-1", 3)

    assert inbox.get("c-1") is not None


def test_a_session_whose_id_is_opened_again_starts_anew() -> None:
    inbox = Inbox()
    inbox.observe(session(fence=7, opened_at=100))
    inbox.remove("c-1", 8)
    inbox.observe(session(fence=1, opened_at=200))

    assert inbox.in_progress["c-1"].opened_at == 200


def test_a_reply_moves_a_session_out_that_is_another_agents_now() -> None:
    inbox = Inbox()
    inbox.observe(session(fence=1))
    inbox.observe(session(fence=2, owner="bo"), "ana")

    assert inbox.get("c-1") is None


def test_a_reply_about_a_session_of_others_leaves_no_trace() -> None:
    inbox = Inbox()
    inbox.observe(session(fence=2, owner="bo"), "ana")
    inbox.observe(session(fence=2))

    assert inbox.get("c-1") is not None


def test_a_welcome_replaces_the_inbox_but_not_by_what_is_older() -> None:
    inbox = Inbox()
    inbox.observe(session("gone"))
    inbox.observe(session("kept", fence=5))
    inbox.observe(session("left", fence=1))
    inbox.remove("left", 2)

    new = inbox.replace(
        InboxContent(
            in_progress=(session("kept", fence=4), session("left", fence=1), session("new")),
            pending=(session("waiting", state="pending"),),
        )
    )

    assert {key: value.fence for key, value in inbox.in_progress.items()} == {"kept": 5, "new": 1}
    assert list(inbox.pending) == ["waiting"]
    assert [found.id for found in new] == ["new"]


def test_the_memory_of_what_left_is_bounded() -> None:
    inbox = Inbox()
    for number in range(5000):
        inbox.remove(f"c-{number}", 2)

    inbox.observe(session("c-4999", fence=1))
    inbox.observe(session("c-0", fence=1))

    assert list(inbox.in_progress) == ["c-0"]
