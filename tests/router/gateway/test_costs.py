"""What commands and answers cost beside their message."""

import pytest

from relevo.protocol.commands import Command, SessionGet, SessionHistory, SessionList
from relevo.protocol.errors import Error, ErrorCode
from relevo.protocol.objects import Entry
from relevo.protocol.results import Empty, HistoryResult, ListResult, Result
from relevo.router.gateway.costs import CHARGED_BYTES, CHARGED_ROWS, charge, weight

ENTRY = Entry(seq=1, kind="internal", at=1, by=None, text="x", transfer=None)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (SessionGet(id="1", session_id="s"), 1),
        (SessionList(id="1", limit=CHARGED_ROWS - 1), 1),
        (SessionList(id="1", limit=500), 1 + 500 // CHARGED_ROWS),
        (SessionList(id="1"), 1 + 100 // CHARGED_ROWS),
        (SessionHistory(id="1", session_id="s", limit=500), 1 + 500 // CHARGED_ROWS),
    ],
)
def test_weight_of_a_command_grows_with_the_rows_it_may_read(command: Command, expected: int) -> None:
    assert weight(command) == expected


@pytest.mark.parametrize(
    ("answer", "size_bytes", "tokens"),
    [
        (Empty(), CHARGED_BYTES - 1, 0),
        (Empty(), 3 * CHARGED_BYTES, 3),
        (Error.of(ErrorCode.CONFLICT), 2 * CHARGED_BYTES, 2),
        (HistoryResult([ENTRY] * (CHARGED_ROWS - 1), False), 10, 0),
        (HistoryResult([ENTRY] * 3 * CHARGED_ROWS, False), 2 * CHARGED_BYTES, 5),
        (ListResult([]), 10, 0),
    ],
)
def test_charge_of_an_answer_is_by_its_bytes_and_rows(
    answer: Result | Error, size_bytes: int, tokens: int
) -> None:
    assert charge(answer, size_bytes) == tokens
