"""
The store as the model's tests see it: run commands by hand, and read a tenant's every key.

The commands are the real ones, in a real server. Only what surrounds them is left out, so that a test chooses
the time and the server's run id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import redis

from relevo.protocol.objects import Actor, Agent, Department, Entry, Owner, Session
from relevo.router.audit import Audit, Violation
from relevo.router.store import answers, records
from relevo.router.store.commands import encode_request
from relevo.router.store.events import Change as StoredChange
from relevo.router.store.events import Event, decode_event
from relevo.router.store.lua.library import FOLDER, Scripts
from tests.servers import StoreServer
from tests.stateful.known import Answer, Change, Request

FALSE, NOTHING = msgspec.Raw(b"\xc2"), msgspec.Raw(b"\xc0")
_result = msgspec.msgpack.Decoder(dict[str, msgspec.Raw])

ONE: Mapping[str, Any] = {
    "agent": answers.agent,
    "department": answers.department,
    "session": answers.session,
    "entry": answers.entry,
    "decision": lambda raw: answers.decision(msgspec.msgpack.decode(raw, type=records.DecisionRecord | None)),
}
MANY: Mapping[str, Any] = {
    "sessions": answers.session,
    "in_progress": answers.session,
    "pending": answers.session,
}
ROWS: Mapping[str, Any] = {"agents": answers.agent, "departments": answers.department}

# One round trip for a whole tenant: each key with its type, its content and how long it lives on.
DUMP = """
local found = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
  local kind, content = redis.call('TYPE', key).ok, nil
  if kind == 'string' then content = redis.call('GET', key)
  elseif kind == 'hash' then content = redis.call('HGETALL', key)
  elseif kind == 'set' then content = redis.call('SMEMBERS', key)
  elseif kind == 'zset' then content = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  else content = redis.call('LRANGE', key, 0, -1)
  end
  found[#found + 1] = {string.sub(key, #ARGV[1] + 1), kind, content, redis.call('PTTL', key)}
end
return found
"""


def prefix(tenant: str) -> str:
    """Return how every key of a tenant starts."""
    return f"relevo:{{{tenant}}}:"


@dataclass
class StoredState:
    """What a tenant's keys hold, taken apart but not checked."""

    agents: dict[str, Agent] = field(default_factory=dict)
    chosen: dict[str, tuple[str, bool]] = field(default_factory=dict)
    departments: dict[str, Department] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    histories: dict[str, list[Entry]] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    found_by: dict[str, dict[str, float]] = field(default_factory=dict)
    births: dict[str, int] = field(default_factory=dict)
    sets: dict[str, set[str]] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    expiring: set[str] = field(default_factory=set)
    epoch: str = ""
    seq: int = 0
    events: list[int] = field(default_factory=list)

    def lists_of(self, kind: str) -> dict[str, list[str]]:
        """Return the lists `kind:ID` by id."""
        return {name[len(kind) + 1 :]: ids for name, ids in self.lists.items() if name.startswith(kind + ":")}


class CommandRunner:
    """
    Run commands on a server of the test's own.

    Args:
        server: Running.
        scripts: The folder of the commands; a test of the tests brings broken ones.
    """

    def __init__(self, server: StoreServer, scripts: Path = FOLDER) -> None:
        self._scripts = Scripts(scripts)
        where = server.socket_path
        self._redis: Any = redis.Redis(unix_socket_path=where, protocol=2, single_connection_client=True)
        self._redis.function_load(self._scripts.source.decode(), replace=True)
        self._dump = self._redis.script_load(DUMP)
        self._feed = self._redis.pubsub()  # type: ignore[no-untyped-call]
        self.run_id = ""

    def close(self) -> None:
        """Let go of the server."""
        self._feed.close()
        self._redis.function_delete(self._scripts.name)
        self._redis.close()

    def run(self, tenant: str, command: str, request: Request) -> Answer:
        """Run a command and take its answer apart."""
        function = self._scripts.function(command).decode()
        limits = [*request["limits"], *[None] * 4, records.SCHEMA]
        if "settings" in request:
            given = request["settings"].items()
            settings = {name: answers.packed(value) if value is not None else False for name, value in given}
            request = request | {"settings": settings}
        if "attributes" in request:
            attributes = request["attributes"]
            request = request | {"attributes": answers.packed(attributes) if attributes else False}
        packed = encode_request(answers.packed(limits), dict(request))
        reply = self._redis.fcall(function, 1, prefix(tenant), self.run_id, packed)
        answer = answers.decode_answer(reply)
        if answer.error is not None:
            if answer.session:
                return Answer(error=answer.error, details={"session": answers.session(answer.session)})
            return Answer(error=answer.error, details=_details(answer.error, answer.details))
        assert answer.result, reply
        assert not answer.set_aside, answer.set_aside
        if command == "session_history":
            page = msgspec.msgpack.decode(answer.result, type=answers.HistoryReply)
            entries, more = page.page
            return Answer({"entries": entries, "more": more})
        found = {name: _field(name, raw) for name, raw in _result.decode(answer.result).items()}
        if command == "connect":
            assert found.pop("left") == []
        if command == "directory":
            assert found.pop("cursor") == ""
        return Answer(found)

    def dump(self, tenant: str) -> list[Any]:
        """Return every key of a tenant, in the order of the keys."""
        found = self._redis.evalsha(self._dump, 0, prefix(tenant))
        for row in found:
            if row[1] == b"set":
                row[2].sort()
            elif row[1] == b"hash":
                # A server may turn a hash over without a write to it.
                row[2] = [word for pair in sorted(_pairs(row[2]).items()) for word in pair]
        return sorted(found)

    def audit(self, tenant: str, names: Iterable[str]) -> list[Violation]:
        """Hold the rules that one state can show against a tenant's keys, as `relevo audit` does."""
        audit = Audit(["tenant", *names])
        read_snapshot = self._scripts.function("read_snapshot").decode()
        while reads := audit.reads():
            reply = self._redis.fcall(
                read_snapshot, 1, prefix(tenant), self.run_id, encode_request(NOTHING, {"reads": reads})
            )
            found = msgspec.msgpack.decode(answers.decode_answer(reply).result, type=answers.SnapshotReply)
            audit.take([answers.plain(value) for value in found.values], found.now)
        assert not audit.unsettled
        return list(audit.violations)

    def forget(self, tenant: str, session_id: str) -> None:
        """Take a closed session away, as the server does when its time is over."""
        self._redis.delete(f"{prefix(tenant)}session:{session_id}")

    def begin(self, tenants: Iterable[str]) -> None:
        """Empty the server, and listen to the feeds from here on."""
        self.run_id = "run 0"
        self.empty()
        for tenant in tenants:
            channel = f"{prefix(tenant)}feed"
            if channel.encode() not in self._feed.shard_channels:
                self._feed.ssubscribe(channel)
                assert self._feed.get_message(timeout=5)["type"] == "ssubscribe"
        self.published(0)

    def empty(self) -> None:
        """Lose everything."""
        self._redis.flushall()

    def published(self, count: int) -> list[tuple[str, bytes]]:
        """Return what was published since the last time: `count` events, and any that should not be there."""
        heard: list[tuple[str, bytes]] = []
        while message := self._feed.get_message(timeout=5 if len(heard) < count else 0):
            heard.append((message["channel"].decode(), message["data"]))
        return heard


def _field(name: str, raw: msgspec.Raw) -> Any:
    if name in ONE:
        return ONE[name](raw)
    if name in MANY:
        return [MANY[name](each) for each in msgspec.msgpack.decode(raw, type=list[msgspec.Raw])]
    if name in ROWS:
        packed = msgspec.msgpack.decode(raw, type=list[msgspec.Raw])
        rows = [ROWS[name](msgspec.Raw(records.content_of(each))) for each in packed]
        return sorted(rows, key=lambda row: row.id)
    if name in ("settings", "effective"):
        return answers.settings_of(msgspec.msgpack.decode(raw, type=dict[str, msgspec.Raw]))
    if name == "events":
        packed = msgspec.msgpack.decode(raw, type=list[msgspec.Raw] | None) or []
        assert FALSE not in packed, "S9: an event is not kept"
        return [decode_event(records.content_of(each)) for each in packed]
    return msgspec.msgpack.decode(raw)


def _details(error: str, details: Any) -> Any:
    """Return the details that the protocol names; others may be there."""
    if error in ("in_use", "at_capacity"):
        return details
    if error == "no_origin":
        owner = msgspec.convert(details["owner"], Owner)
        return {"owner": owner, "department": details.get("department")}
    if error == "not_allowed":
        return {"because": details["because"], "department": details.get("department")}
    if error != "conflict":
        return None
    return {
        "fence": details["fence"],
        "state": details["state"],
        "owner": msgspec.convert(details["owner"], Owner | None),
        "by": msgspec.convert(details["by"], Actor | None),
        "at": details["at"],
    }


def change_of(change: StoredChange) -> Change:
    """Return what an event says of a session, in the model's words."""
    record = change.record
    owner = record.owner_id if record.state in ("in_progress", "pending") else None
    placed = change.what == "placed"
    old = records.transfer_of(change.superseded, record.id) if change.superseded is not None else None
    updated = (change.superseded_sender or record.sender or "", change.told or "", old)
    return Change(
        session_id=record.id,
        entries=records.entries_of(record) if change.what in ("placed", "written") else [],
        session=records.session_of(record, change.transfer) if change.what != "written" else None,
        owner=owner,
        assigned=owner if placed and record.state == "in_progress" else None,
        pending=owner if placed and record.state == "pending" else None,
        removed=(change.left, change.why or "") if change.left is not None else None,
        updated=updated if change.told is not None else None,
    )


def session_of(log: list[bytes]) -> Session:
    """Return the session that a log is."""
    last = records.decode_session(log[-1])
    held = None
    if last.transfer_at >= 0:
        held = records.decode_session(log[last.transfer_at]).transfer
        assert held is not None, f"session {last.id} has no transfer where it says"
    return records.session_of(last, held)


def stored_state(rows: list[Any]) -> StoredState:
    """
    Take a dump apart.

    Raises:
        AssertionError: There is a key that no command should have made.
    """
    found = StoredState()
    events: list[Event] = []
    for name, _, content, ttl_ms in rows:
        kind, _, name_id = name.decode().partition(":")
        if ttl_ms >= 0:
            found.expiring.add(name.decode())
        if name == b"tenant":
            for field_name, record in _pairs(content).items():
                _take(found, events, field_name.decode(), record)
        elif name in (b"agents", b"departments"):
            found.sets[name.decode()] = {member.decode() for member in content}
        elif name == b"due":
            found.due = {member.decode(): int(score) for member, score in _pairs(content).items()}
        elif name == b"removed":
            found.removed = {member.decode(): int(score) for member, score in _pairs(content).items()}
        elif kind == "session":
            found.sessions[name_id] = session_of(content)
            found.births[name_id] = records.decode_session(content[0]).order
            log = map(records.decode_session, content)
            found.histories[name_id] = [entry for record in log for entry in records.entries_of(record)]
        elif kind in ("owned", "pending", "queue", "state", "available"):
            found.lists[name.decode()] = [member.decode() for member in content[::2]]
        elif kind in ("customer", "routed", "had"):
            places = {member.decode(): float(score) for member, score in _pairs(content).items()}
            found.found_by[name.decode()] = places
        elif kind in ("members", "connections", "node"):
            found.sets[name.decode()] = {member.decode() for member in content}
        elif kind == "keys":
            found.keys |= {field_name.decode() for field_name in _pairs(content) if field_name}
        else:
            raise AssertionError(f"unknown key: {name!r}")
    found.events = sorted(event.seq for event in events if event.epoch == found.epoch)
    return found


def _take(found: StoredState, events: list[Event], name: str, record: bytes) -> None:
    """Take a field of the tenant's hash."""
    if name == "m":
        meta = records.decode_meta(record)
        found.epoch, found.seq = meta.epoch, meta.seq
    elif name.isdigit():
        events.append(decode_event(record))
    elif name[0] == "a":
        agent = records.decode_agent(record)
        found.agents[agent.id] = records.agent_of(agent)
        found.chosen[agent.id] = (agent.chosen, agent.present)
        if isinstance(agent.owned, str) and agent.owned.split():
            found.lists[f"owned:{agent.id}"] = agent.owned.split()
    elif name[0] == "s":
        packed = msgspec.msgpack.decode(record, type=dict[str, msgspec.Raw])
        found.settings[name[1:]] = answers.settings_of(packed)
    elif name != "w":  # The write that the durability waiter counts with.
        department = records.decode_department(record)
        found.departments[department.id] = records.department_of(department)


def _pairs(flat: list[Any]) -> dict[Any, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
