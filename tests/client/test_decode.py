from __future__ import annotations

import pytest
from relevo_client.decode import InvalidDataError, decode
from relevo_client.objects import Agent, Session, Transfer

from .wire import agent_row, session_map, transfer_map


def test_row_becomes_a_typed_object() -> None:
    agent = decode(Agent, agent_row("ana", departments=["sales", "support"], load=3))

    assert (agent.id, agent.departments, agent.load, agent.available) == (
        "ana",
        ("sales", "support"),
        3,
        True,
    )


def test_field_called_from_is_found_under_a_name_that_python_has() -> None:
    transfer = decode(Transfer, transfer_map())

    assert transfer.from_ is not None
    assert transfer.from_.name == "Bo"
    assert decode(Transfer, transfer_map() | {"from": None}).from_ is None


def test_unknown_fields_are_ignored_at_every_depth() -> None:
    message = session_map(mood="good", customer={"id": "u", "name": "Eva", "vip": True})

    assert decode(Session, message).customer.name == "Eva"


def test_value_that_a_newer_router_may_know_is_let_through() -> None:
    status: str = decode(Agent, agent_row(status="lunch")).status

    assert status == "lunch"


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (session_map(fence="1"), "fence"),
        (session_map(fence=True), "fence"),
        (session_map(fence=1.0), "fence"),
        (session_map(customer=None), "customer"),
        (session_map(customer={"id": "u", "name": 7}), "customer.name"),
        (session_map(transfer=[]), "transfer"),
        (session_map(transfer=transfer_map(to={"kind": "agent", "id": "x"})), "transfer.to.name"),
        ([], ""),
    ],
)
def test_wrong_shape_is_refused_with_its_path(message: object, path: str) -> None:
    with pytest.raises(InvalidDataError) as refused:
        decode(Session, message)

    assert refused.value.path == path


def test_wrong_item_of_an_array_is_named_by_its_index() -> None:
    with pytest.raises(InvalidDataError, match=r"departments\[1\]"):
        decode(Agent, agent_row(departments=["sales", 2]))
