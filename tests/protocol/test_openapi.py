"""The OpenAPI document: equal to the types, with valid examples, accepted by a public validator."""

from __future__ import annotations

import json

import msgspec
import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from relevo.protocol import ERRORS, HTTP_COMMANDS, MUTATING, ErrorCode
from relevo.protocol.codec import InvalidMessage, command_from_fields
from relevo.protocol.openapi import PATH, Document, render, render_json
from relevo.protocol.results import Empty
from tests.protocol.references import references_in, resolve


@pytest.fixture(scope="module")
def document() -> Document:
    """Return the document as it stands in the repository."""
    loaded: Document = yaml.load(PATH.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded


def test_the_file_is_what_the_types_say() -> None:
    assert PATH.read_bytes() == render(), "the types have changed: run `make docs`"


def test_the_served_document_is_the_file(document: Document) -> None:
    assert json.loads(render_json()) == document


def test_a_public_validator_accepts_the_document(document: Document) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_reference_leads_somewhere(document: Document) -> None:
    references = set(references_in(document))
    assert len(references) > 50
    for reference in references:
        assert resolve(document, reference) is not None


def test_every_http_command_is_a_path(document: Document) -> None:
    assert set(document["paths"]) == {f"/{name}" for name in HTTP_COMMANDS}


@pytest.mark.parametrize("name", HTTP_COMMANDS)
def test_the_example_of_a_request_is_its_command(name: str, document: Document) -> None:
    content = document["paths"][f"/{name}"]["post"]["requestBody"]["content"]["application/json"]
    command = command_from_fields(name, json.dumps(content["example"]).encode())
    assert not isinstance(command, InvalidMessage), command
    assert type(command) is HTTP_COMMANDS[name]


@pytest.mark.parametrize("name", HTTP_COMMANDS)
def test_the_example_of_a_response_is_its_result(name: str, document: Document) -> None:
    content = document["paths"][f"/{name}"]["post"]["responses"]["200"]["content"]["application/json"]
    result = HTTP_COMMANDS[name].result or Empty
    assert msgspec.to_builtins(msgspec.convert(content["example"], result)) == content["example"]
    assert content["schema"] == {"$ref": f"#/components/schemas/{result.__name__}"}


@pytest.mark.parametrize("name", HTTP_COMMANDS)
def test_a_command_takes_the_key_header_if_it_changes_something(name: str, document: Document) -> None:
    operation = document["paths"][f"/{name}"]["post"]
    assert ("parameters" in operation) == (name in MUTATING)


@pytest.mark.parametrize("name", HTTP_COMMANDS)
def test_a_command_has_every_error_status(name: str, document: Document) -> None:
    statuses = {int(status) for status in document["paths"][f"/{name}"]["post"]["responses"]}
    assert statuses == {200, 413} | {code.http_status for code in ErrorCode}


@pytest.mark.parametrize("code", ErrorCode)
def test_an_error_code_is_an_example_of_its_status(code: ErrorCode, document: Document) -> None:
    by_status = document["paths"]["/session.get"]["post"]["responses"][str(code.http_status)]
    response = resolve(document, by_status["$ref"])
    example = response["content"]["application/json"]["examples"][code.value]["value"]
    assert (example["code"], example["retryable"]) == (code.value, code.retryable)
    msgspec.convert(example["details"], ERRORS[code].details, strict=True)


def test_every_command_needs_a_bearer_token(document: Document) -> None:
    assert document["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
