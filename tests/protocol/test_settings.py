"""Settings: what fits, what does not and where, and what holds where nothing is set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from relevo.protocol import Codec, InvalidMessage, fingerprint
from relevo.protocol.commands import Command, DepartmentPut, SettingsPut
from relevo.protocol.settings import SETTINGS, DepartmentSettings, TenantSettings, parties_of, with_defaults

Pack = Callable[[Any], bytes]

SALES, ANA = {"kind": "department", "id": "sales"}, {"kind": "agent", "id": "ana"}
RULE = {"departments": ["sales"], "agents": "members", "statuses": ["connected"], "at_capacity": False}
REASON = {"id": "lunch", "name": "Lunch", "status": "pause"}
REPLY = {"id": "hi", "title": "Hello", "text": "Hello!"}
MONTH_MS = 30 * 24 * 60 * 60 * 1000


def hours(**fields: Any) -> dict[str, Any]:
    return {"zone": "Europe/Lisbon", "week": {}} | fields


def many(count: int, kind: dict[str, str]) -> list[dict[str, str]]:
    return [kind | {"id": f"n{number}"} for number in range(count)]


# A setting, values that fit it, and values that do not, each with its path below the setting.
VALUES: list[tuple[str, list[Any], list[tuple[Any, str]]]] = [
    ("answer_ms", [0, MONTH_MS, None], [(-1, ""), (MONTH_MS + 1, ""), ("1", ""), (1.5, "")]),
    ("missed_max", [0, 1_000], [(-1, ""), (1_001, "")]),
    ("pending_ms", [0, MONTH_MS], [(MONTH_MS + 1, "")]),
    ("pending_then", ["return", "department"], [("queue", "")]),
    ("after_grace", ["pending", "department"], [("", "")]),
    ("pending_take", ["by_hand", "when_available"], [(True, "")]),
    ("wrap_up_ms", [0, MONTH_MS], [(MONTH_MS + 1, "")]),
    ("queue_max", [0, 1_000_000, None], [(1_000_001, "")]),
    (
        "overflow",
        [{"on": ["full", "closed", "nobody"], "to": SALES}, {"on": [], "after_ms": 0, "to": ANA}],
        [
            ({"on": ["full"]}, ".to"),
            ({"on": [], "to": SALES}, ".on"),
            ({"on": ["full", "full"], "to": SALES}, ".on"),
            ({"on": ["empty"], "to": SALES}, ".on[0]"),
            ({"on": ["full"], "to": {"kind": "team", "id": "a"}}, ".to.kind"),
            ({"on": ["full"], "to": SALES, "after_ms": -1}, ".after_ms"),
        ],
    ),
    (
        "hours",
        [
            hours(week={"mon": [["00:00", "24:00"]]}, days={"2028-02-29": []}),
            hours(week={"sun": [["09:00", "12:00"], ["12:00", "18:00"]]}),
            hours(days={f"{2000 + n}-01-01": [["10:00", "10:01"]] for n in range(400)}),
        ],
        [
            (hours(week={"day": []}), ".week.day"),
            (hours(week={"mon": [["9:00", "18:00"]]}), ".week.mon[0][0]"),
            (hours(week={"mon": [["09:00", "24:01"]]}), ".week.mon[0][1]"),
            (hours(week={"mon": [["09:00"]]}), ".week.mon[0]"),
            (hours(week={"mon": [["18:00", "09:00"]]}), ".week.mon"),
            (hours(week={"mon": [["09:00", "09:00"]]}), ".week.mon"),
            (hours(week={"mon": [["12:00", "18:00"], ["09:00", "12:00"]]}), ".week.mon"),
            (hours(week={"mon": [["09:00", "09:30"]] * 9}), ".week.mon"),
            (hours(days={"2026-02-29": []}), ".days"),
            (hours(days={"26-2-9": []}), ".days"),
            (hours(days={"2026-01-01": [["18:00", "09:00"]]}), ".days"),
            (hours(days={f"{2000 + n}-01-01": [] for n in range(401)}), ".days"),
            ({"zone": "", "week": {}}, ".zone"),
            ({"zone": "UTC"}, ".week"),
        ],
    ),
    ("when_closed", ["queue", "refuse"], [("drop", "")]),
    (
        "rule",
        [RULE, {}, {"departments": "any", "statuses": []}, {"departments": [f"d{n}" for n in range(64)]}],
        [
            ({"departments": "some"}, ".departments"),
            ({"departments": ["a b"]}, ".departments[0]"),
            ({"departments": ["a", "a"]}, ".departments"),
            ({"departments": [f"d{n}" for n in range(65)]}, ".departments"),
            ({"agents": "all"}, ".agents"),
            ({"statuses": ["busy"]}, ".statuses[0]"),
            ({"statuses": ["pause", "pause"]}, ".statuses"),
            ({"at_capacity": 1}, ".at_capacity"),
            ({"hops_max": 10_001}, ".hops_max"),
            ({"reason": "maybe"}, ".reason"),
            ({"agent": "any"}, ".agent"),
        ],
    ),
    ("alarm_ms", [0, MONTH_MS], [(MONTH_MS + 1, "")]),
    (
        "reasons",
        [[], [REASON], many(100, REASON), [REASON | {"id": "x" * 64}]],
        [
            ([REASON, REASON], ""),
            (many(101, REASON), ""),
            ([REASON | {"status": "busy"}], "[0].status"),
            ([REASON | {"name": " "}], "[0].name"),
            ([REASON | {"id": "x" * 65}], "[0].id"),
        ],
    ),
    ("priority_step_ms", [0, MONTH_MS], [(MONTH_MS + 1, "")]),
    (
        "replies",
        [[REPLY | {"text": "x" * 1_000}], many(200, REPLY)],
        [
            (many(201, REPLY), ""),
            ([REPLY, REPLY], ""),
            ([REPLY | {"text": "x" * 1_001}], "[0].text"),
            ([REPLY | {"text": ""}], "[0].text"),
            ([REPLY | {"title": "\u200b"}], "[0].title"),
        ],
    ),
    ("last_resort", [SALES, ANA, None], [("sales", ""), ({"kind": "agent"}, ".id")]),
    (
        "customers_open",
        [[], ["sales", "help"], [f"d{n}" for n in range(256)]],
        [(["sales", "sales"], ""), ([f"d{n}" for n in range(257)], ""), (["a b"], "[0]")],
    ),
    ("customer_grace_ms", [0, MONTH_MS], [(MONTH_MS + 1, "")]),
    ("hidden_watch", [True, False, None], [(0, "")]),
]


def decode(codec: Codec, data: bytes) -> Command | InvalidMessage:
    (item,) = codec.decode(data)
    return item


def put(settings: dict[str, Any]) -> dict[str, Any]:
    return {"type": "settings.put", "id": "1", "settings": settings}


def put_in(settings: dict[str, Any]) -> dict[str, Any]:
    department = {"id": "sales", "name": "Sales", "settings": settings}
    return {"type": "department.put", "id": "1", "department": department}


def test_values_are_given_for_every_setting() -> None:
    assert {name for name, _, _ in VALUES} == set(SETTINGS) == set(TenantSettings.__struct_fields__)


@pytest.mark.limit(
    "CUSTOMERS_OPEN_MAX",
    "DAYS_MAX",
    "DURATION_MS_MAX",
    "HOPS_MAX_MAX",
    "MISSED_MAX_MAX",
    "QUEUE_MAX_MAX",
    "REASONS_MAX",
    "REPLIES_MAX",
    "REPLY_CHARACTERS_MAX",
    "SPANS_MAX",
)
@pytest.mark.parametrize(("name", "fitting", "unfitting"), VALUES, ids=[name for name, _, _ in VALUES])
def test_setting_takes_what_fits_and_names_what_does_not(
    name: str, fitting: list[Any], unfitting: list[tuple[Any, str]], codec: Codec, pack: Pack
) -> None:
    for value in fitting:
        item = decode(codec, pack(put({name: value})))
        assert isinstance(item, SettingsPut), (value, item)
    for value, below in unfitting:
        item = decode(codec, pack(put({name: value})))
        assert isinstance(item, InvalidMessage), value
        assert item.path == f"$.settings.{name}{below}"


@pytest.mark.parametrize("name", SETTINGS)
def test_department_takes_the_settings_of_both(name: str, codec: Codec, pack: Pack) -> None:
    item = decode(codec, pack(put_in({name: None})))
    if name in DepartmentSettings.__struct_fields__:
        assert isinstance(item, DepartmentPut)
    else:
        assert isinstance(item, InvalidMessage)
        assert item.path == f"$.department.settings.{name}"


def test_unknown_setting_is_named(codec: Codec, pack: Pack) -> None:
    assert decode(codec, pack(put({"nope": 1}))) == InvalidMessage("1", "$.settings.nope", "Unknown field")
    wrong = decode(codec, pack(put_in({"answer_ms": "soon"})))
    assert isinstance(wrong, InvalidMessage)
    assert wrong.path == "$.department.settings.answer_ms"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"rule": {"statuses": ["busy"]}}, "one of `connected`, `disconnected`, `pause`, `pre_pause`"),
        ({"overflow": {"on": ["x"], "to": SALES}}, "one of `closed`, `full`, `nobody`"),
        ({"hours": hours(week={"mon": [["x", "y"]]})}, "a time as in `09:30`, or `24:00`"),
        ({"hours": hours(days={"x": []})}, "a date as in `2026-12-25`"),
        ({"reasons": [REASON | {"id": " "}]}, "an id: 1 to 64 of A-Z a-z 0-9 _ . @ : + | / = ' -"),
    ],
)
def test_unfitting_setting_says_what_is_expected(
    settings: dict[str, Any], expected: str, codec: Codec, pack: Pack
) -> None:
    item = decode(codec, pack(put(settings)))
    assert isinstance(item, InvalidMessage)
    assert item.message == f"Expected {expected}"


def test_rule_is_kept_whole(codec: Codec, pack: Pack) -> None:
    item = decode(codec, pack(put({"rule": {"hops_max": 2}})))
    assert isinstance(item, SettingsPut)
    assert msgspec.to_builtins(item.settings) == {"rule": SETTINGS["rule"].default | {"hops_max": 2}}


def test_a_null_setting_is_another_body_than_a_missing_one(codec: Codec, pack: Pack) -> None:
    prints = set()
    for settings in ({}, {"answer_ms": None}, {"answer_ms": 0}, {"alarm_ms": None}):
        item = decode(codec, pack(put(settings)))
        assert not isinstance(item, InvalidMessage)
        prints.add(fingerprint(item))
    assert len(prints) == 4


def test_defaults_hold_where_nothing_is_set() -> None:
    found = with_defaults(TenantSettings, {"answer_ms": 5, "queue_max": 9})
    assert found["answer_ms"] == 5
    assert found["queue_max"] == 9
    assert found["missed_max"] == 2
    assert "last_resort" not in found
    assert "replies" not in with_defaults(DepartmentSettings, {})


@pytest.mark.parametrize("name", SETTINGS)
def test_default_is_a_value_of_its_setting(name: str) -> None:
    default = SETTINGS[name].default
    read = msgspec.convert({name: default}, TenantSettings)
    assert msgspec.to_builtins(read) == {name: default}


def test_parties_are_all_that_settings_name() -> None:
    settings = msgspec.convert(
        {
            "overflow": {"on": ["full"], "to": ANA},
            "rule": {"departments": ["sales"]},
            "last_resort": SALES,
            "customers_open": ["help"],
        },
        TenantSettings,
    )
    assert [(party.kind, party.id) for party in parties_of(settings)] == [
        ("agent", "ana"),
        ("department", "sales"),
        ("department", "sales"),
        ("department", "help"),
    ]
    assert list(parties_of(TenantSettings(overflow=None, rule=None, last_resort=None))) == []
