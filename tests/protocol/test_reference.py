"""docs/PROTOCOL.md: its tables are the types', and its text names everything that the types have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relevo.protocol import COMMANDS, ERRORS, HTTP_COMMANDS, PUSHES, CloseCode, ErrorCode, Role
from relevo.protocol.objects import EntryKind, Outcome, SessionState, Status
from relevo.protocol.pushes import FEATURES, TransferState
from relevo.protocol.reference import TABLES, rewritten
from relevo.protocol.schemas import ErrorDetails
from relevo.router.config import BY_NAME, PREFIX
from relevo.router.gateway.commands import RULES
from relevo.router.gateway.roles import ALL, BACK_ENDS

PATH = Path(__file__).parents[2] / "docs/PROTOCOL.md"
TEXT = PATH.read_text()
BY_HAND = re.sub(r"<!-- table: \w+ -->.*?<!-- end -->", "", TEXT, flags=re.DOTALL)
ROLES = ("agent", "admin", "service")

# Commands that the store does not decide, and their roles.
OF_A_CONNECTION = {
    **dict.fromkeys(("hello", "ping", "token.refresh"), frozenset(ROLES)),
    **dict.fromkeys(("directory.subscribe", "directory.unsubscribe"), ALL),
    **dict.fromkeys(("session.watch", "session.unwatch"), BACK_ENDS),
}


def section(title: str) -> str:
    """Return the text under a heading, up to the next heading of its level or above."""
    level, rest = re.split(rf"^(#+) {title}$", TEXT, maxsplit=1, flags=re.MULTILINE)[1:]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> dict[str, list[str]]:
    """Return the rows of the tables of a text, by their first cell without its quotes."""
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]
    return {first.strip().strip("`"): rest for first, *rest in cells}


def test_protocol_tables_equal_the_types() -> None:
    assert rewritten(TEXT) == TEXT, "the types have changed: run `make docs`"


@pytest.mark.parametrize("name", TABLES)
def test_protocol_has_each_table_once(name: str) -> None:
    assert TEXT.count(f"<!-- table: {name} -->") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_protocol_command_roles_equal_the_router(name: str) -> None:
    allowed = OF_A_CONNECTION.get(name) or RULES[COMMANDS[name]].roles
    cells = dict(zip(ROLES, rows(section("Permissions"))[name], strict=True))
    assert {role for role, cell in cells.items() if cell != "no"} == set(allowed)


@pytest.mark.parametrize("name", PUSHES)
def test_protocol_push_says_where_it_goes_and_when(name: str) -> None:
    assert len([cell for cell in rows(section("Pushes"))[name] if cell]) == 2


@pytest.mark.parametrize("code", CloseCode)
def test_protocol_close_code_says_what_a_client_does(code: CloseCode) -> None:
    by_hand = section("Close codes").partition("<!-- end -->")[2]
    assert re.search(rf"\b{int(code)}\b", by_hand) or code.reconnect


@pytest.mark.parametrize("code", [code for code in ErrorCode if ERRORS[code].details.__struct_fields__])
def test_protocol_error_explains_each_of_its_details(code: ErrorCode) -> None:
    explained = section("Errors").partition("<!-- end -->")[2]
    (line,) = re.findall(rf"^- `{code.value}`: (.*?)(?=^- |\Z)", explained, re.MULTILINE | re.DOTALL)
    ids = {"session_id", "agent_id", "department_id"}
    missing = [
        field
        for field in ERRORS[code].details.__struct_fields__
        if f"`{field}`" not in line and field not in ids and field != "path"
    ]
    assert missing == [] or (code is ErrorCode.UNAVAILABLE and missing == ["reason"])


def test_protocol_names_every_field_of_details() -> None:
    assert [field for field in ErrorDetails.__struct_fields__ if f"`{field}`" not in TEXT] == []


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(HTTP_COMMANDS)))
def test_protocol_http_names_each_command_of_a_connection(command: str) -> None:
    assert f"`{command}`" in section("HTTP")


@pytest.mark.parametrize(
    ("title", "values"),
    [
        ("Agents", Status),
        ("Sessions", SessionState),
        ("History", EntryKind),
        ("What a transfer does", Outcome),
        ("Pushes", TransferState),
        ("Tokens and roles", Role),
    ],
)
def test_protocol_explains_each_value_of_an_enumeration(title: str, values: object) -> None:
    text = re.sub(r"<!-- table: \w+ -->.*?<!-- end -->", "", section(title), flags=re.DOTALL)
    assert [value for value in values.__args__ if f"`{value}`" not in text] == []  # type: ignore[attr-defined]


def test_protocol_settings_exist() -> None:
    named = set(re.findall(rf"\b{PREFIX}\w+", TEXT))
    assert len(named) > 15
    assert named <= {setting.variable for setting in BY_NAME.values()}


def test_protocol_links_lead_to_headings() -> None:
    headings = {
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    links = set(re.findall(r"\]\(#([\w-]+)\)", TEXT))
    assert links
    assert links <= headings


def test_reference_says_what_each_feature_is() -> None:
    listed = re.findall(r"^  \| `(\w+)` \| \[", section("The first message"), re.MULTILINE)
    assert listed == list(FEATURES)
