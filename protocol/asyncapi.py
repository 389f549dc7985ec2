"""
Write ``asyncapi.yaml`` from the types: ``python -m protocol.asyncapi``.

The document is an AsyncAPI 3.1 description of the websocket, from the router's side: the router receives
commands and sends replies and pushes. A test compares the file with what this module generates. Only writing
it needs PyYAML; the router does not import this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, get_args

import msgspec

from relevo.protocol import examples
from relevo.protocol.bounds import BATCH_ITEMS_MAX
from relevo.protocol.codec import JSON, MSGPACK
from relevo.protocol.commands import COMMANDS, Command, Hello, Ping, SessionAck, wire_type
from relevo.protocol.errors import ERRORS, CloseCode, Error, ErrorCode
from relevo.protocol.pushes import PUSHES, Pong, Welcome
from relevo.protocol.results import Empty, Result
from relevo.protocol.schemas import details_of, merged, reference, schemas_of, summary

PATH = Path(__file__).with_name("asyncapi.yaml")

Document: TypeAlias = dict[str, Any]

# Each paragraph is one line, which YAML then folds.
_DESCRIPTION = "\n".join(
    (
        "Hand live conversations over between agents and departments.",
        f"Messages are maps with a `type`. They travel as JSON text frames (`{JSON.subprotocol}`) or"
        f" MessagePack binary frames (`{MSGPACK.subprotocol}`), one message or a batch (an array of at most"
        f" {BATCH_ITEMS_MAX}) per websocket message. `hello` comes first. Clients ignore unknown fields and"
        " types; the router refuses them with `bad_message`. Times are integer milliseconds since the Unix"
        " epoch and end in `_at`; durations end in `_ms`.",
        "Every command but the subscriptions can also be sent as `POST /api/v1/<type>`, with"
        " `Authorization: Bearer <JWT>`, its fields without `type` and `id` as a JSON body and, optionally,"
        " its key as `Idempotency-Key`. The body of the answer is the `result`, or the `error` with the HTTP"
        " status of its code.",
    )
)

_REPLY_DESCRIPTION = "The reply to a command that is applied."
_ERROR_DESCRIPTION = (
    "The reply to a command that is refused. Nothing is changed, except that `unavailable` and `internal`"
    " leave it open."
)

_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The token of `hello` and `token.refresh`. It travels in the message and not in a header,"
    " since a browser sets no headers on a websocket.",
}


def reply_name(result: type[Result]) -> str:
    """Return the name of the reply that carries a result, as in `reply.session`."""
    return f"reply.{result.__name__.removesuffix('Result').lower()}"


def _reply_type(
    name: str, field: str, content: type[msgspec.Struct], description: str
) -> type[msgspec.Struct]:
    # On the wire all are `reply`; a type per result says in the document which command is answered by which.
    return msgspec.defstruct(
        name,
        [("id", str | None), (field, content)],
        tag="reply",
        tag_field="type",
        namespace={"__doc__": description},
    )


REPLY_TYPES: dict[str, type[msgspec.Struct]] = {
    **{
        reply_name(result): _reply_type(
            f"{result.__name__.removesuffix('Result')}Reply", "result", result, _REPLY_DESCRIPTION
        )
        for result in get_args(Result)
    },
    "reply.error": _reply_type("ErrorReply", "error", Error, _ERROR_DESCRIPTION),
}

MESSAGE_TYPES: dict[str, type[msgspec.Struct]] = {
    **COMMANDS,
    wire_type(Welcome): Welcome,
    wire_type(Pong): Pong,
    **REPLY_TYPES,
    **PUSHES,
}


REPLY = msgspec.defstruct(
    "Reply",
    [
        ("id", str | None, None),
        (
            "result",
            merged(
                "ReplyResult",
                "The `result` of a reply: the fields of the command's own result, and no others.",
                get_args(Result),
            )
            | None,
            None,
        ),
        ("error", Error | None, None),
    ],
    tag="reply",
    tag_field="type",
    namespace={"__doc__": "The reply to any command: its result or an error, exactly one of them."},
)

_SERVER_MESSAGES: dict[str, type[msgspec.Struct]] = {
    wire_type(Welcome): Welcome,
    wire_type(Pong): Pong,
    "reply": REPLY,
    **PUSHES,
}


def _union(title: str, description: str, types: Mapping[str, type[msgspec.Struct]]) -> Document:
    return {
        "title": title,
        "description": description,
        "type": "object",
        "required": ["type"],
        "discriminator": "type",
        "oneOf": [reference(message.__name__) for message in types.values()],
    }


def _examples() -> dict[str, msgspec.Struct]:
    plain: Iterable[msgspec.Struct] = (
        *examples.COMMAND_EXAMPLES,
        examples.WELCOME_EXAMPLE,
        examples.PONG_EXAMPLE,
        *examples.PUSH_EXAMPLES,
    )
    replies = {
        (name := reply_name(type(result))): REPLY_TYPES[name]("8", result)
        for result in examples.RESULT_EXAMPLES
    }
    conflict = next(error for error in examples.ERROR_EXAMPLES if error.code is ErrorCode.CONFLICT)
    error = REPLY_TYPES["reply.error"]("8", conflict)
    return {wire_type(each): each for each in plain} | replies | {"reply.error": error}


def _replies_to(command: type[Command]) -> list[str]:
    if command is SessionAck:
        return []
    if command is Hello:
        return [wire_type(Welcome), "reply.error"]
    if command is Ping:
        return [wire_type(Pong), "reply.error"]
    checked = getattr(command, "checked", None)
    also = [reply_name(checked)] if checked is not None else []
    return [reply_name(command.result or Empty), *also, "reply.error"]


def _channel_reference(name: str) -> Document:
    return {"$ref": f"#/channels/relevo/messages/{name}"}


def _operations() -> Document:
    operations: Document = {}
    for name, command in COMMANDS.items():
        operation = {
            "action": "receive",
            "channel": {"$ref": "#/channels/relevo"},
            "summary": summary(command),
            "messages": [_channel_reference(name)],
        }
        if replies := _replies_to(command):
            operation["reply"] = {
                "channel": {"$ref": "#/channels/relevo"},
                "messages": [_channel_reference(reply) for reply in replies],
            }
        operations[name] = operation
    for name, push in PUSHES.items():
        operations[name] = {
            "action": "send",
            "channel": {"$ref": "#/channels/relevo"},
            "summary": summary(push),
            "messages": [_channel_reference(name)],
        }
    return operations


def _messages(schemas: dict[str, Document]) -> Document:
    by_name = _examples()
    return {
        name: {
            "name": "reply" if name in REPLY_TYPES else name,
            "title": name,
            "summary": summary(message),
            "payload": schemas[name],
            "examples": [{"name": name.replace(".", "_"), "payload": msgspec.to_builtins(by_name[name])}],
        }
        for name, message in MESSAGE_TYPES.items()
    }


def document() -> Document:
    """Return the AsyncAPI document of the protocol as plain maps, lists and strings."""
    references, components = schemas_of([*MESSAGE_TYPES.values(), REPLY])
    schemas = dict(zip(MESSAGE_TYPES, references, strict=False))
    subprotocols = {codec.subprotocol: codec for codec in (JSON, MSGPACK)}
    return {
        "asyncapi": "3.1.0",
        "info": {"title": "Relevo", "version": "1.0.0", "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8765",
                "protocol": "ws",
                "description": "The address on which `relevo serve` listens by default.",
                "security": [{"$ref": "#/components/securitySchemes/token"}],
            }
        },
        "channels": {
            "relevo": {
                "address": "/ws",
                "description": "The one connection of a client; everything travels on it.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in MESSAGE_TYPES},
                "bindings": {
                    "ws": {
                        "method": "GET",
                        "headers": {
                            "type": "object",
                            "required": ["Sec-WebSocket-Protocol"],
                            "properties": {
                                "Sec-WebSocket-Protocol": {"type": "string", "enum": list(subprotocols)}
                            },
                        },
                    }
                },
            }
        },
        "operations": _operations(),
        "components": {
            "securitySchemes": {"token": _TOKEN},
            "messages": _messages(schemas),
            "schemas": {
                **components,
                "ClientMessage": _union("ClientMessage", "Any message that a client sends.", COMMANDS),
                "ServerMessage": _union(
                    "ServerMessage", "Any message that the router sends.", _SERVER_MESSAGES
                ),
                "CloseCode": {
                    "title": "CloseCode",
                    "description": "Below 4500: reconnect, with full jitter."
                    " From 4500 on: do not, until something changes.",
                    "type": "integer",
                    "enum": [int(code) for code in CloseCode],
                },
            },
        },
        "x-subprotocols": {
            name: {
                "frame": "binary" if codec.binary else "text",
                "contentType": "application/msgpack" if codec.binary else "application/json",
            }
            for name, codec in subprotocols.items()
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
        "x-close-codes": [
            {"code": int(code), "meaning": code.meaning, "reconnect": code.reconnect} for code in CloseCode
        ],
    }


def render() -> bytes:
    """Return the document as YAML, with a line on top that says where it comes from."""
    return b"# Generated by `python -m protocol.asyncapi`. Do not edit.\n" + msgspec.yaml.encode(document())


if __name__ == "__main__":
    PATH.write_bytes(render())
