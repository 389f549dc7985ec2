"""Settings, as an admin changes them and agents read them, over websockets and HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from relevo.protocol.settings import SETTINGS
from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import Tenant
from tests.raw_client import FORMATS
from tests.routers import RouterProcess

Send = Callable[..., Awaitable[tuple[Any, Any]]]
RULE = {"departments": ["sales"], "agents": "members", "statuses": ["connected"], "at_capacity": False}
WHOLE_RULE = RULE | {"hops_max": 0, "reason": "optional"}


@pytest.fixture
async def tenant(routers: list[RouterProcess], make_tenant: MakeTenant) -> Tenant:
    tenant = make_tenant(routers, FORMATS)
    await tenant.put_department("sales")
    await tenant.put_department("help")
    return tenant


@pytest.fixture(params=["websocket", "http"])
async def send(tenant: Tenant, request: pytest.FixtureRequest) -> Send:
    """Send a command as an admin: the result and the error, one of them None."""
    if request.param == "http":

        async def post(command: str, **fields: Any) -> tuple[Any, Any]:
            answer = await tenant.post(command, token=tenant.token("adela", "admin"), **fields)
            return (answer.body, None) if answer.status == 200 else (None, answer.body)

        return post
    admin = await tenant.connect_admin()

    async def ask(command: str, **fields: Any) -> tuple[Any, Any]:
        reply = await admin.reply(await admin.send(command, **fields))
        return reply.get("result"), reply.get("error")

    return ask


def of_department(department_id: str, **settings: Any) -> dict[str, Any]:
    return {"id": department_id, "name": department_id, "settings": settings}


async def test_settings_that_are_not_set_are_answered_by_default(send: Send) -> None:
    result, _ = await send("settings.get")
    assert result == {
        "settings": {name: row.default for name, row in SETTINGS.items() if row.default is not None}
    }


async def test_setting_put_holds_and_null_puts_it_back(send: Send) -> None:
    for settings, expected in [({"missed_max": 5, "wrap_up_ms": 9}, 5), ({"missed_max": None}, 2)]:
        result, _ = await send("settings.put", settings=settings)
        assert result["settings"]["missed_max"] == expected
        assert await send("settings.get") == (result, None)
        assert result["settings"]["wrap_up_ms"] == 9


async def test_departments_settings_are_its_own_and_those_that_hold(send: Send) -> None:
    await send("settings.put", settings={"answer_ms": 5_000, "alarm_ms": 7_000})
    await send("department.put", department=of_department("sales", answer_ms=0, rule=RULE))
    result, _ = await send("department.get", department_id="sales")
    assert result["settings"] == {"answer_ms": 0, "rule": WHOLE_RULE}
    assert result["department"]["rule"] == WHOLE_RULE
    effective = result["effective"]
    assert [effective[name] for name in ("answer_ms", "alarm_ms", "missed_max")] == [0, 7_000, 2]
    assert effective["rule"] == WHOLE_RULE
    assert "reasons" not in effective


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"nope": 1}, "nope"),
        ({"answer_ms": -1}, "answer_ms"),
        ({"hours": {"zone": "Mars/Base", "week": {}}}, "hours.zone"),
        ({"hours": {"zone": "Europe", "week": {}}}, "hours.zone"),
        ({"hours": {"zone": "../etc/passwd", "week": {}}}, "hours.zone"),
        ({"overflow": {"on": ["full"], "to": {"kind": "room", "id": "x"}}}, "overflow.to.kind"),
    ],
)
async def test_setting_that_does_not_fit_is_named_by_its_path(
    send: Send, settings: dict[str, Any], path: str
) -> None:
    for command, fields, start in [
        ("settings.put", {"settings": settings}, "$.settings."),
        ("department.put", {"department": of_department("sales", **settings)}, "$.department.settings."),
    ]:
        _, error = await send(command, **fields)
        assert (error["code"], error["details"]) == ("bad_message", {"path": start + path})


async def test_department_that_settings_name_must_exist(send: Send) -> None:
    _, error = await send("settings.put", settings={"customers_open": ["sales", "night"]})
    assert (error["code"], error["details"]) == ("not_found", {"department_id": "night"})


async def test_page_behind_a_made_up_cursor_is_a_bad_message(send: Send) -> None:
    for cursor in ("1", "0-x", "99999999999999999999-", "\u0660-"):
        _, error = await send("agent.list", cursor=cursor)
        assert (error["code"], error["details"]) == ("bad_message", {"path": "$.cursor"})


@pytest.mark.parametrize("role", ["agent", "service"])
async def test_roles_read_and_change_what_the_table_says(tenant: Tenant, role: str) -> None:
    token = tenant.token("ana", role)
    asked: dict[str, dict[str, Any]] = {
        "settings.get": {},
        "settings.put": {"settings": {}},
        "department.get": {"department_id": "sales"},
        "department.list": {},
        "agent.list": {},
    }
    statuses = {
        command: (await tenant.post(command, token=token, **fields)).status
        for command, fields in asked.items()
    }
    changes = 403 if role == "agent" else 200
    assert list(statuses.values()) == [changes, changes, 200, 200, 200]


async def test_dialogs_on_every_node_show_a_changed_rule(tenant: Tenant) -> None:
    dialogs = [await tenant.connect_agent("ana"), await tenant.connect_agent("bob", on=1)]
    for dialog in dialogs:
        await dialog.open_dialog()
    await tenant.post("department.put", department=of_department("sales", rule=RULE))
    for dialog in dialogs:
        await dialog.sees_department("sales", rule=WHOLE_RULE)
    await tenant.post("settings.put", settings={"rule": {"hops_max": 3}})
    for dialog in dialogs:
        await dialog.sees_department("help", rule=SETTINGS["rule"].default | {"hops_max": 3})
        assert dialog.dialog.departments["sales"]["rule"] == WHOLE_RULE
    await tenant.post("settings.put", settings={"rule": None})
    for dialog in dialogs:
        await dialog.sees_department("help", rule=None)


REASONS = [
    {"id": "lunch", "name": "Lunch", "status": "pause"},
    {"id": "leaving", "name": "Leaving", "status": "pre_pause"},
]


async def test_reason_must_be_one_of_the_settings_for_its_status(tenant: Tenant, send: Send) -> None:
    await tenant.put_agent("ana")
    await send("settings.put", settings={"reasons": REASONS})
    chosen = [
        ("pause", "lunch"),
        ("pause", "leaving"),
        ("connected", "lunch"),
        ("pause", "tea"),
        ("pause", None),
    ]
    answers = []
    for status, reason in chosen:
        result, error = await send("status.set", agent_id="ana", status=status, reason=reason)
        answers.append(result["agent"].get("status_reason") if error is None else error["details"])
    assert answers == ["lunch", *[{"path": "$.reason"}] * 3, None]


async def test_any_reason_is_taken_where_the_settings_name_none(tenant: Tenant, send: Send) -> None:
    await tenant.put_agent("ana")
    for reasons in (REASONS, None):
        await send("settings.put", settings={"reasons": reasons})
    result, _ = await send("status.set", agent_id="ana", status="pause", reason="tea")
    assert result["agent"]["status_reason"] == "tea"


async def test_refused_reason_is_a_bad_message_and_changes_nothing(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana")
    await tenant.do("settings.put", settings={"reasons": REASONS})
    assert (await ana.refused("status.set", status="pause", reason="tea"))["code"] == "bad_message"
    answer = await tenant.post("status.set", token=tenant.token("ana"), status="pause", reason="tea")
    assert (answer.status, answer.body["code"]) == (400, "bad_message")
    row = (await ana.command("agent.get", agent_id="ana"))["agent"]
    assert (row["status"], "status_reason" in row) == ("connected", False)
