"""The typed calls, on a store client that only remembers what it was asked."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from relevo.router.store import answers, records
from relevo.router.store.client.errors import StoreDefectError
from relevo.router.store.commands import Caller, CommandRejectedError, StoreCommands
from tests.router.events import agent_record, department_record, event
from tests.router.store.stored_tenant import LIMITS

encode = msgspec.msgpack.encode


class FakeClient:
    """Answers one reply after the other, and remembers the requests."""

    def __init__(self, *replies: Any) -> None:
        self.replies = [reply if isinstance(reply, bytes) else encode(reply) for reply in replies]
        self.asked: list[tuple[str, str, dict[str, Any], dict[str, bool]]] = []

    async def run(self, tenant: str, command: str, request: bytes, **options: bool) -> bytes:
        limits, *_, fields = msgspec.msgpack.decode(request, type=list[msgspec.Raw])
        known = {
            **msgspec.msgpack.decode(fields),
            "limits": msgspec.msgpack.decode(records.content_of(limits)),
        }
        self.asked.append((tenant, command, known, options))
        return self.replies.pop(0)


def commands_of(client: FakeClient) -> StoreCommands:
    return StoreCommands(client, LIMITS, "n1")  # type: ignore[arg-type]


def page(agents: list[Any], cursor: str = "", epoch: str = "e", seq: int = 3) -> dict[str, Any]:
    """Return a page of the directory as the store answers it."""
    packed = [answers.packed(agent) for agent in agents]
    departments = [answers.packed(department_record("sales"))]
    found = {"epoch": epoch, "seq": seq, "before": "", "cursor": cursor, "departments": departments}
    return {"result": found | {"agents": packed}}


async def test_run_sends_the_limits_with_every_request() -> None:
    client = FakeClient({"result": {}})
    await commands_of(client).run("acme", "status_set", {"agent_id": "ana"}, msgspec.Raw, durable=True)
    [(tenant, command, request, options)] = client.asked
    assert (tenant, command, request["agent_id"]) == ("acme", "status_set", "ana")
    assert request["limits"][:2] == [LIMITS.events_max, LIMITS.key_ttl_ms]
    assert options == {"durable": True, "urgent": False, "weight": 1}


async def test_run_raises_a_rejection_with_its_details() -> None:
    client = FakeClient({"error": "conflict", "details": {"fence": 3}})
    with pytest.raises(CommandRejectedError) as rejection:
        await commands_of(client).run("acme", "session_close", {}, msgspec.Raw)
    assert (rejection.value.code, rejection.value.details) == ("conflict", {"fence": 3})


@pytest.mark.parametrize(
    "reply",
    [b"\xc1", {}, {"result": 7}, {"error": "unreadable", "details": {"record": "session s"}}],
    ids=["no MessagePack", "nothing", "of another shape", "unreadable"],
)
async def test_run_raises_a_defect_for_a_reply_that_is_none(reply: Any) -> None:
    with pytest.raises(StoreDefectError):
        await commands_of(FakeClient(reply)).run("acme", "renew", {}, answers.Lease)


async def test_run_logs_and_counts_each_record_set_aside() -> None:
    commands = commands_of(
        FakeClient({"result": {}, "set_aside": ["due dance ana: unknown", "agent eve: bad"]})
    )
    with capture_logs() as logs:
        await commands.run("acme", "renew", {}, msgspec.Raw)
    assert [line["event"] for line in logs] == ["record set aside"] * 2
    assert commands.bad_records == 2


async def test_connect_names_the_connection_and_the_node() -> None:
    found = {"agent": 1, "known": True, "epoch": "e", "seq": 1, "in_progress": [], "pending": []}
    client = FakeClient({"result": found})
    await commands_of(client).connect("acme", Caller("ana", "agent", capacity=3), "c1")
    [(_, command, request, _)] = client.asked
    assert (command, request["connection_id"], request["node_id"]) == ("connect", "c1", "n1")
    assert request["by"] == {"id": "ana", "role": "agent", "capacity": 3}


async def test_directory_reads_page_after_page_at_the_position_of_the_first() -> None:
    client = FakeClient(
        page([agent_record("ana")], cursor="7", seq=3), page([agent_record("bob", load=2)], seq=5)
    )
    found = await commands_of(client).directory("acme")
    assert [request["cursor"] for _, _, request, _ in client.asked] == ["", "7"]
    assert (found.seq, [row.id for row in found.agents]) == (3, ["ana", "bob"])


async def test_directory_begins_again_where_another_epoch_began_between_pages() -> None:
    client = FakeClient(
        page([agent_record("ana")], cursor="7"), page([], epoch="f"), page([agent_record("bob")], epoch="f")
    )
    found = await commands_of(client).directory("acme")
    assert (found.epoch, [row.id for row in found.agents]) == ("f", ["bob"])


async def test_directory_leaves_out_a_row_that_cannot_be_read() -> None:
    commands = commands_of(FakeClient(page([{"id": "eve"}, agent_record("ana")])))
    assert [row.id for row in (await commands.directory("acme")).agents] == ["ana"]
    assert commands.bad_records == 1


@pytest.mark.parametrize(
    ("kept", "seqs"),
    [
        ([event(4, epoch="e"), event(5, epoch="e")], [4, 5]),
        ([], []),
        ([event(4, epoch="e"), event(6, epoch="e")], None),
        ([event(4, epoch="old")], None),
        ([["no event"]], None),
    ],
    ids=["all", "none", "a gap", "another epoch", "unreadable"],
)
async def test_events_are_all_that_follow_or_none(kept: list[Any], seqs: list[int] | None) -> None:
    reply = {"epoch": "e", "seq": 5, "events": [answers.packed(one) for one in kept]}
    found = await commands_of(FakeClient({"result": reply})).events("acme", "e", 3, 10)
    assert (None if found.events is None else [one.seq for one in found.events]) == seqs


async def test_rebuild_returns_what_is_left() -> None:
    client = FakeClient({"result": {"left": [["tenant", "9"]]}})
    assert await commands_of(client).rebuild("acme", [("tenant", "0")]) == [("tenant", "9")]
