"""How keys and records hang together."""

from typing import Any

import msgspec
import pytest

from relevo.router.audit.layout import DUE, choice_score, list_of, name_of, owned_in
from relevo.router.store.records import AgentRecord
from tests.router.events import agent_record, session_record


def agent(**fields: Any) -> AgentRecord:
    return msgspec.structs.replace(agent_record("ana"), **fields)


@pytest.mark.parametrize(
    ("state", "owner", "name"),
    [
        ("pending", "ana", "pending:ana"),
        ("queued", "sales", "queue:sales"),
        ("in_progress", "ana", None),
        ("closed", None, None),
    ],
)
def test_list_of_a_session_is_that_of_its_owner_and_state(
    state: str, owner: str | None, name: str | None
) -> None:
    assert list_of(session_record("s", owner, state=state)) == name


def test_owned_sessions_stand_in_the_record_unless_they_have_a_list() -> None:
    assert owned_in(agent(owned=" s1 s2 ")) == ["s1", "s2"]
    assert owned_in(agent(owned=False)) == []


def test_choice_score_is_lowest_for_the_least_load_then_the_longest_wait() -> None:
    rows = [agent(load=1, capacity=4, assigned=9), *(agent(load=1, capacity=2, assigned=n) for n in (1, 5))]
    assert [choice_score(row) for row in rows] == sorted(choice_score(row) for row in rows)


def test_name_of_bytes_that_are_no_text_is_readable() -> None:
    assert name_of(b"ana") == "ana"
    assert name_of(b"\xff") == "\\xff"


def test_due_entries_have_a_kind_and_a_subject() -> None:
    assert all(DUE.fullmatch(text) for text in ("node n1", "sessions ana"))
    assert not any(DUE.fullmatch(text) for text in ("timeout s1", "node "))
