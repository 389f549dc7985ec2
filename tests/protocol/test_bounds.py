"""Bounds that no pattern can express: what a name shows, and what a back end keeps with a session."""

import math

import pytest

from relevo.protocol.bounds import (
    ATTRIBUTES_BYTES_MAX,
    FieldError,
    is_visible,
    require_attributes,
    require_visible,
)


@pytest.mark.parametrize("name", ["Zoe", " Zoe ", "李", "👩‍💻", "-", "\u200dé"])
def test_a_name_with_a_visible_character_is_visible(name: str) -> None:
    assert is_visible(name)
    require_visible("name", name)


@pytest.mark.parametrize("name", ["", " ", "\u00a0\u2028", "\x00\n", "\u200b\u200d", "\ufeff \u202e"])
def test_a_name_of_spaces_and_controls_is_refused_with_its_field(name: str) -> None:
    assert not is_visible(name)
    with pytest.raises(FieldError) as raised:
        require_visible("name", name)
    assert raised.value.field == "name"


@pytest.mark.limit("ATTRIBUTES_BYTES_MAX")
@pytest.mark.parametrize("character", ["a", "é"])
def test_attributes_are_taken_to_the_last_byte_of_their_bound(character: str) -> None:
    width = len(character.encode())
    text = character * ((ATTRIBUTES_BYTES_MAX - len('{"a":""}')) // width)
    require_attributes("attributes", {"a": text})
    with pytest.raises(FieldError, match=f"at most {ATTRIBUTES_BYTES_MAX} bytes"):
        require_attributes("attributes", {"a": text + character})


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_attributes_take_only_numbers_that_json_has(number: float) -> None:
    with pytest.raises(FieldError, match="finite"):
        require_attributes("attributes", {"a": number})


def test_attributes_may_be_left_out() -> None:
    require_attributes("attributes", None)
    require_attributes("attributes", {})
