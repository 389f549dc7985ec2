from __future__ import annotations

import itertools

from relevo_client.decode import decode
from relevo_client.inbox import Inbox
from relevo_client.objects import InboxContent, Session

from .wire import session_map


def session(session_id: str = "c-1", **fields: object) -> Session:
    return decode(Session, session_map(session_id, **fields))  # type: ignore[arg-type]


def test_assigned_session_leaves_the_pending_list() -> None:
    inbox = Inbox()
    inbox.observe(session(fence=2, state="pending"))
    inbox.observe(session(fence=3))

    assert list(inbox.in_progress) == ["c-1"]
    assert not inbox.pending


def test_older_fence_never_overrides_a_newer_one() -> None:
    newest = session(fence=3, state="pending")
    for order in itertools.permutations([session(fence=1), session(fence=2), newest]):
        inbox = Inbox()
        for observed in order:
            inbox.observe(observed)

        assert inbox.pending == {"c-1": newest}
        assert not inbox.in_progress


def test_late_push_does_not_bring_back_what_has_left() -> None:
    inbox = Inbox()
    inbox.observe(session(fence=1))
    inbox.remove("c-1", 3)
    inbox.observe(session(fence=2))

    assert inbox.get("c-1") is None


def test_removal_that_comes_before_its_assignment_wins() -> None:
    inbox = Inbox()
    inbox.remove("c-1", 3)
    inbox.observe(session(fence=2))

    assert inbox.get("c-1") is None


def test_late_removal_does_not_take_what_came_back_since() -> None:
    inbox = Inbox()
    inbox.observe(session(fence=4))
    inbox.remove("c-1", 3)

    assert inbox.get("c-1") is not None


def test_session_id_opened_again_replaces_the_closed_one() -> None:
    inbox = Inbox()
    inbox.observe(session(fence=7, opened_at=100))
    inbox.remove("c-1", 8)
    inbox.observe(session(fence=1, opened_at=200))

    assert inbox.in_progress["c-1"].opened_at == 200


def test_reply_moves_a_session_out_that_is_another_agents_now() -> None:
    inbox = Inbox()
    inbox.observe(session(fence=1))
    inbox.observe(session(fence=2, owner="bo"), "ana")

    assert inbox.get("c-1") is None


def test_reply_about_a_session_of_others_leaves_no_trace() -> None:
    inbox = Inbox()
    inbox.observe(session(fence=2, owner="bo"), "ana")
    inbox.observe(session(fence=2))

    assert inbox.get("c-1") is not None


def test_welcome_replaces_everything_and_says_what_is_new() -> None:
    inbox = Inbox()
    inbox.observe(session("gone"))
    inbox.observe(session("kept"))
    content = InboxContent(
        in_progress=(session("kept"), session("new")), pending=(session("waiting", state="pending"),)
    )

    assert [found.id for found in inbox.replace(content)] == ["new"]
    assert list(inbox.in_progress) == ["kept", "new"]
    assert list(inbox.pending) == ["waiting"]


def test_welcome_with_lower_fences_replaces_the_inbox() -> None:
    inbox = Inbox()
    inbox.observe(session("behind", fence=5))
    inbox.observe(session("back", fence=5))
    inbox.remove("back", 6)

    inbox.replace(InboxContent(in_progress=(session("behind", fence=3), session("back", fence=4))))
    inbox.observe(session("behind", fence=4, state="pending"))

    assert inbox.in_progress["back"].fence == 4
    assert inbox.pending["behind"].fence == 4


def test_memory_of_what_left_is_bounded() -> None:
    inbox = Inbox()
    for number in range(5000):
        inbox.remove(f"c-{number}", 2)

    inbox.observe(session("c-4999", fence=1))
    inbox.observe(session("c-0", fence=1))

    assert list(inbox.in_progress) == ["c-0"]
