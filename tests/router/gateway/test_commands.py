"""What a command becomes for the store, and what the store's answer becomes; which callers may send it."""

from typing import Any, cast

import msgspec
import pytest

from relevo.protocol.codec import JSON, InvalidMessage
from relevo.protocol.commands import (
    COMMANDS,
    AgentPut,
    AgentRemove,
    Command,
    DepartmentRemove,
    Mutation,
    SessionGet,
    SessionHistory,
    SessionList,
    SessionNote,
    SessionOpen,
    SessionTransfer,
    StatusSet,
)
from relevo.protocol.errors import Error, ErrorCode
from relevo.protocol.examples import COMMAND_EXAMPLES
from relevo.protocol.results import Empty, HistoryResult, ListResult, SessionResult
from relevo.router.gateway.commands import RULES, CommandError, caller_of, execute
from relevo.router.gateway.costs import CHARGED_ROWS
from relevo.router.store import answers
from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError
from relevo.router.store.commands import CommandRejectedError
from tests.router.events import session_record, session_view
from tests.router.gateway.fakes import FakeStore, principal

SESSION = answers.SessionReply(session_view(session_record("s", "ana")))


@pytest.fixture
def store() -> FakeStore:
    store = FakeStore()
    store.answer = SESSION
    return store


def command(fields: dict[str, Any]) -> Command:
    """Return a command as the codec decodes it."""
    (decoded,) = JSON.decode(msgspec.json.encode(fields))
    assert not isinstance(decoded, InvalidMessage)
    return decoded


async def run(store: FakeStore, asked: Command, role: str = "agent") -> Any:
    caller = principal(role=role)
    return await execute(cast(Any, store), caller, caller_of(caller, attached=True), asked)


async def error_of(store: FakeStore, asked: Command, role: str = "agent") -> Error:
    with pytest.raises(CommandError) as caught:
        await run(store, asked, role)
    return caught.value.error


GET = SessionGet(id="1", session_id="s")
OPEN = {
    "type": "session.open",
    "id": "1",
    "key": "k",
    "session_id": "s",
    "customer": {"id": "c", "name": "C"},
}


@pytest.mark.parametrize(
    "asked", [each for each in COMMAND_EXAMPLES if type(each) in RULES], ids=lambda each: type(each).__name__
)
async def test_a_role_that_a_rule_does_not_list_is_forbidden(store: FakeStore, asked: Command) -> None:
    allowed = RULES[type(asked)].roles
    # The directory may know of a later role of an agent than its token: the store decides.
    decided_here = {"admin", "service"} if "admin" in allowed else {"agent", "admin", "service"}
    for role in decided_here - allowed:
        assert (await error_of(store, asked, role)).code is ErrorCode.FORBIDDEN
    assert store.asked == []


@pytest.mark.parametrize("role", ["agent", "admin"])
async def test_what_admins_may_is_asked_of_the_store_as_such(store: FakeStore, role: str) -> None:
    store.answer = CommandRejectedError("not_found", {})
    await error_of(store, AgentRemove(id="1", agent_id="bob"), role)
    assert store.asked[0][1]["for_admins"] is True


async def test_a_command_goes_to_the_store_with_its_fields_and_caller(store: FakeStore) -> None:
    result = await run(store, GET)
    ((name, request),) = store.asked
    assert isinstance(result, SessionResult)
    assert (name, request["session_id"], request["by"].id) == ("session_get", "s", "ana")
    assert not {"id", "key", "print"} & request.keys()
    assert request["durable"] is False


async def test_a_mutation_carries_its_idempotency_key_and_is_durable(store: FakeStore) -> None:
    store.answer = StoreUnavailableError("no answer in time")
    note = command({"type": "session.note", "id": "1", "key": "k", "session_id": "s", "text": "hi"})
    assert isinstance(note, SessionNote | Mutation)
    await error_of(store, note)
    ((_, request),) = store.asked
    assert (request["key"], request["durable"]) == ("k", True)
    assert int(request["print"], 16)


@pytest.mark.parametrize(
    ("raised", "code", "details"),
    [
        (CommandRejectedError("conflict", {"fence": 3}), ErrorCode.CONFLICT, {"fence": 3}),
        (StoreUnavailableError("no answer in time"), ErrorCode.UNAVAILABLE, {"reason": "no answer in time"}),
    ],
)
async def test_an_error_of_the_store_is_the_commands(
    store: FakeStore, raised: Exception, code: ErrorCode, details: dict[str, Any]
) -> None:
    store.answer = raised
    error = await error_of(store, GET)
    assert (error.code, error.details) == (code, details)


async def test_a_defect_of_the_store_is_internal_with_an_incident(store: FakeStore) -> None:
    store.answer = StoreDefectError("session_get", "it failed")
    error = await error_of(store, GET)
    assert (error.code, list(error.details)) == (ErrorCode.INTERNAL, ["incident"])


@pytest.mark.parametrize(
    ("role", "agent_id", "status", "is_allowed"),
    [
        ("agent", None, "pause", True),
        ("agent", "ana", "pause", True),
        ("agent", "bob", "pause", True),
        ("agent", None, "disconnected", False),
        ("admin", "bob", "disconnected", True),
        ("admin", None, "disconnected", False),
    ],
)
async def test_no_agent_sets_itself_disconnected(
    store: FakeStore, role: str, agent_id: str | None, status: Any, is_allowed: bool
) -> None:
    store.answer = CommandRejectedError("not_found", {})  # As far as this test goes.
    error = await error_of(store, StatusSet(id="1", key="k", status=status, agent_id=agent_id), role)
    assert (error.code is not ErrorCode.FORBIDDEN) == is_allowed
    if is_allowed:
        assert store.asked[0][1]["agent_id"] == (agent_id or "ana")


async def test_a_session_without_target_is_opened_by_an_admin_only(store: FakeStore) -> None:
    opened = command(OPEN)
    assert isinstance(opened, SessionOpen)
    assert (await error_of(store, opened, "service")).code is ErrorCode.FORBIDDEN
    assert isinstance(await run(store, opened, "admin"), SessionResult)


async def test_an_empty_reason_is_not_sent(store: FakeStore) -> None:
    fields = {"type": "session.transfer", "id": "1", "key": "k", "session_id": "s", "fence": 1}
    target = {"kind": "agent", "id": "bob"}
    store.answer = CommandRejectedError("not_found", {})
    for reason in ("", "please"):
        transfer = command(fields | {"target": target, "reason": reason})
        assert isinstance(transfer, SessionTransfer)
        await error_of(store, transfer)
    assert ["reason" in request for _, request in store.asked] == [False, True]


async def test_a_page_has_a_limit_and_a_position_by_default(store: FakeStore) -> None:
    store.answer = answers.HistoryReply([], last=0, after=0, limit=1)
    assert isinstance(await run(store, SessionHistory(id="1", session_id="s")), HistoryResult)
    store.answer = answers.ListReply([], position=7)
    listed = await run(store, SessionList(id="1", cursor="5"), "admin")
    assert listed == ListResult([], "7")
    history, page = (request for _, request in store.asked)
    assert (history["after"], page["after"]) == (0, 5)
    assert history["limit"] == page["limit"] > 0


class PagedStore(FakeStore):
    """A store with so many sessions, at the positions 1, 2 and so on."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    async def run(self, tenant: str, name: str, request: dict[str, Any], answer: Any, **options: Any) -> Any:
        await super().run(tenant, name, request, answer, **options)
        after, end = request["after"], min(request["after"] + request["limit"], self.count)
        page = [session_view(session_record(f"s{number + 1}", "ana")) for number in range(after, end)]
        return answers.ListReply(page, end if end < self.count else None)


@pytest.mark.parametrize(
    ("count", "limit", "steps", "cursor"),
    [(250, 500, [100, 100, 100], None), (250, 220, [100, 100, 20], "220"), (250, 200, [100, 100], "200")],
)
async def test_long_list_is_read_in_steps(
    count: int, limit: int, steps: list[int], cursor: str | None
) -> None:
    store = PagedStore(count)
    listed = await run(store, SessionList(id="1", limit=limit))
    assert [session.id for session in listed.sessions] == [f"s{n + 1}" for n in range(min(count, limit))]
    assert listed.cursor == cursor
    assert [request["limit"] for _, request in store.asked] == steps
    assert [request["weight"] for _, request in store.asked] == [1 + step // CHARGED_ROWS for step in steps]


@pytest.mark.parametrize("cursor", ["x", "-1", "1" * 17, "²"])
async def test_a_cursor_of_no_page_is_a_bad_message(store: FakeStore, cursor: str) -> None:
    error = await error_of(store, SessionList(id="1", cursor=cursor), "admin")
    assert (error.code, error.details) == (ErrorCode.BAD_MESSAGE, {"path": "$.cursor"})
    assert store.asked == []


async def test_a_command_without_a_result_answers_empty(store: FakeStore) -> None:
    removed = command({"type": "department.remove", "id": "1", "key": "k", "department_id": "d"})
    assert isinstance(removed, DepartmentRemove)
    assert await run(store, removed, "admin") == Empty()


def test_a_caller_has_its_claims_until_its_connection_is_attached() -> None:
    agent = principal(departments=("sales",), capacity=3)
    attached, claimed = caller_of(agent, attached=True), caller_of(agent, attached=False)
    assert (attached.attached, attached.departments, attached.capacity) == (True, None, None)
    assert (claimed.attached, claimed.departments, claimed.capacity) == (False, ("sales",), 3)
    assert not caller_of(principal(role="service"), attached=True).attached


def test_every_rule_is_of_a_command_and_puts_agents_and_departments_apart() -> None:
    assert set(RULES) <= set(COMMANDS.values())
    assert RULES[AgentPut].roles == {"admin", "service"}
