"""Commands: their fields, bounds and results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from relevo.protocol import (
    COMMANDS,
    HTTP_COMMANDS,
    MUTATING,
    Codec,
    Command,
    InvalidMessage,
    SessionList,
    TransferResult,
    wire_type,
)
from relevo.protocol.examples import COMMAND_EXAMPLES

Pack = Callable[[Any], bytes]
EXAMPLES = {wire_type(example): example for example in COMMAND_EXAMPLES}


def fields_of(command_type: str) -> dict[str, Any]:
    """Return the example of a command as a client writes it, without what it leaves out."""
    fields: dict[str, Any] = msgspec.to_builtins(EXAMPLES[command_type])
    return {name: value for name, value in fields.items() if value is not None}


def required_fields(command_type: str) -> list[str]:
    fields = msgspec.structs.fields(COMMANDS[command_type])
    return [field.encode_name for field in fields if field.required]


def decode_one(codec: Codec, data: bytes) -> Command | InvalidMessage:
    (item,) = codec.decode(data)
    return item


def test_commands_are_those_of_the_contract() -> None:
    assert set(COMMANDS) == {
        *("hello", "ping", "token.refresh", "status.set", "directory.subscribe", "directory.unsubscribe"),
        *("session.open", "session.transfer", "session.accept", "session.decline", "session.recall"),
        *("session.note", "session.close", "session.get", "session.history", "session.list"),
        *("session.answer", "session.explain", "session.place", "session.update"),
        *("session.watch", "session.unwatch", "session.ack"),
        *("agent.put", "agent.get", "agent.list", "agent.remove"),
        *("department.put", "department.get", "department.list", "department.remove"),
        *("settings.get", "settings.put"),
    }


def test_commands_of_one_connection_are_not_http_commands() -> None:
    assert set(COMMANDS) - set(HTTP_COMMANDS) == {
        *("hello", "ping", "token.refresh", "directory.subscribe", "directory.unsubscribe"),
        *("session.watch", "session.unwatch", "session.ack"),
    }


def test_commands_that_take_a_key_are_the_mutations(codec: Codec, pack: Pack) -> None:
    taking = set()
    for command_type in COMMANDS:
        item = decode_one(codec, pack(fields_of(command_type) | {"key": "k"}))
        if isinstance(item, InvalidMessage):
            assert item.path == "$.key"
        else:
            taking.add(command_type)
    assert taking == set(MUTATING)
    assert taking == {
        *("status.set", "session.open", "session.transfer", "session.accept", "session.decline"),
        *("session.answer", "session.recall", "session.note", "session.close", "session.update"),
        *("agent.put", "agent.remove", "department.put", "department.remove", "settings.put"),
    }


@pytest.mark.parametrize("command_type", COMMANDS)
def test_command_decodes_alike_in_both_encodings(command_type: str, codec: Codec, pack: Pack) -> None:
    assert decode_one(codec, pack(fields_of(command_type))) == EXAMPLES[command_type]


@pytest.mark.parametrize("command_type", COMMANDS)
def test_command_survives_its_own_encoding(command_type: str, codec: Codec) -> None:
    assert decode_one(codec, codec.encode(EXAMPLES[command_type])) == EXAMPLES[command_type]


@pytest.mark.parametrize("command_type", COMMANDS)
def test_command_with_a_missing_field_names_it(command_type: str, codec: Codec, pack: Pack) -> None:
    for name in required_fields(command_type):
        fields = fields_of(command_type)
        del fields[name]
        expected_id = None if name == "id" else fields.get("id")
        assert decode_one(codec, pack(fields)) == InvalidMessage(
            expected_id, f"$.{name}", "Missing required field"
        )


@pytest.mark.parametrize("command_type", COMMANDS)
def test_command_with_an_unknown_field_names_it(command_type: str, codec: Codec, pack: Pack) -> None:
    fields = fields_of(command_type)
    item = decode_one(codec, pack(fields | {"colour": "red"}))
    assert item == InvalidMessage(fields.get("id"), "$.colour", "Unknown field")


@pytest.mark.parametrize("command_type", COMMANDS)
def test_command_with_an_unknown_inner_field_names_it(command_type: str, codec: Codec, pack: Pack) -> None:
    fields = fields_of(command_type)
    for name, value in fields.items():
        if isinstance(value, dict) and name != "attributes":
            item = decode_one(codec, pack(fields | {name: value | {"colour": "red"}}))
            assert item == InvalidMessage(fields["id"], f"$.{name}.colour", "Unknown field")


@pytest.mark.parametrize("wrong", [True, 7.5, -1, ["a"], {"a": 1}, [], {}], ids=repr)
@pytest.mark.parametrize("command_type", COMMANDS)
def test_command_with_a_field_of_a_wrong_type_names_it(
    command_type: str, wrong: Any, codec: Codec, pack: Pack
) -> None:
    types = get_type_hints(COMMANDS[command_type])
    for name in COMMANDS[command_type].__struct_encode_fields__:
        if wrong is True and bool in get_args(types[name]):
            continue
        if name == "settings" and wrong == {}:
            continue  # It names no setting, and changes none.
        if name == "attributes" and isinstance(wrong, dict):
            continue
        item = decode_one(codec, pack(fields_of(command_type) | {name: wrong}))
        assert isinstance(item, InvalidMessage)
        # A map where a map belongs is of the right kind, but lacks what belongs into it.
        assert item.path == f"$.{name}" or (isinstance(wrong, dict) and item.path.startswith(f"$.{name}."))


@pytest.mark.parametrize("command_type", COMMANDS)
def test_command_optional_field_that_is_null_equals_a_missing_one(
    command_type: str, codec: Codec, pack: Pack
) -> None:
    required = {*required_fields(command_type), "token"}
    for name in COMMANDS[command_type].__struct_encode_fields__:
        if name not in required:
            given, left_out = fields_of(command_type) | {name: None}, fields_of(command_type)
            left_out.pop(name, None)
            assert decode_one(codec, pack(given)) == decode_one(codec, pack(left_out))


BOUNDS: list[tuple[str, str, list[Any], list[Any]]] = [
    ("ping", "id", ["1", "é" * 64, "{}", "\0"], ["", "x" * 65]),
    ("session.close", "key", ["1", "x" * 64], ["", "x" * 65]),
    ("hello", "token", ["", "x" * 16384], ["x" * 16385, None]),
    ("hello", "client", ["", "x" * 120], ["x" * 121]),
    (
        "session.get",
        "session_id",
        ["a", "x" * 128, "A9_.@:+|/='-"],
        ["", "x" * 129, "a\n", "\na", "a\0", "a b", "é", "{a}", 'a"b', "٣"],
    ),
    ("status.set", "status", ["connected", "pre_pause", "pause", "disconnected"], ["", "Pause", "busy"]),
    ("status.set", "agent_id", ["ana"], ["ana\n"]),
    ("session.transfer", "reason", ["", "é" * 1000, "a\0b"], ["é" * 1001]),
    ("session.transfer", "fence", [0, 1, 2**53 - 1], [-1, 2**53, 2**63, "1", 1.0]),
    ("session.decline", "reason", ["x" * 1000], ["x" * 1001]),
    ("session.note", "text", ["x", "é" * 4000], ["", "é" * 4001]),
    ("session.history", "after", [0, 2**53 - 1], [-1, 2**53]),
    ("session.history", "limit", [1, 500], [0, 501]),
    ("session.list", "limit", [1, 500], [0, 501]),
    ("session.list", "state", ["in_progress", "pending", "queued", "closed"], ["open"]),
    ("session.list", "cursor", ["", "x" * 64], ["x" * 65]),
    ("session.ack", "fence", [1], [-1, None]),
]


@pytest.mark.origin("text limits were compared as strings")
@pytest.mark.limit("LIMIT_MAX")
@pytest.mark.parametrize(("command_type", "field", "fitting", "unfitting"), BOUNDS)
def test_command_bound_accepts_its_limit_and_no_more(
    command_type: str, field: str, fitting: list[Any], unfitting: list[Any], codec: Codec, pack: Pack
) -> None:
    for value in fitting:
        item = decode_one(codec, pack(fields_of(command_type) | {field: value}))
        assert getattr(item, field) == value
    for value in unfitting:
        item = decode_one(codec, pack(fields_of(command_type) | {field: value}))
        assert isinstance(item, InvalidMessage), value
        assert item.path == f"$.{field}"


NESTED: list[tuple[str, str, dict[str, Any], str]] = [
    ("session.transfer", "target", {"kind": "team", "id": "sales"}, "$.target.kind"),
    ("session.transfer", "target", {"kind": "agent", "id": "a\n"}, "$.target.id"),
    ("session.transfer", "target", {"kind": "agent"}, "$.target.id"),
    ("session.transfer", "target", {"kind": "agent", "id": "a", "name": "A"}, "$.target.name"),
    ("session.open", "customer", {"id": "c", "name": ""}, "$.customer.name"),
    ("session.open", "customer", {"id": "c", "name": "x" * 121}, "$.customer.name"),
    ("session.open", "customer", {"id": "", "name": "x"}, "$.customer.id"),
    ("directory.subscribe", "resume", {"epoch": "", "seq": 1}, "$.resume.epoch"),
    ("directory.subscribe", "resume", {"epoch": "e", "seq": -1}, "$.resume.seq"),
    ("department.put", "department", {"id": "d", "name": ""}, "$.department.name"),
]


@pytest.mark.parametrize(("command_type", "field", "value", "path"), NESTED)
def test_command_with_an_invalid_inner_field_names_it(
    command_type: str, field: str, value: dict[str, Any], path: str, codec: Codec, pack: Pack
) -> None:
    item = decode_one(codec, pack(fields_of(command_type) | {field: value}))
    assert isinstance(item, InvalidMessage)
    assert item.path == path


@pytest.mark.limit("DEPARTMENTS_MAX")
@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"role": "service"}, "$.agent.role"),
        ({"capacity": -1}, "$.agent.capacity"),
        ({"capacity": 2**53}, "$.agent.capacity"),
        ({"departments": [f"d{n}" for n in range(65)]}, "$.agent.departments"),
        ({"departments": ["sales", "sales"]}, "$.agent.departments"),
        ({"departments": ["sales", "s p"]}, "$.agent.departments[1]"),
    ],
)
def test_agent_put_profile_has_bounds_of_its_own(
    change: dict[str, Any], path: str, codec: Codec, pack: Pack
) -> None:
    fields = fields_of("agent.put")
    item = decode_one(codec, pack(fields | {"agent": fields["agent"] | change}))
    assert isinstance(item, InvalidMessage)
    assert item.path == path


def test_agent_put_accepts_sixty_four_departments(codec: Codec, pack: Pack) -> None:
    fields = fields_of("agent.put")
    fields["agent"]["departments"] = [f"d{n}" for n in range(64)]
    assert not isinstance(decode_one(codec, pack(fields)), InvalidMessage)


def test_hello_without_a_token_decodes(codec: Codec, pack: Pack) -> None:
    (item,) = codec.decode(pack({"type": "hello", "id": "1"}))
    assert getattr(item, "token", None) == ""


def test_session_ack_needs_no_id(codec: Codec, pack: Pack) -> None:
    item = decode_one(codec, pack({"type": "session.ack", "session_id": "s", "fence": 3}))
    assert (getattr(item, "id", ""), getattr(item, "fence", 0)) == (None, 3)


def test_session_list_without_filters_has_none_set() -> None:
    command = SessionList(id="1")
    assert (command.state, command.agent_id, command.department_id, command.cursor, command.limit) == (
        None,
    ) * 5


def test_commands_without_a_result_are_hello_ping_and_ack() -> None:
    silent = {name for name, command in COMMANDS.items() if command.result is None}
    assert silent == {"hello", "ping", "session.ack"}
    assert COMMANDS["session.transfer"].result is TransferResult


@pytest.mark.parametrize("name", [" ", "\t\u2003", "\u200b\u2060", "\ufeff\u00ad\x00"])
@pytest.mark.parametrize("path", ["session.open customer", "agent.put agent", "department.put department"])
def test_name_without_a_visible_character_is_invalid(path: str, name: str, codec: Codec, pack: Pack) -> None:
    command_type, field = path.split()
    fields = fields_of(command_type)
    fields[field]["name"] = name
    expected = InvalidMessage(fields["id"], f"$.{field}.name", "Expected a name with a visible character")
    assert decode_one(codec, pack(fields)) == expected


@pytest.mark.parametrize("name", ["-", " \u200bx", "\u674e", "\U0001f44b"])
def test_name_with_one_visible_character_is_valid(name: str, codec: Codec, pack: Pack) -> None:
    fields = fields_of("department.put")
    fields["department"]["name"] = name
    assert not isinstance(decode_one(codec, pack(fields)), InvalidMessage)
