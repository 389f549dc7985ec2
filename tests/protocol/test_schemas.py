"""Schemas: the form from which generators make types."""

from __future__ import annotations

from typing import Any

import pytest

from relevo.protocol.commands import AgentPut, SessionList, SessionTransfer
from relevo.protocol.errors import ERRORS, Details
from relevo.protocol.pushes import TransferUpdated, Welcome
from relevo.protocol.schemas import ENUMERATIONS, schemas_of
from tests.protocol.references import parts_of

Schemas = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    """Return the schemas of messages that hold every kind of field."""
    return schemas_of([Welcome, TransferUpdated, AgentPut, SessionList, SessionTransfer])[1]


def test_schema_integer_has_format_int64(schemas: Schemas) -> None:
    integers = [part for part in parts_of(schemas) if "integer" in part.get("type", ())]
    assert len(integers) > 20
    assert {part.get("format") for part in integers} == {"int64"}


def test_schema_enumeration_has_a_name(schemas: Schemas) -> None:
    named = {name for name, schema in schemas.items() if "enum" in schema}
    assert len(named) == len([part for part in parts_of(schemas) if "enum" in part])
    assert {"Status", "SessionState", "PlaceKind", "AgentRole", "ErrorCode"} <= named


def test_schema_enumeration_keeps_the_order_of_values(schemas: Schemas) -> None:
    assert schemas["SessionState"]["enum"] == list(ENUMERATIONS["SessionState"])


def test_schema_enumerations_differ_in_values() -> None:
    assert len({frozenset(values) for values in ENUMERATIONS.values()}) == len(ENUMERATIONS)


def test_schema_field_has_no_default(schemas: Schemas) -> None:
    assert [part for part in parts_of(schemas) if "default" in part] == []


def test_schema_optional_field_is_nullable_and_not_required(schemas: Schemas) -> None:
    assert "reason" not in schemas["SessionTransfer"]["required"]
    assert schemas["SessionTransfer"]["properties"]["reason"]["type"] == ["string", "null"]


def test_schema_optional_object_is_a_reference_or_null(schemas: Schemas) -> None:
    assert schemas["Session"]["properties"]["transfer"] == {
        "oneOf": [{"$ref": "#/components/schemas/Transfer"}, {"type": "null"}]
    }


def test_schema_pattern_is_in_ecma_262(schemas: Schemas) -> None:
    assert schemas["Target"]["properties"]["id"]["pattern"] == "^[A-Za-z0-9_.@:+|/='-]{1,128}$"


def test_schema_error_details_have_the_fields_of_every_code(schemas: Schemas) -> None:
    fields = {
        field
        for row in ERRORS.values()
        if row.details is not Details
        for field in schemas[row.details.__name__]["properties"]
    }
    assert set(schemas["ErrorDetails"]["properties"]) == fields
    assert schemas["Error"]["properties"]["details"] == {"$ref": "#/components/schemas/ErrorDetails"}
