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


def test_openapi_file_equals_the_types() -> None:
    assert PATH.read_bytes() == render(), "the types have changed: run `make docs`"


def test_openapi_served_document_equals_the_file(document: Document) -> None:
    assert json.loads(render_json()) == document


@pytest.mark.slow
def test_openapi_public_validator_reports_no_problem(document: Document) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_openapi_references_resolve(document: Document) -> None:
    references = set(references_in(document))
    assert len(references) > 50
    for reference in references:
        assert resolve(document, reference) is not None


def test_openapi_has_a_path_for_each_http_command(document: Document) -> None:
    assert set(document["paths"]) == {f"/{name}" for name in HTTP_COMMANDS}


@pytest.mark.parametrize("name", HTTP_COMMANDS)
def test_openapi_request_example_decodes_to_its_command(name: str, document: Document) -> None:
    content = document["paths"][f"/{name}"]["post"]["requestBody"]["content"]["application/json"]
    command = command_from_fields(name, json.dumps(content["example"]).encode())
    assert not isinstance(command, InvalidMessage), command
    assert type(command) is HTTP_COMMANDS[name]


@pytest.mark.parametrize("name", HTTP_COMMANDS)
def test_openapi_response_example_is_its_result(name: str, document: Document) -> None:
    content = document["paths"][f"/{name}"]["post"]["responses"]["200"]["content"]["application/json"]
    result = HTTP_COMMANDS[name].result or Empty
    assert msgspec.to_builtins(msgspec.convert(content["example"], result)) == content["example"]
    checked = getattr(HTTP_COMMANDS[name], "checked", None)
    kinds = [
        {"$ref": f"#/components/schemas/{kind.__name__}"} for kind in (result, checked) if kind is not None
    ]
    assert content["schema"] == (kinds[0] if checked is None else {"oneOf": kinds})


@pytest.mark.parametrize("name", HTTP_COMMANDS)
def test_openapi_mutation_takes_the_key_header(name: str, document: Document) -> None:
    operation = document["paths"][f"/{name}"]["post"]
    assert ("parameters" in operation) == (name in MUTATING)


@pytest.mark.parametrize("name", HTTP_COMMANDS)
def test_openapi_command_has_every_error_status(name: str, document: Document) -> None:
    statuses = {int(status) for status in document["paths"][f"/{name}"]["post"]["responses"]}
    assert statuses == {200, 413} | {code.http_status for code in ErrorCode}


@pytest.mark.parametrize("code", ErrorCode)
def test_openapi_error_code_is_an_example_of_its_status(code: ErrorCode, document: Document) -> None:
    by_status = document["paths"]["/session.get"]["post"]["responses"][str(code.http_status)]
    response = resolve(document, by_status["$ref"])
    example = response["content"]["application/json"]["examples"][code.value]["value"]
    assert (example["code"], example["retryable"]) == (code.value, code.retryable)
    msgspec.convert(example["details"], ERRORS[code].details, strict=True)


def test_openapi_commands_require_a_bearer_token(document: Document) -> None:
    assert document["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
