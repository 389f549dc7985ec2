"""The AsyncAPI document: equal to the types, with valid examples, accepted by the official parser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
import yaml

from relevo.protocol import COMMANDS, JSON, PUSHES, CloseCode, ErrorCode
from relevo.protocol.asyncapi import MESSAGE_TYPES, PATH, Document, render
from tests.protocol.references import references_in, resolve

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def document() -> Document:
    """Return the document as it stands in the repository."""
    loaded: Document = yaml.load(PATH.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded


def leave_out(reason: str) -> NoReturn:
    """Skip the test; on CI fail it, where a missing tool is a defect of the machine."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def test_asyncapi_file_equals_the_types() -> None:
    assert PATH.read_bytes() == render(), "the types have changed: run `python -m protocol.asyncapi`"


def test_asyncapi_references_resolve(document: Document) -> None:
    references = set(references_in(document))
    assert len(references) > 60
    for reference in references:
        assert resolve(document, reference) is not None


def test_asyncapi_receives_commands_and_sends_pushes(document: Document) -> None:
    actions = {name: operation["action"] for name, operation in document["operations"].items()}
    assert actions == {**dict.fromkeys(COMMANDS, "receive"), **dict.fromkeys(PUSHES, "send")}


def test_asyncapi_command_has_a_reply_and_an_error_unless_ack(document: Document) -> None:
    for name in COMMANDS:
        reply = document["operations"][name].get("reply")
        if name == "session.ack":
            assert reply is None
        else:
            messages = [resolve(document, each["$ref"])["$ref"] for each in reply["messages"]]
            checked = getattr(COMMANDS[name], "checked", None)
            assert len(messages) == 2 + (checked is not None)
            assert messages[-1] == "#/components/messages/reply.error"


@pytest.mark.parametrize("name", COMMANDS)
def test_asyncapi_command_example_decodes_to_its_command(name: str, document: Document) -> None:
    (example,) = document["components"]["messages"][name]["examples"]
    (command,) = JSON.decode(json.dumps(example["payload"]).encode())
    assert type(command) is COMMANDS[name]


@pytest.mark.parametrize("name", sorted(set(MESSAGE_TYPES) - set(COMMANDS)))
def test_asyncapi_server_message_example_has_every_field(name: str, document: Document) -> None:
    (example,) = document["components"]["messages"][name]["examples"]
    message = msgspec.convert(example["payload"], MESSAGE_TYPES[name])
    assert msgspec.to_builtins(message) == example["payload"]


def test_asyncapi_code_tables_equal_the_types(document: Document) -> None:
    errors = {row["code"]: (row["meaning"], row["retryable"]) for row in document["x-error-codes"]}
    assert errors == {code.value: (code.meaning, code.retryable) for code in ErrorCode}
    closes = {row["code"]: (row["meaning"], row["reconnect"]) for row in document["x-close-codes"]}
    assert closes == {int(code): (code.meaning, code.reconnect) for code in CloseCode}


def test_asyncapi_names_both_subprotocols(document: Document) -> None:
    assert document["x-subprotocols"] == {
        "relevo.v1.json": {"frame": "text", "contentType": "application/json"},
        "relevo.v1.msgpack": {"frame": "binary", "contentType": "application/msgpack"},
    }


def test_asyncapi_error_code_names_the_schema_of_its_details(document: Document) -> None:
    details = {row["code"]: row["details"] for row in document["x-error-codes"]}
    assert details["conflict"] == {"$ref": "#/components/schemas/ConflictDetails"}
    assert details["closed"] == {}
    assert set(details) == {code.value for code in ErrorCode}


@pytest.mark.parametrize(
    ("union", "types"),
    [("ClientMessage", set(COMMANDS)), ("ServerMessage", {"welcome", "pong", "reply", *PUSHES})],
)
def test_asyncapi_union_is_discriminated_by_type(union: str, types: set[str], document: Document) -> None:
    schema = document["components"]["schemas"][union]
    members = [resolve(document, each["$ref"]) for each in schema["oneOf"]]
    assert schema["discriminator"] == "type"
    assert {member["properties"]["type"]["const"] for member in members} == types


def test_asyncapi_server_requires_a_token(document: Document) -> None:
    (security,) = document["servers"]["local"]["security"]
    assert resolve(document, security["$ref"])["bearerFormat"] == "JWT"


@pytest.mark.slow
def test_asyncapi_official_parser_reports_no_problem(document: Document) -> None:
    if shutil.which("node") is None:
        leave_out("node is not on PATH: install Node.js 20 or later")
    if not (HERE / "node_modules" / "@asyncapi" / "parser").is_dir():
        leave_out("the AsyncAPI parser is not installed: run `npm ci` in tests/protocol")
    command = ["node", str(HERE / "parse_asyncapi.cjs"), str(PATH)]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    said = json.loads(run.stdout)
    # The parser's severities: 0 is an error, 1 a warning, 2 and above are remarks.
    assert [each for each in said["diagnostics"] if each["severity"] < 2] == []
    assert sorted(said["operations"]) == sorted(document["operations"])
