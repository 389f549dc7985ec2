"""
Write ``openapi.yaml`` from the types: ``python -m protocol.openapi``.

The document is an OpenAPI 3.1 description of ``/api/v1``, the commands over HTTP. The router serves it as
``GET /api/v1/openapi.json``. A test compares the file with what this module generates. Only writing the file
needs PyYAML.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from relevo.protocol import examples
from relevo.protocol.bounds import Key
from relevo.protocol.commands import HTTP_COMMANDS, MUTATING, Command, wire_type
from relevo.protocol.errors import ERRORS, Error, ErrorCode
from relevo.protocol.results import CheckResult, Empty
from relevo.protocol.schemas import details_of, reference, schemas_of, summary

PATH = Path(__file__).with_name("openapi.yaml")

Document: TypeAlias = dict[str, Any]

# A body over the bound of a message is `bad_message` with a status of its own.
_STATUSES: dict[int, list[ErrorCode]] = {413: [ErrorCode.BAD_MESSAGE]}
for _code in ErrorCode:
    _STATUSES.setdefault(_code.http_status, []).append(_code)

_DESCRIPTION = "\n".join(
    (
        "Hand live conversations over between agents and departments: the commands that a back end sends over"
        " HTTP.",
        "The body of a request is a JSON object of the command's fields. The body of a response is the result"
        " with status 200, or an `Error` with the status of its code. Clients ignore unknown fields and treat"
        " null and a missing field alike. Times are integer milliseconds since the Unix epoch and end in"
        " `_at`; durations end in `_ms`. Commands that concern one connection (subscriptions, `hello`,"
        " `token.refresh`) go over the websocket only, which asyncapi.yaml describes.",
    )
)


def request_name(command: type[Command]) -> str:
    """Return the name of the schema of a command's body, as in ``SessionOpenRequest``."""
    return f"{command.__name__}Request"


def _request_schema(name: str, schema: Document) -> Document:
    """Return a command's schema without `type` and `id`, which a body does not hold."""
    properties = {field: each for field, each in schema["properties"].items() if field not in ("type", "id")}
    required = [field for field in schema["required"] if field in properties]
    request = {**schema, "title": name, "properties": properties, "required": required}
    if not required:
        del request["required"]
    return request


def request_example(command: Command) -> Document:
    """Return a command as the body of a request: its fields but `type`, `id` and those that are null."""
    fields: Document = msgspec.to_builtins(command)
    return {name: value for name, value in fields.items() if name not in ("type", "id") and value is not None}


def _has_required_fields(command: type[Command]) -> bool:
    return any(field.required and field.name != "id" for field in msgspec.structs.fields(command))


def _result_schema(command: type[Command]) -> Document:
    result = reference((command.result or Empty).__name__)
    checked = getattr(command, "checked", None)
    return result if checked is None else {"oneOf": [result, reference(checked.__name__)]}


def _operation(name: str, command: type[Command], example: Document, result: Document) -> Document:
    parameters = [{"$ref": "#/components/parameters/IdempotencyKey"}] if name in MUTATING else []
    return {
        "operationId": name.replace(".", "_"),
        "summary": summary(command),
        "tags": [name.partition(".")[0]],
        **({"parameters": parameters} if parameters else {}),
        "requestBody": {
            "required": any(
                field.required for field in msgspec.structs.fields(command) if field.name != "id"
            ),
            "content": {"application/json": {"schema": reference(request_name(command)), "example": example}},
        },
        "responses": {
            "200": {
                "description": "The command is applied.",
                "content": {
                    "application/json": {
                        "schema": _result_schema(command),
                        "example": result,
                    }
                },
            },
            **{
                str(status): {"$ref": f"#/components/responses/{_response_name(status)}"}
                for status in sorted(_STATUSES)
            },
        },
    }


def _response_name(status: int) -> str:
    return "ContentTooLarge" if status == 413 else HTTPStatus(status).phrase.title().replace(" ", "")


def _error_response(status: int, codes: Iterable[ErrorCode]) -> Document:
    by_code = {error.code: error for error in examples.ERROR_EXAMPLES}
    meaning = "; ".join(f"`{code.value}`: {code.meaning}" for code in codes)
    response: Document = {
        "description": "The body is longer than a message may be (65,536 bytes)."
        if status == 413
        else meaning,
        "content": {
            "application/json": {
                "schema": reference("Error"),
                "examples": {code.value: {"value": msgspec.to_builtins(by_code[code])} for code in codes},
            }
        },
    }
    if status == 429:
        response["headers"] = {
            "Retry-After": {
                "description": "Seconds, `details.retry_in_ms` rounded up.",
                "schema": {"type": "integer", "format": "int64"},
            }
        }
    if status == 401:
        response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string", "const": "Bearer"}}}
    return response


def document() -> Document:
    """Return the OpenAPI document of ``/api/v1`` as plain maps, lists and strings."""
    results = {command.result or Empty for command in HTTP_COMMANDS.values()} | {CheckResult}
    types = [*HTTP_COMMANDS.values(), *sorted(results, key=lambda result: result.__name__), Error]
    _, schemas = schemas_of(types)
    for command in HTTP_COMMANDS.values():
        schemas[request_name(command)] = _request_schema(request_name(command), schemas.pop(command.__name__))
    by_type = {wire_type(example): request_example(example) for example in examples.COMMAND_EXAMPLES}
    by_result = {type(example): msgspec.to_builtins(example) for example in examples.RESULT_EXAMPLES}
    return {
        "openapi": "3.1.1",
        "info": {"title": "Relevo", "version": "1.0.0", "description": _DESCRIPTION},
        "servers": [{"url": "/api/v1", "description": "The router that serves this document."}],
        "security": [{"token": []}],
        "paths": {
            f"/{name}": {"post": _operation(name, command, by_type[name], by_result[command.result or Empty])}
            for name, command in HTTP_COMMANDS.items()
        },
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token with the claims `sub`, `tenant`, `role` and `exp`.",
                }
            },
            "parameters": {
                "IdempotencyKey": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "description": "The command's `key`, which the body may hold instead: within ten minutes"
                    " the same caller, key and body get the first response again.",
                    "schema": msgspec.json.schema(Key) | {"description": "1 to 64 characters."},
                }
            },
            "responses": {
                _response_name(status): _error_response(status, codes) for status, codes in _STATUSES.items()
            },
            "schemas": dict(sorted(schemas.items())),
        },
        "x-error-codes": [
            {
                "code": code.value,
                "meaning": row.meaning,
                "retryable": row.retryable,
                "http_status": row.http_status,
                "details": details_of(code) or {},
            }
            for code, row in ERRORS.items()
        ],
    }


@functools.cache
def render_json(path_prefix: str = "") -> bytes:
    """
    Return the document as JSON, as the router serves it; made at the first call.

    Args:
        path_prefix: What stands before ``/api/v1``, as in ``/chat``.
    """
    served = document()
    for server in served["servers"]:
        server["url"] = path_prefix + server["url"]
    return msgspec.json.encode(served)


def render() -> bytes:
    """Return the document as YAML, with a line on top that says where it comes from."""
    return b"# Generated by `python -m protocol.openapi`. Do not edit.\n" + msgspec.yaml.encode(document())


if __name__ == "__main__":
    PATH.write_bytes(render())
