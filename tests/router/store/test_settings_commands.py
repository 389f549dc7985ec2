"""What the commands do with settings, and how pages of the directory are read, by example."""

from typing import Any

import msgspec
import pytest

from relevo.protocol.settings import RULE_DEFAULT, RuleProfile
from relevo.router.store import answers, records
from tests.router.store.stored_tenant import SALES, StoredTenant

STRICT = RuleProfile(agents="none")


def packed(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: False if value is None else answers.packed(value) for name, value in settings.items()}


async def put(tenant: StoredTenant, parties: Any = (), **settings: Any) -> dict[str, Any]:
    """Change the tenant's settings, and return all that are set."""
    result = await tenant.run("settings_put", "boss", settings=packed(settings), parties=list(parties))
    return read(result["settings"])


async def put_in(tenant: StoredTenant, department_id: str, parties: Any = (), **settings: Any) -> Any:
    """Change a department's settings, and return its row."""
    department = {"id": department_id, "name": department_id.title()}
    fields = {"settings": packed(settings), "parties": list(parties)}
    result = await tenant.run("department_put", "boss", department=department, **fields)
    return answers.department(result["department"])


def read(raw: msgspec.Raw) -> dict[str, Any]:
    return answers.settings_of(msgspec.msgpack.decode(raw, type=dict[str, msgspec.Raw]))


async def settings_of(tenant: StoredTenant, department_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a department's own settings, and those that hold in it."""
    result = await tenant.run("department_get", "ana", department_id=department_id)
    return read(result["settings"]), read(result["effective"])


@pytest.fixture
async def tenant(tenant: StoredTenant) -> StoredTenant:
    await tenant.connect_new("ana")
    await tenant.new_events()
    return tenant


async def test_settings_that_are_named_change_and_null_takes_one_away(tenant: StoredTenant) -> None:
    assert await put(tenant, answer_ms=5, alarm_ms=0) == {"answer_ms": 5, "alarm_ms": 0}
    assert await put(tenant, answer_ms=None, missed_max=3) == {"alarm_ms": 0, "missed_max": 3}
    assert read((await tenant.run("settings_get", "boss"))["settings"]) == {"alarm_ms": 0, "missed_max": 3}
    assert await put(tenant, alarm_ms=None, missed_max=None) == {}


async def test_departments_own_setting_wins_over_the_tenants(tenant: StoredTenant) -> None:
    await put(tenant, answer_ms=5, alarm_ms=7)
    await put_in(tenant, "sales", answer_ms=0)
    assert await settings_of(tenant, "sales") == ({"answer_ms": 0}, {"answer_ms": 0, "alarm_ms": 7})
    assert await settings_of(tenant, "help") == ({}, {"answer_ms": 5, "alarm_ms": 7})


async def test_change_of_settings_is_one_event_and_none_where_nothing_changes(tenant: StoredTenant) -> None:
    await put(tenant, answer_ms=5)
    await put(tenant, answer_ms=5)
    await put_in(tenant, "sales", alarm_ms=7)
    first, second = await tenant.new_events()
    assert (first.rule, first.departments, second.departments) == (None, [], [])
    assert await tenant.new_events() == []


async def test_departments_rule_stands_in_its_row_and_in_the_event(tenant: StoredTenant) -> None:
    row = await put_in(tenant, "sales", rule=STRICT)
    (event,) = await tenant.new_events()
    assert [records.department_of(each) for each in event.departments] == [row]
    assert msgspec.to_builtins(row.rule) == msgspec.to_builtins(STRICT)
    assert await tenant.department("sales") == row
    await put_in(tenant, "sales", rule=STRICT)
    assert await tenant.new_events() == []
    assert (await put_in(tenant, "sales", rule=None)).rule is msgspec.UNSET
    assert (await tenant.department("sales")).rule is msgspec.UNSET


async def test_departments_rule_stays_when_its_counts_change(tenant: StoredTenant) -> None:
    row = await put_in(tenant, "sales", rule=STRICT)
    await tenant.open("s1", SALES)
    assert await tenant.department("sales") == msgspec.structs.replace(row, queued=1)


async def test_tenants_rule_is_told_once_and_answered_for_each_department(tenant: StoredTenant) -> None:
    await put(tenant, rule=STRICT)
    (event,) = await tenant.new_events()
    assert msgspec.to_builtins(event.rule) == msgspec.to_builtins(STRICT)
    assert event.departments == []
    found = await tenant.directory()
    assert msgspec.to_builtins(found.rule) == msgspec.to_builtins(STRICT)
    assert (await put_in(tenant, "sales")).rule == found.rule
    assert (await put_in(tenant, "sales", rule=RULE_DEFAULT)).rule != found.rule
    await tenant.new_events()
    await put(tenant, rule=None)
    (event,) = await tenant.new_events()
    assert event.rule is False
    assert (await tenant.directory()).rule is None


async def test_removed_departments_settings_go_with_it(tenant: StoredTenant) -> None:
    await put_in(tenant, "sales", answer_ms=5, rule=STRICT)
    assert (await settings_of(tenant, "sales"))[0].keys() == {"answer_ms", "rule"}
    await tenant.run("department_remove", "boss", department_id="sales")
    assert (await put_in(tenant, "sales")).rule is msgspec.UNSET
    assert await settings_of(tenant, "sales") == ({}, {})


@pytest.mark.parametrize("party", [{"kind": "agent", "id": "zoe"}, {"kind": "department", "id": "night"}])
async def test_what_settings_name_must_exist(tenant: StoredTenant, party: dict[str, str]) -> None:
    fields = {"settings": packed({"answer_ms": 5}), "parties": [party]}
    assert await tenant.refuse("not_found", "settings_put", "boss", **fields) == {
        f"{party['kind']}_id": party["id"]
    }
    assert await tenant.new_events() == []


async def test_new_department_may_name_itself(tenant: StoredTenant) -> None:
    row = await put_in(tenant, "night", [{"kind": "department", "id": "night"}], rule=STRICT)
    assert row.id == "night"


async def test_settings_outlive_a_lost_meta_record(tenant: StoredTenant) -> None:
    await put(tenant, answer_ms=5)
    await put_in(tenant, "sales", alarm_ms=7)
    key = f"relevo:{{{tenant.id}}}:tenant".encode()
    await tenant.commands.store.read(tenant.id, b"HDEL", key, b"m")
    assert await settings_of(tenant, "sales") == ({"alarm_ms": 7}, {"answer_ms": 5, "alarm_ms": 7})


async def test_settings_that_cannot_be_read_are_kept_aside(tenant: StoredTenant) -> None:
    await put(tenant, answer_ms=5)
    key = f"relevo:{{{tenant.id}}}:tenant".encode()
    await tenant.commands.store.read(tenant.id, b"HSET", key, b"s", b"x")
    assert await put(tenant, alarm_ms=7) == {"alarm_ms": 7}
    assert tenant.commands.bad_records == 1


# Pages ------------------------------------------------------------------------------------------------------


async def page(tenant: StoredTenant, kind: str, cursor: str, limit: int) -> tuple[list[Any], str]:
    """Read a page: its rows, and the cursor of the next."""
    result = await tenant.run("directory_list", "ana", list=kind, cursor=cursor, limit=limit)
    found = msgspec.msgpack.decode(result["rows"], type=Packed)
    decode: Any = answers.agent if kind == "agents" else answers.department
    return answers.rows(found, decode), msgspec.msgpack.decode(result["cursor"], type=str)


Packed = list[msgspec.Raw]


@pytest.mark.parametrize("count", [5, 300])
@pytest.mark.parametrize("limit", [1, 2, 500])
async def test_pages_hold_each_agent_once_and_no_more_than_asked(
    tenant: StoredTenant, count: int, limit: int
) -> None:
    names = [f"agent-{number}" for number in range(count)]
    for name in names:
        profile = {"id": name, "name": name, "role": "agent", "departments": [], "capacity": 1}
        await tenant.run("agent_put", "boss", agent=profile)
    found: list[str] = []
    cursor = "0-"
    while cursor:
        rows, cursor = await page(tenant, "agents", cursor, limit)
        assert len(rows) <= limit
        found += [row.id for row in rows]
    assert sorted(found) == sorted([*names, "ana", "boss"])


async def test_agent_that_stays_is_on_one_page_while_others_go(tenant: StoredTenant) -> None:
    for name in ("a", "b", "c", "d"):
        await tenant.connect_new(name)
    rows, cursor = await page(tenant, "agents", "0-", 3)
    first = [row.id for row in rows]
    gone = next(one for one in first if one in "abcd")
    await tenant.run("agent_remove", "boss", agent_id=gone)
    rest, cursor = await page(tenant, "agents", cursor, 3)
    assert sorted([*first, *(row.id for row in rest)]) == ["a", "ana", "b", "boss", "c", "d"]
    assert cursor == ""


async def test_page_of_departments_shows_the_rules_that_hold(tenant: StoredTenant) -> None:
    await put(tenant, rule=STRICT)
    rows, _ = await page(tenant, "departments", "0-", 10)
    assert {row.id for row in rows} == {"sales", "help"}
    assert [msgspec.to_builtins(row.rule) for row in rows] == [msgspec.to_builtins(STRICT)] * 2


async def test_agent_get_reads_the_row(tenant: StoredTenant) -> None:
    result = await tenant.run("agent_get", "ana", agent_id="ana")
    assert answers.agent(result["agent"]) == await tenant.agent("ana")
    assert await tenant.refuse("not_found", "agent_get", "ana", agent_id="zoe") == {"agent_id": "zoe"}
    assert await tenant.refuse("not_found", "department_get", "ana", department_id="zoe") == {
        "department_id": "zoe"
    }
