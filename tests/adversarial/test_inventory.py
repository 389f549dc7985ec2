"""No kind of bad input is without its test."""

import pytest

from tests.adversarial.inventory import LINES, inputs_by_line


@pytest.fixture(autouse=True)
def bystander() -> None:
    """Nobody: here nothing is sent."""


@pytest.mark.parametrize("line", LINES)
def test_every_kind_of_bad_input_has_its_test(line: str) -> None:
    assert inputs_by_line()[line] > 0
