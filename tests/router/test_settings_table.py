"""The table of settings in a document."""

import pytest

from relevo.router.config import settings_table
from relevo.router.settings_table import BEGIN, END, with_table


def test_the_table_replaces_what_stood_between_the_marks() -> None:
    document = f"# Relevo\n\n{BEGIN}an old table\n{END}\nMore.\n"
    written = with_table(document)
    assert written == f"# Relevo\n\n{BEGIN}\n{settings_table()}\n{END}\nMore.\n"
    assert with_table(written) == written


@pytest.mark.parametrize("document", ["", BEGIN, END, END + BEGIN])
def test_a_document_without_both_marks_is_left_alone(document: str) -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        with_table(document)
