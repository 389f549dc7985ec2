"""The effects of a connection: values, each carried out in one way."""

from typing import get_args

import msgspec
import pytest

from relevo.router.gateway.effects import Effect, Send, SetTimer, Timer
from relevo.router.gateway.endpoint import _CARRY_OUT


def test_each_effect_is_carried_out_by_the_endpoint() -> None:
    assert set(_CARRY_OUT) == set(get_args(Effect))


def test_effects_of_the_same_content_are_equal() -> None:
    assert SetTimer(5, Timer.HELLO) == SetTimer(5, Timer.HELLO)
    assert SetTimer(5, Timer.HELLO) != SetTimer(5, Timer.LEAVE)
    assert Send(b"x") != Send(b"y")


@pytest.mark.parametrize("kind", get_args(Effect))
def test_effect_is_a_frozen_value(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen
