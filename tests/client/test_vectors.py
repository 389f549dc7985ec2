"""The vectors that every client is checked against, whatever its language; see protocol/vectors/README.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import msgspec
import pytest
import relevo_client
from relevo_client import Agent, AsyncCommands, Customer, Session, Target, broken_by, rule_of
from relevo_client.codec import JSON, MSGPACK, Codec, DecodeError
from relevo_client.decode import InvalidDataError, decode
from relevo_client.directory import Directory, Patch, Snapshot
from relevo_client.errors import ERRORS, STOPS, error_from_wire, stop_from_close
from relevo_client.events import PUSHES as CLIENT_PUSHES
from relevo_client.names import fold_text, order_key
from relevo_client.objects import Welcome
from relevo_client.pending import PendingCommand

from relevo.protocol import codec as router_codec
from relevo.protocol.commands import COMMANDS
from relevo.protocol.errors import CloseCode, ErrorCode
from relevo.protocol.pushes import PUSHES
from relevo.protocol.pushes import Welcome as RouterWelcome

from .driver import Driver, RecordedError, Recorder
from .wire import Map

FOLDER = Path(__file__).parents[2] / "protocol/vectors"
KINDS: Mapping[str, type[Any]] = {
    **CLIENT_PUSHES,
    "welcome": Welcome,
    "directory.snapshot": Snapshot,
    "directory.patch": Patch,
}
MESSAGES = {"welcome": RouterWelcome, **PUSHES}
SUBSCRIPTIONS = {"directory.subscribe", "directory.unsubscribe", "session.watch", "session.unwatch"}
CONNECTION = {"hello", "ping", "token.refresh", "session.ack"}

SESSION = decode(
    Session,
    {
        "id": "s",
        "customer": {"id": "c", "name": "C"},
        "state": "in_progress",
        "owner": {"kind": "agent", "id": "ana"},
        "fence": 1,
        "hops": 0,
        "opened_at": 1,
        "updated_at": 1,
    },
)


def load(file: str) -> list[Map]:
    vectors: list[Map] = json.loads((FOLDER / file).read_text(encoding="utf-8"))
    return vectors


def frames(vector: Map) -> list[tuple[Codec, bytes]]:
    """Return the vector's frame in each format that it has."""
    found = []
    if "json" in vector:
        found.append((JSON, vector["json"].encode()))
    if "msgpack" in vector:
        found.append((MSGPACK, bytes.fromhex(vector["msgpack"])))
    return found


def each(file: str) -> pytest.MarkDecorator:
    vectors = load(file)
    names = [str(vector.get("name", vector.get("code"))) for vector in vectors]
    return pytest.mark.parametrize("vector", vectors, ids=names)


def to_wire(value: Any) -> Any:
    """Return an object of the client as the map it was decoded from."""
    if is_dataclass(value):
        known = {f.metadata.get("wire", f.name): to_wire(getattr(value, f.name)) for f in fields(value)}
        extra = known.pop("extra", {})
        return {**known, **extra}
    if isinstance(value, tuple):
        return [to_wire(item) for item in value]
    return value


def trimmed(decoded: Any, means: Any) -> Any:
    """Return what was decoded without empty fields that a vector need not name."""
    if isinstance(decoded, dict) and isinstance(means, dict):
        return {
            name: trimmed(value, means.get(name))
            for name, value in decoded.items()
            if name in means or value not in (None, 0, False, "", [], {}, ())
        }
    if isinstance(decoded, list) and isinstance(means, list) and len(decoded) == len(means):
        return [trimmed(one, other) for one, other in zip(decoded, means, strict=True)]
    return decoded


class Answerer(AsyncCommands):
    """Answers every command with one result."""

    def __init__(self, result: Map) -> None:
        super().__init__()
        self._result_map = result

    async def command(
        self,
        type: str,
        fields: Mapping[str, Any],
        *,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Mapping[str, Any]:
        return self._result_map


async def encoded(vector: Map, command_id: str) -> Map:
    """Call what the vector says, and return the message it would send."""
    arguments = dict(vector["arguments"])
    if "customer" in arguments:
        arguments["customer"] = Customer(**arguments["customer"])
    if "target" in arguments:
        arguments["target"] = Target(**arguments["target"])
    recorder = Recorder()
    with pytest.raises(RecordedError):
        await attrgetter(vector["call"])(recorder)(**arguments)
    return PendingCommand(command_id, *recorder.sent[0], 0.0).message()


def plain(codec: Codec | router_codec.Codec, frame: str | bytes) -> Any:
    """Return what a frame holds, decoded by the format's own library."""
    data = frame.encode() if isinstance(frame, str) else frame
    return msgpack.unpackb(data) if codec.binary else json.loads(data)


def same(one: Any, other: Any) -> bool:
    """Return whether two values mean the same: maps in any order, integers no floats and no booleans."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@each("commands.json")
async def test_vector_command_of_the_client_has_this_meaning(vector: Map) -> None:
    message = await encoded(vector, "1")

    for codec, _ in frames(vector):
        assert same(plain(codec, codec.encode(message)), {**vector["means"], "id": "1"})


@each("commands.json")
def test_vector_command_frame_has_this_meaning(vector: Map) -> None:
    for codec, frame in frames(vector):
        decoded = plain(codec, frame)
        assert decoded.pop("id")
        assert same(decoded, vector["means"])


@each("commands.json")
def test_vector_command_decodes_to_this_in_the_router(vector: Map) -> None:
    for codec, frame in frames(vector):
        if vector["means"]["type"] not in COMMANDS:
            # Of a newer router.
            continue
        router = router_codec.MSGPACK if codec.binary else router_codec.JSON
        (command,) = router.decode(frame)
        assert not isinstance(command, router_codec.InvalidMessage), command
        decoded = msgspec.to_builtins(command)
        del decoded["id"]
        assert same(trimmed(decoded, vector["means"]), vector["means"])


def test_vectors_have_every_command_with_a_method() -> None:
    types = {json.loads(vector["json"])["type"] for vector in load("commands.json")}

    assert types >= set(COMMANDS) - SUBSCRIPTIONS - CONNECTION


@each("messages.json")
def test_vector_frame_decodes_to_these_messages(vector: Map) -> None:
    for codec, frame in frames(vector):
        decoded = []
        for message in codec.decode(frame):
            assert isinstance(message, Mapping)
            decoded.append({"type": message["type"], **to_wire(decode(KINDS[message["type"]], message))})

        assert trimmed(decoded, vector["means"]) == vector["means"]


@each("messages.json")
def test_vector_messages_are_what_the_router_encodes(vector: Map) -> None:
    for means in vector["means"]:
        if "newer router" in vector["name"] or means["type"] not in MESSAGES:
            continue
        message = msgspec.convert({"id": "1", **means}, MESSAGES[means["type"]])
        for codec in (router_codec.JSON, router_codec.MSGPACK):
            decoded = plain(codec, codec.encode(message))
            assert same({name: decoded[name] for name in means}, means)


def test_vectors_have_every_push() -> None:
    assert {means["type"] for vector in load("messages.json") for means in vector["means"]} == set(KINDS)


@pytest.mark.parametrize("vector", [v for v in load("replies.json") if "result" in v])
async def test_vector_reply_is_this_result(vector: Map) -> None:
    calls: Mapping[str, tuple[str, tuple[Any, ...]]] = {
        "status.set": ("agents.set_status", ("pause",)),
        "department.put": ("departments.put", ("sales", "Sales")),
        "session.get": ("sessions.get", ("s",)),
        "session.transfer": ("sessions.transfer", ("s", Target.agent("bruno"))),
        "session.note": ("sessions.note", ("s", "text")),
        "session.history": ("sessions.history_page", ("s",)),
        "session.list": ("sessions.list_page", ()),
        "session.place": ("sessions.place", ("s",)),
        "session.explain": ("sessions.explain", ("s",)),
    }
    method, arguments = calls[vector["command"]]
    for codec, frame in frames(vector):
        (reply,) = codec.decode(frame)
        assert isinstance(reply, Mapping)
        wire = to_wire(await attrgetter(method)(Answerer(reply["result"]))(*arguments))

        # A result of one part is that part itself.
        is_whole = isinstance(wire, dict) and wire.keys() >= vector["result"].keys()
        whole = wire if is_whole else {next(iter(vector["result"])): wire}
        assert trimmed(whole, vector["result"]) == vector["result"]


@pytest.mark.parametrize("vector", [v for v in load("replies.json") if "error" in v])
def test_vector_reply_is_this_error(vector: Map) -> None:
    expected = dict(vector["error"])
    kind = getattr(relevo_client, expected.pop("class"))
    for codec, frame in frames(vector):
        (reply,) = codec.decode(frame)
        assert isinstance(reply, Mapping)
        error = error_from_wire(reply["error"])

        assert type(error) is kind
        assert {name: getattr(error, name) for name in expected} == expected
        facts = {name: to_wire(getattr(error, name)) for name in vector["facts"]}
        assert trimmed(facts, vector["facts"]) == vector["facts"]


def test_vectors_have_every_error_code() -> None:
    codes = {vector["error"]["code"] for vector in load("replies.json") if "error" in vector}

    assert codes >= set(ERRORS) >= set(ErrorCode)


@each("closes.json")
def test_vector_close_reconnects_or_stops(vector: Map) -> None:
    stop = stop_from_close(vector["code"], "")

    assert (stop is None) == vector["reconnect"]
    if stop is not None:
        assert type(stop) is getattr(relevo_client, vector["class"])


def test_vectors_have_every_close_code() -> None:
    codes = {vector["code"] for vector in load("closes.json")}

    assert codes >= set(CloseCode) | set(STOPS)


@each("malformed.json")
def test_vector_malformed_frame_is_an_error(vector: Map) -> None:
    for codec, frame in frames(vector):
        if vector["why"] == "undecodable":
            with pytest.raises(DecodeError):
                codec.decode(frame)
            continue
        driver = Driver()
        driver.connect()
        driver.subscribe()
        with pytest.raises(InvalidDataError):
            driver.receive(*codec.decode(frame))  # type: ignore[arg-type]


def names_with(field: str) -> pytest.MarkDecorator:
    vectors = [vector for vector in load("names.json") if field in vector]
    assert vectors
    return pytest.mark.parametrize("vector", vectors, ids=[vector["name"] for vector in vectors])


@names_with("folded")
def test_vector_of_a_text_is_folded(vector: Map) -> None:
    assert fold_text(vector["text"]) == vector["folded"]


@names_with("sorted")
def test_vector_of_names_is_their_order(vector: Map) -> None:
    keys = [order_key(name) for name in vector["sorted"]]
    assert sorted(set(keys)) == keys


@names_with("found")
def test_vector_of_agents_is_found_in_order(vector: Map) -> None:
    directory = Directory()
    rows = {"agents": vector["agents"], "departments": vector["departments"]}
    directory.replace(decode(Snapshot, {"epoch": "e", "seq": 1, **rows}))

    assert [agent.id for agent in directory.agents_by_readiness(vector["search"])] == vector["found"]


@each("rules.json")
def test_vector_of_a_rule_is_broken_by_the_transfer(vector: Map) -> None:
    row = {"name": "A", "status_since_at": 1, "pending": 0, "available": True} | vector.get("agent", {})
    agent = decode(Agent, row) if "agent" in vector else None
    session = replace(SESSION, **vector["session"])
    target = Target(**vector["target"])

    assert list(broken_by(vector["rule"], session, target, agent, vector["reason"])) == vector["broken"]


def test_rule_that_counts_is_the_departments_or_else_the_tenants() -> None:
    directory = Directory()
    sales = {"id": "sales", "name": "Sales", "agents": 0, "available": 0, "queued": 0}
    rows = {"departments": [sales, sales | {"id": "help", "rule": {"agents": "none"}}], "agents": []}
    directory.replace(decode(Snapshot, {"epoch": "e", "seq": 1, "rule": {"agents": "any"}, **rows}))

    found = [
        rule_of(replace(SESSION, department=name), directory) for name in ("help", "sales", "gone", None)
    ]
    assert found == [{"agents": "none"}, None, {"agents": "any"}, {"agents": "any"}]
