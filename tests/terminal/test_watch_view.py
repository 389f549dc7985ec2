"""The view of `relevo watch`, as a terminal shows it."""

import io
import re
from dataclasses import replace

import pytest
from relevo_client import Actor, Customer, Owner, Party
from rich.console import Console

from relevo.clients.terminal.watch.model import Connection, TenantView
from relevo.clients.terminal.watch.view import clean, render
from tests.terminal.watch_fixture import ANA, NOW_MS, SALES, session, tenant, transfer


def lines(known: TenantView, width: int = 200, height: int | None = None) -> list[str]:
    """Return the frame's lines, as a terminal of that size shows them, without colours."""
    console = Console(record=True, width=width, file=io.StringIO(), color_system="truecolor")
    console.print(render(known, NOW_MS, width, height))
    return [line.rstrip() for line in console.export_text().splitlines()]


def line_of(known: TenantView, text: str, width: int = 200) -> str:
    """Return the one line that holds a text, with single spaces."""
    (found,) = (line for line in lines(known, width) if text in line)
    return re.sub(r"[ │]+", " ", found)


def test_render_shows_the_counts_of_a_department() -> None:
    assert " Ventas 2 1 3 " in line_of(tenant(), "2         1      3")


def test_render_shows_an_agents_status_load_and_pending_list() -> None:
    assert "Ana García connected 1/10 ━───── 0 5 s Ventas" in line_of(tenant(), "Ana García")
    assert "Zoë Bennett pre-pause 4/4 ━━━━━━ 1 5 min Ventas" in line_of(tenant(), "Zoë Bennett")
    assert "Sofía Rodríguez disconnected 0/5 ────── 0 2 h 30 admin" in line_of(tenant(), "Sofía")


def test_render_colours_statuses() -> None:
    console = Console(record=True, width=160, file=io.StringIO(), color_system="truecolor")
    console.print(render(tenant(), NOW_MS, 160))
    text = console.export_text(styles=True)
    assert re.search(r"\x1b\[32mconnected", text)
    assert re.search(r"\x1b\[33mpre-pause", text)
    assert re.search(r"\x1b\[31m *4/4", text)


def test_render_shows_where_a_session_waits_and_why() -> None:
    handed = transfer("t", "s", to=Party("agent", "ana", "Ana García"))
    known = tenant(
        session("s", "pending", transfer=handed),
        session("q", "queued", owner=Owner("department", "sales"), updated_at=NOW_MS - 3_000),
    )
    assert "1 min Eva Núñez Ana García pending Ana García: Asks for a refund" in line_of(known, " 1 min ")
    assert "3 s Eva Núñez Ventas queue new" in line_of(known, " queue ")
    assert "2 conversations, 1 of 3 available, 1 pending, 1 queued" in lines(known)[0]


SALES_PARTY = Party("department", "sales", "Ventas")


@pytest.mark.parametrize(
    ("to", "state", "owner", "outcome"),
    [
        (None, "in_progress", Owner("agent", "zoe"), "assigned"),
        (None, "in_progress", Owner("agent", "ana"), "back with Ana García"),
        (None, "pending", Owner("agent", "zoe"), "pending"),
        (None, "pending", Owner("agent", "ana"), "pending with Ana García"),
        (SALES_PARTY, "in_progress", Owner("agent", "zoe"), "to Zoë Bennett"),
        (SALES_PARTY, "queued", Owner("department", "sales"), "queued"),
        (None, "closed", None, "closed"),
    ],
)
def test_render_shows_a_transfer_and_its_outcome(
    to: Party | None, state: str, owner: Owner | None, outcome: str
) -> None:
    known = tenant(session("s", state, owner=owner, transfer=transfer("t", "s", to=to, at=NOW_MS - 7_000)))
    target = "Ventas" if to is SALES_PARTY else "Zoë Bennett"
    assert f" 7 s Eva Núñez Ana García {target} {outcome} Asks for a refund" in line_of(known, " 7 s ", 300)


def test_render_names_the_sender_of_a_transfer_for_another() -> None:
    made = replace(transfer("t", "s", at=NOW_MS - 7_000), by=Actor("sofia", "Sofía", "admin"))
    assert "Ana García by Sofía Zoë" in line_of(tenant(session("s", transfer=made)), " 7 s ", 300)


def test_render_marks_a_transfer_that_moved_on() -> None:
    waited = session("s", "pending", transfer=transfer("t1", "s", at=NOW_MS - 8_000))
    sent_on = session("s", fence=2, transfer=transfer("t2", "s", to=SALES_PARTY))
    assert "moved on" in line_of(tenant(waited, sent_on), " 8 s ")


def test_render_without_a_connection_says_for_how_long() -> None:
    lost = Connection(is_live=False, lost_at=NOW_MS - 12_000, problem="connection closed with 1006")
    first = lines(tenant(connection=lost))[0]
    assert "NOT LIVE for 12 s: connection closed with 1006" in first
    assert "● live" not in first
    assert "● live" in lines(tenant())[0]


@pytest.mark.parametrize("width", [60, 80, 159, 160, 200])
@pytest.mark.parametrize("height", [20, 24, 40, 60])
def test_render_fills_its_terminal_exactly(width: int, height: int) -> None:
    waiting = [
        session(f"s{number}", "pending", transfer=transfer(f"t{number}", f"s{number}"))
        for number in range(50)
    ]
    shown = lines(tenant(*waiting), width, height)
    assert len(shown) == height
    assert all(len(line) <= width for line in shown)
    assert any(re.search(r"… \d+ more", line) for line in shown)


def test_render_without_a_height_shows_every_row() -> None:
    waiting = [session(f"s{number}", "pending") for number in range(50)]
    assert sum("Eva Núñez" in line for line in lines(tenant(*waiting))) == 50


def test_render_replaces_control_characters() -> None:
    wild = "\x1b]0;owned\x07\x1b[2J[bold]Eva[/bold]\r\n\u202eavE"
    assert clean(wild) == " ]0;owned  [2J[bold]Eva[/bold]   avE"
    handed = replace(transfer("t", "s"), reason=wild, by=Actor("ana", wild, "agent"))
    known = tenant(session("s", "pending", customer=Customer("u", wild), transfer=handed))
    known.agents = [replace(ANA, name=wild, departments=(wild,))]
    known.departments = [replace(SALES, name=wild)]
    text = "\n".join(lines(known, 300))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "[bold]Eva" in text
